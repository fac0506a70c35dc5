package gorillastore

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"fmt"
	"strings"
	"unicode/utf8"

	pb "sessiond/gen/sessiond/v1"
	"sessiond/internal/native"
)

const (
	// The names of attributes that stand for keys which are no strings, or strings that no attribute can be called.
	gobPrefix = "go-gob:"

	longestName = 256
)

// nameOf is the attribute that holds the value of a key.
func nameOf(key any) (string, error) {
	text, isText := key.(string)
	if isText && text != "" && len(text) <= longestName && utf8.ValidString(text) && !strings.HasPrefix(text, gobPrefix) {
		return text, nil
	}
	var encoded bytes.Buffer
	if err := gob.NewEncoder(&encoded).Encode(&key); err != nil {
		return "", fmt.Errorf("gorillastore: a key of type %T can't be stored: %w", key, err)
	}
	name := gobPrefix + base64.RawURLEncoding.EncodeToString(encoded.Bytes())
	if len(name) > longestName {
		return "", fmt.Errorf("gorillastore: a key of type %T is too long: as an attribute it has %d bytes, at most %d are allowed",
			key, len(name), longestName)
	}
	return name, nil
}

// keyOf is the key whose value an attribute holds.
func keyOf(name string) any {
	encoded, isGob := strings.CutPrefix(name, gobPrefix)
	if !isGob {
		return name
	}
	data, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return name
	}
	var key any
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&key); err != nil {
		return name
	}
	return key
}

// stored makes attributes of a session's values.
func stored(values map[any]any) (map[string]*pb.Value, error) {
	out := make(map[string]*pb.Value, len(values))
	for key, value := range values {
		name, err := nameOf(key)
		if err != nil {
			return nil, err
		}
		if out[name], err = native.Encode(value); err != nil {
			return nil, fmt.Errorf("gorillastore: the value of %q: %w", fmt.Sprint(key), err)
		}
	}
	return out, nil
}
