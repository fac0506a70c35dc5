// Package native maps the values of Go's session frameworks, whose users expect to read the type that they have stored.
//
// A value is stored in its language-neutral form if that form gives the same Go type back: nil, bool, int, float64, valid
// strings, []byte, time.Time (which comes back in UTC), and []any and map[string]any of these. Every other value is stored
// as encoding/gob, opaque to other languages.
package native

import (
	"maps"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"sessiond"
	pb "sessiond/gen/sessiond/v1"
)

// Encode makes the stored form of a value.
func Encode(value any) (*pb.Value, error) {
	if !isNeutral(value, 1) {
		var err error
		if value, err = sessiond.EncodeGob(value); err != nil {
			return nil, err
		}
	}
	return sessiond.EncodeValue(value)
}

// deepest is how deep the server lets a value nest.
const deepest = 30

func isNeutral(value any, depth int) bool {
	if depth > deepest {
		return false
	}
	switch value := value.(type) {
	case nil, bool, int, float64, []byte, sessiond.Opaque, sessiond.Undecoded:
		return true
	case string:
		return utf8.ValidString(value)
	case time.Time:
		return value.Year() > 1 && value.Year() < 9999
	case []any:
		for _, item := range value {
			if !isNeutral(item, depth+1) {
				return false
			}
		}
		return value != nil
	case map[string]any:
		for key, item := range value {
			if !utf8.ValidString(key) || !isNeutral(item, depth+1) {
				return false
			}
		}
		return value != nil
	default:
		return false
	}
}

// EncodeAll makes the stored forms of a session's values.
func EncodeAll(values map[string]any) (map[string]*pb.Value, error) {
	out := make(map[string]*pb.Value, len(values))
	for name, value := range values {
		var err error
		if out[name], err = Encode(value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Decode reads a stored value. What can't be decoded, because its type is not registered or another language has written
// it, comes as sessiond.Opaque, and is stored again unchanged.
func Decode(value *pb.Value) any {
	return convert(sessiond.DecodeValue(value))
}

// DecodeAll reads stored values.
func DecodeAll(stored map[string]*pb.Value) map[string]any {
	out := make(map[string]any, len(stored))
	for name, value := range stored {
		out[name] = Decode(value)
	}
	return out
}

func convert(value any) any {
	switch value := value.(type) {
	case int64:
		if value >= math.MinInt && value <= math.MaxInt {
			return int(value)
		}
		return value
	case []any:
		for i := range value {
			value[i] = convert(value[i])
		}
		return value
	case map[string]any:
		for key := range value {
			value[key] = convert(value[key])
		}
		return value
	case sessiond.Opaque:
		if value.Encoding == sessiond.EncodingGob {
			if decoded, err := sessiond.DecodeGob(value); err == nil {
				return decoded
			}
		}
		return value
	default:
		return value
	}
}

// Difference tells what to change so that what was stored becomes what is wanted: what was loaded and is the same is left
// alone, so that another request may change it meanwhile.
func Difference(was, wanted map[string]*pb.Value) (set map[string]*pb.Value, remove []string) {
	set = make(map[string]*pb.Value)
	for name, value := range wanted {
		if before, isThere := was[name]; !isThere || !equal(before, value) {
			set[name] = value
		}
	}
	for name := range was {
		if _, isWanted := wanted[name]; !isWanted {
			remove = append(remove, name)
		}
	}
	return set, remove
}

// equal compares texts, which most values are, without reflection.
func equal(a, b *pb.Value) bool {
	text, isText := a.GetKind().(*pb.Value_StringValue)
	other, areTexts := b.GetKind().(*pb.Value_StringValue)
	if isText && areTexts {
		return text.StringValue == other.StringValue
	}
	return proto.Equal(a, b)
}

// Attributes is stored values as the client's calls take them.
func Attributes(values map[string]*pb.Value) map[string]any {
	if len(values) == 0 {
		return nil
	}
	return maps.Collect(func(yield func(string, any) bool) {
		for name, value := range values {
			if !yield(name, value) {
				return
			}
		}
	})
}

// Text is a string or an int as text; empty for everything else.
func Text(value *pb.Value) string {
	switch kind := value.GetKind().(type) {
	case *pb.Value_StringValue:
		return kind.StringValue
	case *pb.Value_IntValue:
		return strconv.FormatInt(kind.IntValue, 10)
	default:
		return ""
	}
}
