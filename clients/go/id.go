package sessiond

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"unicode/utf8"
)

const (
	shortestID = 16
	longestID  = 256
	hidden     = "[hidden]"
)

// Secret is text that opens something: a session ID, a ticket, the token of a lock. Printing and logging hide it;
// string(secret) is the text.
type Secret string

// String hides the text.
func (Secret) String() string { return hidden }

// GoString hides the text.
func (Secret) GoString() string { return hidden }

// Format hides the text, whatever the verb.
func (Secret) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, hidden) }

// LogValue hides the text from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the text from encoders such as encoding/json, which logs are written with.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// SessionID is the ID under which sessiond keeps a session that a framework calls id. Clients of every language map
// alike: 16 to 256 printable ASCII characters are sent as they are; any other text becomes "~" and the unpadded base64url
// form of its SHA-256. An empty text, and one that is no valid UTF-8, names no session: ok is false.
func SessionID(id string) (mapped string, ok bool) {
	if id == "" || !utf8.ValidString(id) {
		return "", false
	}
	if isSendable(id) {
		return id, true
	}
	digest := sha256.Sum256([]byte(id))
	return "~" + base64.RawURLEncoding.EncodeToString(digest[:]), true
}

func isSendable(id string) bool {
	if len(id) < shortestID || len(id) > longestID {
		return false
	}
	for i := range len(id) {
		if id[i] < '!' || id[i] > '~' {
			return false
		}
	}
	return true
}
