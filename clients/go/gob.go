package sessiond

import (
	"bytes"
	"encoding/gob"
	"fmt"
)

// EncodingGob is the name of encoding/gob among the encodings of opaque values.
const EncodingGob = "go-gob"

// The types of lists and dictionaries within values; a program may register them too.
func init() {
	gob.Register([]any{})
	gob.Register(map[string]any{})
}

// EncodeGob makes any value opaque that encoding/gob can hold: for structs and other types that no other language reads.
// As with every value behind an interface, gob.Register must know the type.
func EncodeGob(value any) (Opaque, error) {
	var out bytes.Buffer
	if err := gob.NewEncoder(&out).Encode(&value); err != nil {
		return Opaque{}, fmt.Errorf("sessiond: a %T can't be encoded: %w", value, err)
	}
	return Opaque{Encoding: EncodingGob, Data: out.Bytes()}, nil
}

// DecodeGob reads what EncodeGob has made. It fails where the type is not registered, or has changed too much.
func DecodeGob(opaque Opaque) (any, error) {
	if opaque.Encoding != EncodingGob {
		return nil, unsupported("it is encoded as %q, not as %q", opaque.Encoding, EncodingGob)
	}
	var value any
	if err := gob.NewDecoder(bytes.NewReader(opaque.Data)).Decode(&value); err != nil {
		return nil, fmt.Errorf("sessiond: the data is not readable: %w", err)
	}
	return value, nil
}
