package sessiond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	pb "sessiond/gen/sessiond/v1"
)

const patience = 20 * time.Second

// rpc finds a method by its name in a case: CreateSession, or Admin.SweepNow.
func rpc(name string) (full string, method protoreflect.MethodDescriptor, err error) {
	service := protoreflect.FullName("sessiond.v1.SessionStore")
	if rest, isAdmin := strings.CutPrefix(name, "Admin."); isAdmin {
		service, name = "sessiond.v1.Admin", rest
	}
	descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName(service)
	if err != nil {
		return "", nil, err
	}
	method = descriptor.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(name))
	if method == nil {
		return "", nil, fmt.Errorf("no method is called %s", name)
	}
	return fmt.Sprintf("/%s/%s", service, name), method, nil
}

func newMessage(of protoreflect.MessageDescriptor) (proto.Message, error) {
	found, err := protoregistry.GlobalTypes.FindMessageByName(of.FullName())
	if err != nil {
		return nil, err
	}
	return found.New().Interface(), nil
}

// request makes a message of a template; its namespace is that of the case unless it names one.
func (r *run) request(of protoreflect.MessageDescriptor, template any) (proto.Message, error) {
	if template == nil {
		template = map[string]any{}
	}
	expanded, err := r.expand(template)
	if err != nil {
		return nil, err
	}
	r.fillNamespace(of, expanded)
	text, err := json.Marshal(expanded)
	if err != nil {
		return nil, err
	}
	message, err := newMessage(of)
	if err != nil {
		return nil, err
	}
	return message, protojson.Unmarshal(text, message)
}

func (r *run) fillNamespace(of protoreflect.MessageDescriptor, request any) {
	fields, isObject := request.(map[string]any)
	if !isObject || of.Fields().ByName("namespace") == nil {
		return
	}
	if _, named := fields["namespace"]; !named && fields["allNamespaces"] != true {
		r.mu.Lock()
		defer r.mu.Unlock()
		fields["namespace"] = r.vars["namespace"]
	}
}

func toJSON(message proto.Message) (any, error) {
	text, err := protojson.Marshal(message)
	if err != nil {
		return nil, err
	}
	var out any
	return out, json.Unmarshal(text, &out)
}

// call makes a call by way of the client, so that its lane and its errors are tested too.
func (r *run) call(s *step) error {
	full, descriptor, err := rpc(s.Call)
	if err != nil {
		return err
	}
	if descriptor.IsStreamingClient() || descriptor.IsStreamingServer() {
		return r.callStream(s, full, descriptor)
	}
	request, err := r.request(descriptor.Input(), s.Request)
	if err != nil {
		return err
	}
	empty, err := newMessage(descriptor.Output())
	if err != nil {
		return err
	}
	// As long as a lock may make it wait.
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	answer, failed := within(ctx, r.client, method{full, false}, request, empty)
	if failed != nil {
		return r.judge(s, nil, failed)
	}
	shown, err := toJSON(answer)
	if err != nil {
		return err
	}
	return r.judge(s, shown, nil)
}

// callStream makes a call whose request or answer is a stream; the last message of the answer counts.
func (r *run) callStream(s *step, full string, descriptor protoreflect.MethodDescriptor) error {
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	stream, err := r.client.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, full)
	if err != nil {
		return err
	}
	messages := s.Messages
	if messages == nil {
		messages = []any{s.Request}
	}
	for _, template := range messages {
		request, err := r.request(descriptor.Input(), template)
		if err != nil {
			return err
		}
		if err := stream.SendMsg(request); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	var last any
	for {
		answer, err := newMessage(descriptor.Output())
		if err != nil {
			return err
		}
		if err := stream.RecvMsg(answer); errors.Is(err, io.EOF) {
			return r.judge(s, last, nil)
		} else if err != nil {
			return r.judge(s, nil, asError(ctx, status.Convert(err)))
		}
		if last, err = toJSON(answer); err != nil {
			return err
		}
	}
}

type eventStream struct {
	stream pb.SessionStore_WatchSessionsClient
	cancel context.CancelFunc
}

// watch opens a stream of events; its first message is judged.
func (r *run) watch(s *step) error {
	_, descriptor, err := rpc("WatchSessions")
	if err != nil {
		return err
	}
	request, err := r.request(descriptor.Input(), s.Request)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	r.t.Cleanup(cancel)
	stream, err := r.client.store().WatchSessions(ctx, request.(*pb.WatchSessionsRequest))
	if err != nil {
		return r.judge(s, nil, asError(ctx, status.Convert(err)))
	}
	r.streams[s.Watch] = &eventStream{stream, cancel}
	return r.judgeNext(s, r.streams[s.Watch], true)
}

// next judges the next event of a stream, or the next message.
func (r *run) next(s *step) error { return r.judgeNext(s, r.streams[s.Next], s.Checkpoints) }

func (r *run) judgeNext(s *step, from *eventStream, checkpoints bool) error {
	for {
		message, err := from.stream.Recv()
		if err != nil {
			return r.judge(s, nil, asError(from.stream.Context(), status.Convert(err)))
		}
		if message.GetCheckpoint() != nil && !checkpoints {
			continue
		}
		shown, err := toJSON(message)
		if err != nil {
			return err
		}
		return r.judge(s, shown, nil)
	}
}

// exchange sends all messages over one stream, ends it, and judges the replies.
func (r *run) exchange(s *step) error {
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	stream, err := r.client.store().Exchange(ctx)
	if err != nil {
		return err
	}
	_, descriptor, err := rpc("Exchange")
	if err != nil {
		return err
	}
	for _, template := range s.Exchange {
		request, err := r.request(descriptor.Input(), template)
		if err != nil {
			return err
		}
		for _, call := range request.(*pb.ExchangeRequest).GetCalls() {
			r.fillCallNamespace(call)
		}
		if err := stream.Send(request.(*pb.ExchangeRequest)); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	missing := len(s.Replies)
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			if missing != 0 {
				return fmt.Errorf("%d replies are missing", missing)
			}
			return nil
		}
		if err != nil {
			return err
		}
		for _, reply := range message.GetReplies() {
			missing--
			if err := r.judgeReply(s, reply); err != nil {
				return fmt.Errorf("tag %d: %w", reply.GetTag(), err)
			}
		}
	}
}

func (r *run) fillCallNamespace(call *pb.Call) {
	call.ProtoReflect().Range(func(_ protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if message, isMessage := value.Interface().(protoreflect.Message); isMessage {
			if field := message.Descriptor().Fields().ByName("namespace"); field != nil && !message.Has(field) {
				message.Set(field, protoreflect.ValueOfString(r.vars["namespace"]))
			}
		}
		return true
	})
}

func (r *run) judgeReply(s *step, reply *pb.Reply) error {
	wanted, isWanted := s.Replies[fmt.Sprint(reply.GetTag())]
	if !isWanted {
		return errors.New("nobody asked for this reply")
	}
	if found := reply.GetError(); found != nil {
		return r.judge(&wanted, nil, asError(r.t.Context(), statusOf(found)))
	}
	shown, err := toJSON(reply)
	if err != nil {
		return err
	}
	return r.judge(&wanted, shown, nil)
}
