package wire

import (
	"errors"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	pb "sessiond/gen/sessiond/v1"
)

// AppendAttributes encodes values, whose texts are valid as EncodeValue has made them, as those of the map in a field of a
// message.
func AppendAttributes(to []byte, field protowire.Number, values map[string]*pb.Value) ([]byte, error) {
	room := 0
	for name, value := range values {
		if !utf8.ValidString(name) {
			return nil, errors.New("sessiond: the name of an attribute is not valid UTF-8")
		}
		room += framing + len(name) + valueSize(value)
	}
	to = slices.Grow(to, room)
	for name, value := range values {
		length := valueSize(value)
		to = protowire.AppendTag(to, field, protowire.BytesType)
		to = protowire.AppendVarint(to, uint64(2+protowire.SizeBytes(len(name))+protowire.SizeBytes(length)))
		to = protowire.AppendTag(to, 1, protowire.BytesType)
		to = protowire.AppendString(to, name)
		to = protowire.AppendTag(to, 2, protowire.BytesType)
		to = protowire.AppendVarint(to, uint64(length))
		var err error
		if to, err = appendValue(to, value); err != nil {
			return nil, err
		}
	}
	return to, nil
}

// What an attribute takes besides its name and its value, in bytes, at most: three tags and three lengths.
const framing = 24

// asText is a value that is nothing but a text.
func asText(value *pb.Value) (text string, isText bool) {
	kind, isText := value.GetKind().(*pb.Value_StringValue)
	if !isText || len(value.ProtoReflect().GetUnknown()) > 0 {
		return "", false
	}
	return kind.StringValue, true
}

func valueSize(value *pb.Value) int {
	if text, isText := asText(value); isText {
		return protowire.SizeTag(5) + protowire.SizeBytes(len(text))
	}
	return proto.Size(value)
}

func appendValue(to []byte, value *pb.Value) ([]byte, error) {
	if text, isText := asText(value); isText {
		return protowire.AppendString(protowire.AppendTag(to, 5, protowire.BytesType), text), nil
	}
	return proto.MarshalOptions{}.MarshalAppend(to, value)
}
