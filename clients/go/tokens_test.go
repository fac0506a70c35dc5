package sessiond

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "sessiond/gen/sessiond/v1"
)

// guarded is a server that takes calls with some tokens only.
type guarded struct {
	pb.UnimplementedSessionStoreServer

	mu    sync.Mutex
	valid []string
	// The tokens of calls by themselves, and of streams.
	calls, streams []string
	// Closed when the client has ended its side of the first stream.
	ended chan struct{}
	// Replies of the first stream wait for it, if it is there.
	held chan struct{}
}

func (g *guarded) start(t *testing.T) (address string) {
	t.Helper()
	g.ended = make(chan struct{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterSessionStoreServer(server, g)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

func (g *guarded) accept(tokens ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.valid = tokens
}

func tokenOf(ctx context.Context) string {
	found, _ := metadata.FromIncomingContext(ctx)
	token, _ := strings.CutPrefix(strings.Join(found.Get("authorization"), " and "), "Bearer ")
	return token
}

func (g *guarded) judge(token string) *status.Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, valid := range g.valid {
		if token == valid {
			return nil
		}
	}
	refused, err := status.New(codes.Unauthenticated, "the token is not known").WithDetails(
		&errdetails.ErrorInfo{Reason: "UNAUTHENTICATED", Domain: "sessiond"})
	if err != nil {
		panic(err)
	}
	return refused
}

func (g *guarded) note(list *[]string, token string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	*list = append(*list, token)
	return len(*list)
}

func (g *guarded) seen(list *[]string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(*list, " ")
}

func (g *guarded) TouchSession(ctx context.Context, _ *pb.TouchSessionRequest) (*pb.TouchSessionResponse, error) {
	g.note(&g.calls, tokenOf(ctx))
	if refused := g.judge(tokenOf(ctx)); refused != nil {
		return nil, refused.Err()
	}
	return &pb.TouchSessionResponse{Version: 7}, nil
}

func (g *guarded) CountSessions(ctx context.Context, _ *pb.CountSessionsRequest) (*pb.CountSessionsResponse, error) {
	g.note(&g.calls, tokenOf(ctx))
	return &pb.CountSessionsResponse{}, g.judge(tokenOf(ctx)).Err()
}

func (g *guarded) WatchSessions(_ *pb.WatchSessionsRequest, stream pb.SessionStore_WatchSessionsServer) error {
	token := tokenOf(stream.Context())
	g.note(&g.streams, token)
	for {
		if refused := g.judge(token); refused != nil {
			return refused.Err()
		}
		if stream.Send(&pb.WatchSessionsResponse{Message: &pb.WatchSessionsResponse_Checkpoint{
			Checkpoint: &pb.Checkpoint{ResumeToken: token},
		}}) != nil {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}

func (g *guarded) Exchange(stream pb.SessionStore_ExchangeServer) error {
	token := tokenOf(stream.Context())
	number := g.note(&g.streams, token)
	if refused := g.judge(token); refused != nil {
		return refused.Err()
	}
	err := replyToAll(stream, func(*pb.Call) *pb.Reply {
		if g.held != nil && number == 1 {
			<-g.held
		}
		refused := g.judge(token)
		if refused == nil {
			return touched(7)
		}
		details, err := proto.Marshal(refused.Proto())
		if err != nil {
			panic(err)
		}
		return &pb.Reply{Result: &pb.Reply_Error{Error: &pb.CallError{
			Code: int32(refused.Code()), Message: refused.Message(), Details: details,
		}}}
	})
	if number == 1 && stream.Context().Err() == nil {
		close(g.ended)
	}
	return err
}

func newTokenFile(t *testing.T, token string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	writeToken(t, file, token)
	return file
}

func writeToken(t *testing.T, file, token string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(" "+token+"\t\r\nanything else\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// bothWith runs a test of a server over the fast lane and with unary calls.
func bothWith(t *testing.T, options []Option, test func(t *testing.T, server *guarded, client *Client)) {
	t.Helper()
	for name, more := range map[string][]Option{"fast lane": nil, "unary": {WithUnary()}} {
		t.Run(name, func(t *testing.T) {
			server := new(guarded)
			client, err := New(server.start(t), append(append(more, WithTimeout(20*time.Second)), options...)...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = client.Close() })
			test(t, server, client)
		})
	}
}

func touch(client *Client) error {
	_, _, err := client.Touch(context.Background(), "no-such-session-0")
	return err
}

func wantTouch(t *testing.T, client *Client) {
	t.Helper()
	if err := touch(client); err != nil {
		t.Fatal(err)
	}
}

func wantRefused(t *testing.T, err error) {
	t.Helper()
	wantReason(t, err, ErrUnauthenticated)
	if err.Error() != "sessiond: the token is not known" || status.Code(err) != codes.Unauthenticated {
		t.Errorf("the error is %v", err)
	}
}

func TestEveryCallCarriesTheToken(t *testing.T) {
	for name, option := range map[string]Option{
		"string": WithToken("one"), "file": WithTokenFile(newTokenFile(t, "one")),
	} {
		t.Run(name, func(t *testing.T) {
			bothWith(t, []Option{option}, func(t *testing.T, server *guarded, client *Client) {
				server.accept("one")
				wantTouch(t, client)
				must[uint64](t)(client.Count(t.Context(), ""))
				must[*pb.CountSessionsResponse](t)(
					pb.NewSessionStoreClient(client.Conn()).CountSessions(t.Context(), new(pb.CountSessionsRequest)))
				for event, err := range client.In("other").Watch(t.Context(), Watch{Checkpoints: true}) {
					if err != nil || event.ResumeToken != "one" {
						t.Errorf("the first event is %+v, %v", event, err)
					}
					break
				}
				seen := server.seen(&server.calls) + " " + server.seen(&server.streams)
				if seen != "one one one one" && seen != "one one one one one" {
					t.Errorf("the tokens are %s", seen)
				}
			})
		})
	}
}

func TestClientWithoutAToken(t *testing.T) {
	bothWith(t, nil, func(t *testing.T, server *guarded, client *Client) {
		wantRefused(t, touch(client))
		server.accept("")
		wantTouch(t, client)
	})
}

// A token that is refused, and is still the one of the file, is an error at once: nothing is made again.
func TestTokenThatIsRefused(t *testing.T) {
	for name, option := range map[string]Option{
		"string": WithToken("one"), "file": WithTokenFile(newTokenFile(t, "one")),
	} {
		t.Run(name, func(t *testing.T) {
			bothWith(t, []Option{option}, func(t *testing.T, server *guarded, client *Client) {
				wantRefused(t, touch(client))
				if calls := server.seen(&server.calls) + server.seen(&server.streams); calls != "one" {
					t.Errorf("the attempts were made with %s", calls)
				}
				for _, err := range client.Watch(t.Context(), Watch{}) {
					wantRefused(t, err)
				}
				// Once it is accepted, or accepted again, so are the calls.
				server.accept("one")
				wantTouch(t, client)
				server.accept()
				wantRefused(t, touch(client))
				server.accept("one")
				wantTouch(t, client)
			})
		})
	}
}

// A token that is refused while the file has another: the call is made again, once.
func TestTokenThatIsReplacedWhenItIsRefused(t *testing.T) {
	file := newTokenFile(t, "zero")
	bothWith(t, []Option{WithTokenFile(file)}, func(t *testing.T, server *guarded, client *Client) {
		server.accept("zero")
		wantTouch(t, client)
		// No look is due for a long time.
		client.tokens.due.Store(int64(time.Hour))

		server.accept("one")
		writeToken(t, file, "one")
		wantTouch(t, client)

		writeToken(t, file, "two")
		server.accept("three")
		wantRefused(t, touch(client))
		attempts := strings.Fields(server.seen(&server.calls) + " " + server.seen(&server.streams))
		if last := attempts[len(attempts)-1]; last != "two" {
			t.Errorf("the last attempt was made with %s", last)
		}

		writeToken(t, file, "three")
		var group sync.WaitGroup
		for range 32 {
			group.Go(func() {
				if err := touch(client); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		writeToken(t, file, "zero")
	})
}

func TestWatchWhoseTokenIsReplaced(t *testing.T) {
	file := newTokenFile(t, "one")
	server := &guarded{valid: []string{"one"}}
	client := must[*Client](t)(New(server.start(t), WithTokenFile(file), WithTimeout(20*time.Second)))
	defer func() { _ = client.Close() }()
	for event, err := range client.Watch(t.Context(), Watch{Checkpoints: true}) {
		if err != nil {
			wantRefused(t, err)
			break
		}
		switch event.ResumeToken {
		case "one":
			writeToken(t, file, "two")
			server.accept("two")
		case "two":
			server.accept()
		}
	}
	if streams := server.seen(&server.streams); streams != "one two" {
		t.Errorf("the streams had the tokens %s", streams)
	}
}

// The file is looked at before a call, if the last look was two seconds ago.
func TestTokenFileThatChanges(t *testing.T) {
	file := newTokenFile(t, "one")
	bothWith(t, []Option{WithTokenFile(file)}, func(t *testing.T, server *guarded, client *Client) {
		server.accept("one", "two")
		wantTouch(t, client)
		writeToken(t, file, "two")
		await(t, func() bool {
			wantTouch(t, client)
			return strings.Contains(server.seen(&server.calls)+server.seen(&server.streams), "two")
		})
		// What can't be used leaves the token before in use.
		server.accept("two")
		for _, content := range []string{"", "two tokens\n", strings.Repeat("x", 257)} {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			client.tokens.due.Store(0)
			wantTouch(t, client)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		client.tokens.due.Store(0)
		wantTouch(t, client)
		server.accept()
		wantRefused(t, touch(client))
		writeToken(t, file, "one")
	})
}

// With another token the calls that are under way end on the stream before; the next ones travel over a new one.
func TestCallsUnderWayWhenTheTokenChanges(t *testing.T) {
	file := newTokenFile(t, "one")
	server := &guarded{valid: []string{"one", "two"}, held: make(chan struct{})}
	client := must[*Client](t)(New(server.start(t), WithTokenFile(file), WithTimeout(20*time.Second)))
	defer func() { _ = client.Close() }()

	// More than may be in flight: some wait for their turn, and find that the stream takes no more.
	var earlier sync.WaitGroup
	for range callsInFlight + 100 {
		earlier.Go(func() {
			if err := touch(client); err != nil {
				t.Error(err)
			}
		})
	}
	await(t, func() bool { return server.seen(&server.streams) == "one" })
	client.lane.mu.Lock()
	first := client.lane.open
	client.lane.mu.Unlock()
	await(t, func() bool { return len(first.slots) == callsInFlight })

	writeToken(t, file, "two")
	client.tokens.read()
	wantTouch(t, client)
	close(server.held)
	earlier.Wait()
	<-server.ended
	<-first.done
	if streams := server.seen(&server.streams); streams != "one two" {
		t.Errorf("the streams had the tokens %s", streams)
	}
}

// Many callers change streams again and again: every call has its answer, and none is made twice without need.
func TestTokenThatChangesUnderLoad(t *testing.T) {
	file := newTokenFile(t, "0")
	server := &guarded{valid: []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}}
	client := must[*Client](t)(New(server.start(t), WithTokenFile(file), WithTimeout(20*time.Second)))
	defer func() { _ = client.Close() }()
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := touch(client); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 100 {
		writeToken(t, file, fmt.Sprint(i%10))
		client.tokens.due.Store(0)
		wantTouch(t, client)
	}
	close(stop)
	group.Wait()
	if calls := server.seen(&server.calls); calls != "" {
		t.Errorf("calls were made by themselves: %s", calls)
	}
}

func TestTokenSettingsThatAreRefused(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	file, long := newTokenFile(t, "fine"), strings.Repeat("x", 257)
	of := func(content string) string { return writeFile(t, "token", content) }
	spaced, umlaut, empty, late, tooLong := of("secret one\n"), of("secrét\n"), of(""), of("\nsecret\n"), of(long)
	const both = "a token file and a token are both set; use one"
	for name, c := range map[string]struct {
		file, token       string
		fileVar, tokenVar string
		says              string
	}{
		"both":                      {file: file, token: "secret", says: both},
		"both variables":            {fileVar: file, tokenVar: "secret", says: both},
		"file beside a variable":    {file: file, tokenVar: "secret", says: both},
		"token beside a variable":   {fileVar: missing, token: "secret", says: both},
		"missing":                   {file: missing, says: missing + ": no such file"},
		"missing, by the variable":  {fileVar: missing, says: missing + ": no such file"},
		"folder":                    {file: filepath.Dir(file), says: "the token file can't be read"},
		"empty":                     {file: empty, says: "the token file " + empty + " holds no token"},
		"on the second line":        {file: late, says: "the token file " + late + " holds no token"},
		"with a space":              {file: spaced, says: "the token file " + spaced + " holds no token"},
		"with other than ASCII":     {file: umlaut, says: "the token file " + umlaut + " holds no token"},
		"too long":                  {file: tooLong, says: "the token file " + tooLong + " holds no token"},
		"token in the file's place": {file: "sdt_secret", says: "a token stands where the path of the token file belongs"},
		"string with a space":       {token: "secret one", says: "the token is none"},
		"string with a line feed":   {tokenVar: "secret\n", says: "the token is none"},
		"string that is too long":   {token: long, says: "256"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(EnvTokenFile, c.fileVar)
			t.Setenv(EnvToken, c.tokenVar)
			_, err := New("", WithTokenFile(c.file), WithToken(c.token))
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "sessiond: ") {
				t.Errorf("%v does not say %q", err, c.says)
			}
			if strings.Contains(fmt.Sprint(err), "secr") || strings.Contains(fmt.Sprint(err), "xxx") {
				t.Errorf("%v shows the token", err)
			}
		})
	}
}

func TestTokenVariables(t *testing.T) {
	file := newTokenFile(t, "by-file")
	for name, c := range map[string]struct {
		variables map[string]string
		options   []Option
		want      string
	}{
		"token":               {map[string]string{EnvToken: "by-variable"}, nil, "by-variable"},
		"file":                {map[string]string{EnvTokenFile: file, EnvToken: ""}, nil, "by-file"},
		"token goes first":    {map[string]string{EnvToken: "by-variable"}, []Option{WithToken("set")}, "set"},
		"file goes first":     {map[string]string{EnvTokenFile: "/missing"}, []Option{WithTokenFile(file)}, "by-file"},
		"longest":             {nil, []Option{WithToken(strings.Repeat("~", 256))}, strings.Repeat("~", 256)},
		"empty options":       {map[string]string{EnvToken: "by-variable"}, []Option{WithToken(""), WithTokenFile("")}, "by-variable"},
		"without a line feed": {nil, []Option{WithTokenFile(writeFile(t, "token", "alone"))}, "alone"},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range c.variables {
				t.Setenv(variable, value)
			}
			bothWith(t, c.options, func(t *testing.T, server *guarded, client *Client) {
				server.accept(c.want)
				wantTouch(t, client)
			})
		})
	}
}

func TestTokensAreHidden(t *testing.T) {
	const secret = "sdt_abcdefgh_XYZZYXYZZY"
	for name, option := range map[string]Option{
		"string": WithToken(secret), "file": WithTokenFile(newTokenFile(t, secret)),
	} {
		t.Run(name, func(t *testing.T) {
			bothWith(t, []Option{option}, func(t *testing.T, server *guarded, client *Client) {
				err := touch(client)
				wantRefused(t, err)
				var log strings.Builder
				slog.New(slog.NewJSONHandler(&log, nil)).Info("made", "client", client, "err", err)
				texts := []string{log.String(), client.String(), err.Error()}
				for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
					texts = append(texts, fmt.Sprintf(format, client), fmt.Sprintf(format, *client), fmt.Sprintf(format, err))
				}
				for _, text := range texts {
					for _, form := range []string{secret, fmt.Sprintf("%x", secret), "XYZZY"} {
						if strings.Contains(text, form) {
							t.Errorf("%s shows the token", text)
						}
					}
				}
			})
		})
	}
}
