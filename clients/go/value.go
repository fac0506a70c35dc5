package sessiond

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "sessiond/gen/sessiond/v1"
)

// How deep the server lets a value nest.
const deepest = 30

// Map is a dictionary that keeps the order of its entries, as the store does.
type Map []Entry

// Entry is one entry of a Map.
type Entry struct {
	Key   string
	Value any
}

// Opaque is data that only those can read who know its encoding, such as "go-gob". It is stored and read unchanged.
type Opaque struct {
	Encoding string
	Data     []byte
}

// Undecoded is a value of a kind that this version of the package does not know. It can be stored again, unchanged.
type Undecoded struct{ value *pb.Value }

// EncodeValue makes the language-neutral form of a value:
//
//	nil, and a nil pointer         null_value
//	bool, string                   as they are; a string must be valid UTF-8
//	int, uint and their sizes      int_value; an uint64 beyond 2^63-1 is refused
//	float64, float32               double_value; 1 and 1.0 stay different
//	[]byte                         bytes_value
//	time.Time                      timestamp_value, with its nanoseconds and without its zone
//	slices and arrays              list_value
//	maps with string keys          map_value, the keys sorted
//	Map                            map_value, in its order
//	Opaque, Undecoded              as they were
//	*sessiondv1.Value              as it is
//
// Types with another name and one of these forms count as that form; pointers count as what they point to. Everything else
// is refused with ErrUnsupportedValue; EncodeGob makes it Opaque.
func EncodeValue(value any) (*pb.Value, error) {
	return encode(value, 1)
}

func encode(value any, depth int) (*pb.Value, error) {
	if depth > deepest {
		return nil, unsupported("it nests deeper than %d levels", deepest)
	}
	switch value := value.(type) {
	case nil:
		return &pb.Value{Kind: &pb.Value_NullValue{NullValue: structpb.NullValue_NULL_VALUE}}, nil
	case bool:
		return &pb.Value{Kind: &pb.Value_BoolValue{BoolValue: value}}, nil
	case int:
		return encodeInt(int64(value)), nil
	case int64:
		return encodeInt(value), nil
	case float64:
		return &pb.Value{Kind: &pb.Value_DoubleValue{DoubleValue: value}}, nil
	case string:
		return encodeString(value)
	case []byte:
		return &pb.Value{Kind: &pb.Value_BytesValue{BytesValue: value}}, nil
	case time.Time:
		moment := timestamppb.New(value)
		if moment.CheckValid() != nil {
			return nil, unsupported("the year of a time is not from 1 to 9999")
		}
		return &pb.Value{Kind: &pb.Value_TimestampValue{TimestampValue: moment}}, nil
	case []any:
		items := make([]*pb.Value, len(value))
		for i, item := range value {
			var err error
			if items[i], err = encode(item, depth+1); err != nil {
				return nil, err
			}
		}
		return list(items), nil
	case Map:
		return encodeMap(value, depth)
	case Opaque:
		return &pb.Value{Kind: &pb.Value_OpaqueValue{
			OpaqueValue: &pb.OpaqueValue{Encoding: value.Encoding, Data: value.Data},
		}}, nil
	case Undecoded:
		return value.value, nil
	case *pb.Value:
		return value, nil
	default:
		return encodeReflected(reflect.ValueOf(value), depth)
	}
}

func encodeInt(value int64) *pb.Value {
	return &pb.Value{Kind: &pb.Value_IntValue{IntValue: value}}
}

func encodeString(value string) (*pb.Value, error) {
	if !utf8.ValidString(value) {
		return nil, unsupported("a string is not valid UTF-8")
	}
	return &pb.Value{Kind: &pb.Value_StringValue{StringValue: value}}, nil
}

func list(items []*pb.Value) *pb.Value {
	return &pb.Value{Kind: &pb.Value_ListValue{ListValue: &pb.ListValue{Items: items}}}
}

func encodeMap(entries Map, depth int) (*pb.Value, error) {
	out := make([]*pb.MapEntry, len(entries))
	for i, entry := range entries {
		if !utf8.ValidString(entry.Key) {
			return nil, unsupported("a key is not valid UTF-8")
		}
		value, err := encode(entry.Value, depth+1)
		if err != nil {
			return nil, err
		}
		out[i] = &pb.MapEntry{Key: entry.Key, Value: value}
	}
	return &pb.Value{Kind: &pb.Value_MapValue{MapValue: &pb.MapValue{Entries: out}}}, nil
}

// encodeReflected takes what the common types leave.
func encodeReflected(value reflect.Value, depth int) (*pb.Value, error) {
	switch value.Kind() {
	case reflect.Bool:
		return encode(value.Bool(), depth)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return encodeInt(value.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if value.Uint() > math.MaxInt64 {
			return nil, unsupported("a whole number is beyond 2^63-1")
		}
		return encodeInt(int64(value.Uint())), nil
	case reflect.Float32, reflect.Float64:
		return encode(value.Float(), depth)
	case reflect.String:
		return encodeString(value.String())
	case reflect.Pointer, reflect.Interface:
		if value.IsNil() {
			return encode(nil, depth)
		}
		// Counted as a level, so that a pointer to itself ends.
		return encode(value.Elem().Interface(), depth+1)
	case reflect.Slice, reflect.Array:
		if value.Kind() == reflect.Slice && value.Type().Elem().Kind() == reflect.Uint8 {
			return encode(value.Bytes(), depth)
		}
		items := make([]*pb.Value, value.Len())
		for i := range items {
			var err error
			if items[i], err = encode(value.Index(i).Interface(), depth+1); err != nil {
				return nil, err
			}
		}
		return list(items), nil
	case reflect.Map:
		if value.Type().Key().Kind() != reflect.String {
			return nil, unsupported("the keys of %v are not strings", value.Type())
		}
		entries := make(Map, 0, value.Len())
		for key, item := range value.Seq2() {
			entries = append(entries, Entry{key.String(), item.Interface()})
		}
		slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) })
		return encodeMap(entries, depth)
	default:
		return nil, unsupported("other languages can't read a %v; EncodeGob stores it for Go alone", value.Type())
	}
}

func unsupported(format string, args ...any) *Error {
	return &Error{Reason: ErrUnsupportedValue, Message: fmt.Sprintf("the value can't be stored: "+format, args...)}
}

// DecodeValue reads a value that any language has stored: as nil, bool, int64, float64, string, []byte, time.Time in UTC,
// []any, map[string]any, Opaque or Undecoded.
func DecodeValue(value *pb.Value) any { return decode(value, false) }

// DecodeOrdered reads a value as DecodeValue does, but maps as Map, in their order.
func DecodeOrdered(value *pb.Value) any { return decode(value, true) }

func decode(value *pb.Value, ordered bool) any {
	switch kind := value.GetKind().(type) {
	case *pb.Value_NullValue:
		return nil
	case *pb.Value_BoolValue:
		return kind.BoolValue
	case *pb.Value_IntValue:
		return kind.IntValue
	case *pb.Value_DoubleValue:
		return kind.DoubleValue
	case *pb.Value_StringValue:
		return kind.StringValue
	case *pb.Value_BytesValue:
		return nonNil(kind.BytesValue)
	case *pb.Value_TimestampValue:
		return kind.TimestampValue.AsTime()
	case *pb.Value_ListValue:
		items := make([]any, len(kind.ListValue.GetItems()))
		for i, item := range kind.ListValue.GetItems() {
			items[i] = decode(item, ordered)
		}
		return items
	case *pb.Value_MapValue:
		return decodeMap(kind.MapValue.GetEntries(), ordered)
	case *pb.Value_OpaqueValue:
		return Opaque{Encoding: kind.OpaqueValue.GetEncoding(), Data: nonNil(kind.OpaqueValue.GetData())}
	default:
		return Undecoded{value}
	}
}

func decodeMap(entries []*pb.MapEntry, ordered bool) any {
	if ordered {
		out := make(Map, len(entries))
		for i, entry := range entries {
			out[i] = Entry{entry.GetKey(), decode(entry.GetValue(), true)}
		}
		return out
	}
	out := make(map[string]any, len(entries))
	for _, entry := range entries {
		out[entry.GetKey()] = decode(entry.GetValue(), false)
	}
	return out
}

func nonNil(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

// encodeAll encodes attributes; an error names the one that it is about.
func encodeAll(attributes map[string]any) (map[string]*pb.Value, error) {
	if len(attributes) == 0 {
		return nil, nil
	}
	out := make(map[string]*pb.Value, len(attributes))
	for name, attribute := range attributes {
		value, err := EncodeValue(attribute)
		if err != nil {
			return nil, &Error{Reason: ErrUnsupportedValue, Message: fmt.Sprintf("attribute %q: %s", name, message(err))}
		}
		out[name] = value
	}
	return out, nil
}

func message(err error) string {
	if err, isError := err.(*Error); isError {
		return err.Message
	}
	return err.Error()
}

func decodeAll(values map[string]*pb.Value, ordered bool) map[string]any {
	out := make(map[string]any, len(values))
	for name, value := range values {
		out[name] = decode(value, ordered)
	}
	return out
}
