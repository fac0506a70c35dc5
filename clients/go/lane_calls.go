package sessiond

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	statuspb "google.golang.org/genproto/googleapis/rpc/status"

	pb "sessiond/gen/sessiond/v1"
	"sessiond/internal/wire"
)

// laneCall is the request as the fast lane carries it; nil if it travels by itself.
func laneCall(request proto.Message) *pb.Call {
	switch request := request.(type) {
	case *pb.CreateSessionRequest:
		return &pb.Call{Method: &pb.Call_Create{Create: request}}
	case *pb.GetSessionRequest:
		return &pb.Call{Method: &pb.Call_Get{Get: request}}
	case *pb.UpdateSessionRequest:
		return &pb.Call{Method: &pb.Call_Update{Update: request}}
	case *pb.TouchSessionRequest:
		return &pb.Call{Method: &pb.Call_Touch{Touch: request}}
	case *pb.RotateSessionRequest:
		return &pb.Call{Method: &pb.Call_Rotate{Rotate: request}}
	case *pb.DeleteSessionRequest:
		return &pb.Call{Method: &pb.Call_Delete{Delete: request}}
	default:
		return nil
	}
}

// Fields of Reply that have a result.
const (
	errorField  = 2
	createField = 3
	getField    = 4
	updateField = 5
	touchField  = 6
	rotateField = 7
	deleteField = 8
)

// laneAnswer is what a reply carries.
func laneAnswer(reply reply) (proto.Message, *failure) {
	var answer proto.Message
	switch reply.field {
	case errorField:
		found := new(pb.CallError)
		if proto.Unmarshal([]byte(reply.result), found) == nil {
			return nil, &failure{answered, statusOf(found), new(charge)}
		}
	case createField:
		answer = new(pb.CreateSessionResponse)
	case getField:
		if found := wire.GetResponse(reply.result); found != nil {
			return found, nil
		}
		answer = new(pb.GetSessionResponse)
	case updateField:
		if found := wire.UpdateResponse(reply.result); found != nil {
			return found, nil
		}
		answer = new(pb.UpdateSessionResponse)
	case touchField:
		answer = new(pb.TouchSessionResponse)
	case rotateField:
		answer = new(pb.RotateSessionResponse)
	case deleteField:
		answer = new(pb.DeleteSessionResponse)
	}
	if answer == nil || proto.Unmarshal([]byte(reply.result), answer) != nil {
		return nil, fail(answered, codes.Internal, "a reply has no result that this client can read")
	}
	return answer, nil
}

func statusOf(found *pb.CallError) *status.Status {
	var details statuspb.Status
	if proto.Unmarshal(found.GetDetails(), &details) == nil && details.GetCode() == found.GetCode() {
		return status.FromProto(&details)
	}
	return status.New(codes.Code(uint32(found.GetCode())), found.GetMessage())
}
