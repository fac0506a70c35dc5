package sessiond

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"errors"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "sessiond/gen/sessiond/v1"
)

func TestSharedVectors(t *testing.T) {
	text, err := os.ReadFile("../conformance/values.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name, Wire string
		Value      json.RawMessage
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			wire, err := base64.StdEncoding.DecodeString(c.Wire)
			if err != nil {
				t.Fatal(err)
			}
			stored, written := new(pb.Value), new(pb.Value)
			if err := proto.Unmarshal(wire, stored); err != nil {
				t.Fatal(err)
			}
			if err := protojson.Unmarshal(c.Value, written); err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(stored, written) {
				t.Fatal("the two forms of the case differ")
			}
			again, err := EncodeValue(DecodeOrdered(stored))
			if err != nil {
				t.Fatal(err)
			}
			bytesAgain, err := proto.MarshalOptions{Deterministic: true}.Marshal(again)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(bytesAgain, wire) {
				t.Errorf("it comes back as %v", again)
			}
			// map[string]any has no order; all else is the same.
			unordered := DecodeValue(stored)
			again, err = EncodeValue(unordered)
			if err != nil {
				t.Fatal(err)
			}
			if back := DecodeValue(again); !reflect.DeepEqual(back, unordered) && !isNaN(back) {
				t.Errorf("without an order it comes back as %v", back)
			}
		})
	}
}

func isNaN(value any) bool {
	number, isNumber := value.(float64)
	return isNumber && math.IsNaN(number)
}

func TestValuesOfGo(t *testing.T) {
	type name string
	text := "pointed at"
	for _, c := range []struct{ value, want any }{
		{int8(-1), int64(-1)},
		{uint16(7), int64(7)},
		{float32(0.5), 0.5},
		{name("named"), "named"},
		{&text, text},
		{(*string)(nil), nil},
		{[]string{"a", "b"}, []any{"a", "b"}},
		{[2]int{1, 2}, []any{int64(1), int64(2)}},
		{map[string]int{"a": 1}, map[string]any{"a": int64(1)}},
		{json.RawMessage("{}"), []byte("{}")},
		{Map{{"b", 1}, {"a", 2}}, map[string]any{"a": int64(2), "b": int64(1)}},
		{Opaque{"node-v8", []byte{1}}, Opaque{"node-v8", []byte{1}}},
	} {
		encoded, err := EncodeValue(c.value)
		if err != nil {
			t.Errorf("%T: %v", c.value, err)
			continue
		}
		if got := DecodeValue(encoded); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%T comes back as %#v", c.value, got)
		}
	}
}

func TestValuesThatAreRefused(t *testing.T) {
	var itself any
	itself = &itself
	for name, value := range map[string]any{
		"2^63-1":            uint64(math.MaxUint64),
		"UTF-8":             "\xff",
		"key is not valid":  map[string]any{"\xff": 1},
		"not strings":       map[int]string{1: "a"},
		"EncodeGob":         struct{}{},
		"func()":            func() {},
		"deeper than 30":    itself,
		"from 1 to 9999":    time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
		"can't read a chan": []any{make(chan int)},
	} {
		_, err := EncodeValue(value)
		if !errors.Is(err, ErrUnsupportedValue) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

// A kind that a later version of the contract adds passes through.
func TestUndecodedValue(t *testing.T) {
	later := new(pb.Value)
	if err := proto.Unmarshal([]byte{0xfa, 0x06, 0x01, 0x61}, later); err != nil {
		t.Fatal(err)
	}
	again, err := EncodeValue(DecodeValue(later))
	if err != nil || !proto.Equal(again, later) {
		t.Errorf("it comes back as %v, %v", again, err)
	}
}

type cart struct{ Items []string }

func TestGob(t *testing.T) {
	gob.Register(cart{})
	opaque, err := EncodeGob(cart{[]string{"A-1"}})
	if err != nil {
		t.Fatal(err)
	}
	back, err := DecodeGob(opaque)
	if err != nil || !reflect.DeepEqual(back, cart{[]string{"A-1"}}) {
		t.Errorf("it comes back as %v, %v", back, err)
	}
	if _, err := DecodeGob(Opaque{"java-serialized", nil}); !errors.Is(err, ErrUnsupportedValue) {
		t.Errorf("the error is %v", err)
	}
	if _, err := DecodeGob(Opaque{EncodingGob, []byte("damaged")}); err == nil {
		t.Error("damaged data was decoded")
	}
	if _, err := EncodeGob(func() {}); err == nil {
		t.Error("a function was encoded")
	}
}

func TestSharedIDs(t *testing.T) {
	text, err := os.ReadFile("../conformance/ids.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name, ID string
		// Nil if the ID names no session.
		SessionID *string `json:"session_id"`
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		mapped, ok := SessionID(c.ID)
		if ok != (c.SessionID != nil) || ok && mapped != *c.SessionID {
			t.Errorf("%s: %q is mapped to %q, %v", c.Name, c.ID, mapped, ok)
		}
	}
	if mapped, ok := SessionID("\xff0123456789abcdef"); ok {
		t.Errorf("text that is not valid UTF-8 is mapped to %q", mapped)
	}
}
