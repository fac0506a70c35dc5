package wire

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "sessiond/gen/sessiond/v1"
)

func text(value string) *pb.Value {
	return &pb.Value{Kind: &pb.Value_StringValue{StringValue: value}}
}

func session(long int) *pb.Session {
	now := timestamppb.New(time.Unix(1_800_000_000, 123_000_000))
	return &pb.Session{
		Handle: "0190a5b8-0000-7000-8000-000000000000", Namespace: "default", Version: 300, Principal: "user é",
		Labels:     map[string]string{"device": "phone", "": ""},
		CreateTime: now, LastAccessTime: now, UpdateTime: now, ExpireTime: now, AbsoluteExpireTime: now,
		IdleTimeout: durationpb.New(90 * time.Minute),
		Attributes: map[string]*pb.Value{
			"text": text("x"), "": text(""), "long": text(strings.Repeat("y", long)), "empty": {},
			"number": {Kind: &pb.Value_IntValue{IntValue: 7}}, "least": {Kind: &pb.Value_IntValue{IntValue: -1 << 63}},
			"null":  {Kind: &pb.Value_NullValue{NullValue: structpb.NullValue_NULL_VALUE}},
			"bytes": {Kind: &pb.Value_BytesValue{BytesValue: []byte{0xff}}},
			"float": {Kind: &pb.Value_DoubleValue{DoubleValue: 1.5}},
			"list":  {Kind: &pb.Value_ListValue{ListValue: &pb.ListValue{Items: []*pb.Value{text("in it")}}}},
		},
	}
}

func encoded(t testing.TB, message proto.Message) string {
	t.Helper()
	out, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestAnswersThatServersGive(t *testing.T) {
	for _, long := range []int{10, 2 * shared} {
		get := &pb.GetSessionResponse{Session: session(long), NotModified: true}
		if found := GetResponse(encoded(t, get)); !proto.Equal(found, get) {
			t.Errorf("%v was read as %v", get, found)
		}
	}
	for _, update := range []*pb.UpdateSessionResponse{
		{Session: &pb.Session{}}, {Session: &pb.Session{Version: 1 << 63}, Created: true},
	} {
		if found := UpdateResponse(encoded(t, update)); !proto.Equal(found, update) {
			t.Errorf("%v was read as %v", update, found)
		}
	}
}

// isAsProto fails if a message is read, but not as package proto reads it.
func isAsProto(t *testing.T, message string) {
	t.Helper()
	found := GetResponse(message)
	if found == nil {
		return
	}
	wanted := new(pb.GetSessionResponse)
	if err := proto.Unmarshal([]byte(message), wanted); err != nil || !proto.Equal(found, wanted) {
		t.Errorf("%q was read as %v, not as %v, %v", message, found, wanted, err)
	}
}

// What is damaged is never read as something else.
func TestDamagedAnswers(t *testing.T) {
	whole := encoded(t, &pb.GetSessionResponse{Session: session(10), NotModified: true})
	random := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		damaged := []byte(whole)
		for range 1 + random.IntN(3) {
			damaged[random.IntN(len(damaged))] = byte(random.Uint32())
		}
		isAsProto(t, string(damaged))
		isAsProto(t, string(damaged[:random.IntN(len(damaged))]))
	}
}

func FuzzGetResponse(f *testing.F) {
	f.Add(encoded(f, &pb.GetSessionResponse{Session: session(10)}))
	f.Fuzz(isAsProto)
}

func TestAppendedAttributes(t *testing.T) {
	was := &pb.Session{Attributes: session(10).GetAttributes()}
	future := text("of a later version")
	future.ProtoReflect().SetUnknown([]byte{99<<3&0x7f | 0x80, 6, 1})
	was.Attributes["future"] = future
	data, err := AppendAttributes(nil, 4, was.GetAttributes())
	if err != nil {
		t.Fatal(err)
	}
	found := new(pb.Session)
	if err := proto.Unmarshal(data, found); err != nil || !proto.Equal(found, was) {
		t.Errorf("%v was read as %v, %v", was, found, err)
	}
	if _, err := AppendAttributes(nil, 4, map[string]*pb.Value{"\xff": text("x")}); err == nil {
		t.Error("a name that is no text was encoded")
	}
}
