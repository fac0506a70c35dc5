package sessiond

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
)

// The environment variables of the token, which hold where neither WithTokenFile nor WithToken says otherwise.
const (
	EnvTokenFile = "SESSIOND_TOKEN_FILE"
	EnvToken     = "SESSIOND_TOKEN"
)

const (
	// How long a look at the token file holds.
	tokenLookInterval = 2 * time.Second

	longestToken = 256

	// What is read of a token file, in bytes: a token, and white space around it.
	tokenFileBytes = 4 << 10

	// What every token of a sessiond begins with.
	tokenPrefix = "sdt_"
)

// WithTokenFile names the file whose first line is the token that every call carries; empty: SESSIOND_TOKEN_FILE. White
// space around the token is left aside. The file is read again when it has changed: it is looked at before a call if the
// last look was two seconds ago, and when the server refuses the token.
func WithTokenFile(file string) Option {
	return func(s *settings) { s.tokenFile = file }
}

// WithToken is the token that every call carries: 1 to 256 printable ASCII characters without spaces; empty: SESSIOND_TOKEN.
// A file, see WithTokenFile, can be renewed without a restart.
func WithToken(token string) Option {
	return func(s *settings) { s.token = token }
}

// tokens is the token of a client, and where it comes from; nil if there is none.
type tokens struct {
	// Empty if the token is given by itself, and stays.
	file string

	// When the file is due to be looked at, in nanoseconds since the tokens were made.
	made time.Time
	due  atomic.Int64

	present atomic.Pointer[token]

	// Held while the file is read.
	mu sync.Mutex
	// How often reading it has begun.
	reads atomic.Int64
}

// token is one token. Another pointer is another token.
type token struct {
	// As gRPC takes it, which does not change it.
	header map[string]string
}

func newToken(text string) *token {
	return &token{map[string]string{"authorization": "Bearer " + text}}
}

func (t *token) isText(text string) bool { return t.header["authorization"] == "Bearer "+text }

// newTokens judges the settings, and reads the file.
func newTokens(file, text string) (*tokens, error) {
	if file == "" {
		file = os.Getenv(EnvTokenFile)
	}
	if text == "" {
		text = os.Getenv(EnvToken)
	}
	t := &tokens{file: file, made: time.Now()}
	switch {
	case file != "" && text != "":
		return nil, errors.New("a token file and a token are both set; use one")
	case strings.HasPrefix(file, tokenPrefix):
		// It is not repeated.
		return nil, errors.New("a token stands where the path of the token file belongs")
	case file != "":
		found, err := readTokenFile(file)
		if err != nil {
			return nil, err
		}
		text = found
		t.due.Store(int64(tokenLookInterval))
	case text == "":
		return nil, nil
	case !isToken(text):
		return nil, fmt.Errorf("the token is none: a token has 1 to %d printable ASCII characters and no spaces", longestToken)
	}
	t.present.Store(newToken(text))
	return t, nil
}

// readTokenFile reads the token of a file. No error tells what the file holds.
func readTokenFile(file string) (string, error) {
	opened, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("the token file can't be read: %w", err)
	}
	defer func() { _ = opened.Close() }()
	content, err := io.ReadAll(io.LimitReader(opened, tokenFileBytes))
	if err != nil {
		return "", fmt.Errorf("the token file can't be read: %w", err)
	}
	line, _, _ := strings.Cut(string(content), "\n")
	line = strings.TrimSpace(line)
	switch {
	case line == "":
		return "", fmt.Errorf("the token file %s holds no token: its first line is empty", file)
	case !isToken(line):
		return "", fmt.Errorf("the token file %s holds no token: its first line has other than 1 to %d printable ASCII characters without spaces",
			file, longestToken)
	}
	return line, nil
}

func isToken(text string) bool {
	return text != "" && len(text) <= longestToken &&
		!strings.ContainsFunc(text, func(r rune) bool { return r < '!' || r > '~' })
}

// look is the present token; nil if there is none. The file is read if that is due, by one caller: the others go on with the
// token that they have.
func (t *tokens) look() *token {
	if t == nil {
		return nil
	}
	if t.file != "" {
		now := int64(time.Since(t.made))
		if due := t.due.Load(); now >= due && t.due.CompareAndSwap(due, now+int64(tokenLookInterval)) {
			t.read()
		}
	}
	return t.present.Load()
}

// known is the present token, without a look at the file; nil if there is none.
func (t *tokens) known() *token {
	if t == nil {
		return nil
	}
	return t.present.Load()
}

// hasOther tells whether there is another token now than the one that the server has refused. The file is looked at at once.
func (t *tokens) hasOther(refused *token) bool {
	if t == nil || t.file == "" {
		return false
	}
	if t.present.Load() == refused {
		t.read()
	}
	return t.present.Load() != refused
}

// read reads the file. While it can't be used, the token before stays. What another caller has begun to read since is taken.
func (t *tokens) read() {
	before := t.reads.Load()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reads.Load() > before {
		return
	}
	t.reads.Add(1)
	if text, err := readTokenFile(t.file); err == nil && !t.present.Load().isText(text) {
		t.present.Store(newToken(text))
	}
}

// tokenCredentials give each call of a connection its header.
type tokenCredentials struct{ tokens *tokens }

var _ credentials.PerRPCCredentials = tokenCredentials{}

func (c tokenCredentials) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return c.tokens.look().header, nil
}

// RequireTransportSecurity is false: on loopback and Unix sockets nobody else listens.
func (c tokenCredentials) RequireTransportSecurity() bool { return false }
