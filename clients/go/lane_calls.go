package sessiond

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	statuspb "google.golang.org/genproto/googleapis/rpc/status"

	pb "sessiond/gen/sessiond/v1"
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

// laneAnswer is what a reply carries.
func laneAnswer(reply *pb.Reply) (proto.Message, *failure) {
	switch result := reply.GetResult().(type) {
	case *pb.Reply_Error:
		return nil, &failure{answered, statusOf(result.Error)}
	case *pb.Reply_Create:
		return result.Create, nil
	case *pb.Reply_Get:
		return result.Get, nil
	case *pb.Reply_Update:
		return result.Update, nil
	case *pb.Reply_Touch:
		return result.Touch, nil
	case *pb.Reply_Rotate:
		return result.Rotate, nil
	case *pb.Reply_Delete:
		return result.Delete, nil
	default:
		return nil, fail(answered, codes.Internal, "a reply has no result that this client knows")
	}
}

func statusOf(found *pb.CallError) *status.Status {
	var details statuspb.Status
	if proto.Unmarshal(found.GetDetails(), &details) == nil && details.GetCode() == found.GetCode() {
		return status.FromProto(&details)
	}
	return status.New(codes.Code(uint32(found.GetCode())), found.GetMessage())
}
