package native_test

import (
	"encoding/gob"
	"reflect"
	"testing"
	"time"

	"sessiond"
	pb "sessiond/gen/sessiond/v1"
	"sessiond/internal/native"
)

type user struct{ Name string }

func TestWhatIsStoredComesBackAsItsType(t *testing.T) {
	gob.Register(user{})
	gob.Register([]string{})
	moment := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, c := range []struct {
		value   any
		neutral bool
	}{
		{nil, true}, {true, true}, {1, true}, {1.5, true}, {"text", true}, {[]byte{0}, true}, {moment, true},
		{[]any{1, "a", nil}, true}, {map[string]any{"a": []any{1}}, true},
		{sessiond.Opaque{Encoding: "node-v8", Data: []byte{1}}, true},
		{int64(1), false}, {uint8(1), false}, {float32(1), false}, {"\xff", false}, {[]string{"a"}, false},
		{user{"Ada"}, false}, {[]any{1, user{"Ada"}}, false},
	} {
		encoded, err := native.Encode(c.value)
		if err != nil {
			t.Errorf("%T: %v", c.value, err)
			continue
		}
		if got := native.Decode(encoded); !reflect.DeepEqual(got, c.value) {
			t.Errorf("%#v comes back as %#v", c.value, got)
		}
		isGob := encoded.GetOpaqueValue().GetEncoding() == sessiond.EncodingGob
		if isGob == c.neutral {
			t.Errorf("%#v is stored as %v", c.value, encoded)
		}
	}
}

func TestGobThatCannotBeReadIsKept(t *testing.T) {
	stored := &pb.Value{Kind: &pb.Value_OpaqueValue{OpaqueValue: &pb.OpaqueValue{Encoding: "go-gob", Data: []byte("old")}}}
	again, err := native.Encode(native.Decode(stored))
	if err != nil || string(again.GetOpaqueValue().GetData()) != "old" {
		t.Errorf("it comes back as %v, %v", again, err)
	}
}

func TestOnlyWhatChangedIsSent(t *testing.T) {
	was, _ := native.EncodeAll(map[string]any{"same": 1, "changed": "a", "removed": true})
	wanted, _ := native.EncodeAll(map[string]any{"same": 1, "changed": "b", "new": nil})
	set, remove := native.Difference(was, wanted)
	if len(set) != 2 || set["changed"] == nil || set["new"] == nil || !reflect.DeepEqual(remove, []string{"removed"}) {
		t.Errorf("it sets %v and removes %v", set, remove)
	}
}

func TestText(t *testing.T) {
	for want, value := range map[string]any{"ada": "ada", "42": 42, "": nil} {
		encoded, err := native.Encode(value)
		if err != nil || native.Text(encoded) != want {
			t.Errorf("%v is %q, %v", value, native.Text(encoded), err)
		}
	}
	if got := native.Text(nil); got != "" {
		t.Errorf("nothing is %q", got)
	}
}
