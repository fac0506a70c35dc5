package sessiond

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"sessiond/internal/testserver"
)

// bothTo runs a test of an address over the fast lane and with unary calls.
func bothTo(t *testing.T, address string, how TLS, test func(t *testing.T, client *Client)) {
	t.Helper()
	for name, options := range map[string][]Option{"fast lane": nil, "unary": {WithUnary()}} {
		t.Run(name, func(t *testing.T) {
			client, err := New(address, append(options, WithTLS(how), WithTimeout(10*time.Second))...)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = client.Close() }()
			test(t, client)
		})
	}
}

func testCA(t *testing.T) TLS { return TLS{CAFile: testserver.PEM(t, "ca")} }

func wantCalls(t *testing.T, client *Client) {
	t.Helper()
	created := must[*Created](t)(client.Create(t.Context(), NewSession{Attributes: map[string]any{"theme": "dark"}}))
	if session := must[*Session](t)(client.Get(t.Context(), string(created.ID))); session.Attributes["theme"] != "dark" {
		t.Errorf("the session is %+v", session)
	}
}

// wantNoCalls calls in vain: as if the server were not there, but the error says why.
func wantNoCalls(t *testing.T, client *Client, words ...string) {
	t.Helper()
	_, err := client.Create(t.Context(), NewSession{})
	wantReason(t, err, ErrUnavailable)
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}

func TestCallsOverTLS(t *testing.T) {
	server := testserver.StartTLS(t, "127.0.0.1", "server")
	bothTo(t, server.Address, testCA(t), func(t *testing.T, client *Client) {
		wantCalls(t, client)
		// One that travels by itself, and one that is larger than a message of the fast lane.
		must[uint64](t)(client.Count(t.Context(), ""))
		must[*Created](t)(client.Create(t.Context(), NewSession{Attributes: map[string]any{"large": make([]byte, 60<<10)}}))
	})
	t.Run("watch", func(t *testing.T) {
		client := clientOf(t, server, WithTLS(testCA(t)), WithTimeout(10*time.Second))
		for event, err := range client.Watch(t.Context(), Watch{Checkpoints: true}) {
			if err != nil || event.Kind != EventCheckpoint {
				t.Errorf("the first event is %+v, %v", event, err)
			}
			break
		}
	})
}

func TestCertificateOfTheServer(t *testing.T) {
	good, elsewhere := testserver.StartTLS(t, "127.0.0.1", "server").Address, testserver.StartTLS(t, "127.0.0.2", "server").Address
	ca := testserver.PEM(t, "ca")
	for name, c := range map[string]struct {
		address string
		how     TLS
		says    string
	}{
		"of another CA":                   {good, TLS{CAFile: testserver.PEM(t, "other-ca")}, "signed by unknown authority"},
		"of a CA that no system trusts":   {good, TLS{}, "signed by unknown authority"},
		"expired":                         {shakingHands(t, "expired"), TLS{CAFile: ca}, "expired"},
		"for another host":                {elsewhere, TLS{CAFile: ca}, "not 127.0.0.2"},
		"for another server name":         {good, TLS{CAFile: ca, ServerName: "elsewhere.test"}, "not elsewhere.test"},
		"of another CA, by a config":      {good, TLS{Config: new(tls.Config)}, "signed by unknown authority"},
		"for another name, by a config":   {good, TLS{Config: &tls.Config{RootCAs: pool(t), ServerName: "elsewhere.test"}}, "not elsewhere.test"},
		"refused by the caller's own way": {good, TLS{Config: verifying(errors.New("the certificate is not mine"))}, "is not mine"},
	} {
		t.Run(name, func(t *testing.T) {
			bothTo(t, c.address, c.how, func(t *testing.T, client *Client) { wantNoCalls(t, client, "certificate", c.says) })
		})
	}
	for name, c := range map[string]struct {
		address string
		how     TLS
	}{
		"the right server name":            {elsewhere, TLS{CAFile: ca, ServerName: "sessiond.test"}},
		"the right name in a config":       {elsewhere, TLS{Config: &tls.Config{RootCAs: pool(t), ServerName: "sessiond.test"}}},
		"a config":                         {good, TLS{Config: &tls.Config{RootCAs: pool(t)}}},
		"a config of old versions":         {good, TLS{Config: &tls.Config{RootCAs: pool(t), MinVersion: tls.VersionTLS10}}},
		"a config of TLS 1.2":              {good, TLS{Config: &tls.Config{RootCAs: pool(t), MaxVersion: tls.VersionTLS12}}},
		"accepted by the caller's own way": {good, TLS{Config: verifying(nil)}},
	} {
		t.Run(name, func(t *testing.T) { bothTo(t, c.address, c.how, wantCalls) })
	}
}

// shakingHands is the address of a server that does no more; a real one does not start with a certificate whose time is over.
func shakingHands(t *testing.T, certificate string) string {
	pair, err := tls.LoadX509KeyPair(testserver.PEM(t, certificate), testserver.PEM(t, certificate+"-key"))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	return "https://" + listener.Addr().String()
}

func pool(t *testing.T) *x509.CertPool {
	text, err := os.ReadFile(testserver.PEM(t, "ca"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}

func verifying(found error) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(tls.ConnectionState) error { return found }}
}

func TestHostThatIsAName(t *testing.T) {
	server := testserver.StartTLS(t, "127.0.0.1", "server")
	bothTo(t, strings.Replace(server.Address, "127.0.0.1", "LocalHost", 1)+"/", testCA(t), wantCalls)
}

// Each address has a host of its own, which its certificate must have; one whose certificate is wrong is passed over.
func TestSeveralServersOverTLS(t *testing.T) {
	first, second := testserver.StartTLS(t, "127.0.0.1", "server"), testserver.StartTLS(t, "127.0.0.1", "renewed")
	wrong := testserver.StartTLS(t, "127.0.0.2", "server")
	byName := strings.Replace(second.Address, "127.0.0.1", "localhost", 1)
	bothTo(t, "https://127.0.0.1:1, "+wrong.Address+","+byName, testCA(t), wantCalls)
	bothTo(t, first.Address+","+byName, testCA(t), func(t *testing.T, client *Client) {
		wantCalls(t, client)
		for _, server := range []*testserver.Server{first, second} {
			server.Kill(t)
			await(t, func() bool { _, err := client.Create(t.Context(), NewSession{}); return err == nil })
			server.Restart(t)
		}
	})
}

func TestServerWithAnotherCertificate(t *testing.T) {
	server := testserver.StartTLS(t, "127.0.0.1", "server")
	bothTo(t, server.Address, testCA(t), func(t *testing.T, client *Client) {
		id := string(must[*Created](t)(client.Create(t.Context(), NewSession{})).ID)
		for _, certificate := range []string{"renewed", "server"} {
			server.Stop(t)
			server.Certify(t, certificate)
			server.Restart(t)
			await(t, func() bool { _, err := client.Get(t.Context(), id); return err == nil })
		}
	})
}

func TestClientCertificate(t *testing.T) {
	server := testserver.StartTLS(t, "127.0.0.1", "server", "--tls-client-ca", testserver.PEM(t, "ca"))
	pair, err := tls.LoadX509KeyPair(testserver.PEM(t, "client"), testserver.PEM(t, "client-key"))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("given", func(t *testing.T) { bothTo(t, server.Address, identity(t, "client"), wantCalls) })
	t.Run("given by a config", func(t *testing.T) {
		config := &tls.Config{RootCAs: pool(t), Certificates: []tls.Certificate{pair}}
		bothTo(t, server.Address, TLS{Config: config}, wantCalls)
	})
	t.Run("not given", func(t *testing.T) {
		bothTo(t, server.Address, testCA(t), func(t *testing.T, client *Client) { wantNoCalls(t, client, "certificate required") })
	})
	t.Run("of another CA", func(t *testing.T) {
		bothTo(t, server.Address, identity(t, "stranger"), func(t *testing.T, client *Client) { wantNoCalls(t, client, "certificate") })
	})
	t.Run("not asked for", func(t *testing.T) {
		bothTo(t, testserver.StartTLS(t, "127.0.0.1", "server").Address, identity(t, "client"), wantCalls)
	})
}

func identity(t *testing.T, name string) TLS {
	return TLS{
		CAFile: testserver.PEM(t, "ca"), CertificateFile: testserver.PEM(t, name), KeyFile: testserver.PEM(t, name+"-key"),
	}
}

// The client's certificate is renewed in its files, and taken at the next connection; files that are half written change
// nothing.
func TestClientCertificateThatIsRenewed(t *testing.T) {
	server := testserver.StartTLS(t, "127.0.0.1", "server", "--tls-client-ca", testserver.PEM(t, "ca"))
	folder := t.TempDir()
	how := TLS{CAFile: testserver.PEM(t, "ca"), CertificateFile: folder + "/client.pem", KeyFile: folder + "/client-key.pem"}
	testserver.CopyFile(t, testserver.PEM(t, "stranger"), how.CertificateFile)
	testserver.CopyFile(t, testserver.PEM(t, "stranger-key"), how.KeyFile)
	client := clientOf(t, server, WithTLS(how), WithTimeout(10*time.Second))
	wantNoCalls(t, client, "certificate")

	testserver.CopyFile(t, testserver.PEM(t, "client"), how.CertificateFile)
	testserver.CopyFile(t, testserver.PEM(t, "client-key"), how.KeyFile)
	answers := func() bool { _, err := client.Create(t.Context(), NewSession{}); return err == nil }
	await(t, answers)

	testserver.CopyFile(t, testserver.PEM(t, "stranger"), how.CertificateFile)
	server.Kill(t)
	server.Restart(t)
	await(t, answers)
	if err := os.Remove(how.KeyFile); err != nil {
		t.Fatal(err)
	}
	server.Kill(t)
	server.Restart(t)
	await(t, answers)
}

// The CA file is replaced, and taken at the next connection; one that can't be used changes nothing.
func TestAuthoritiesThatAreRenewed(t *testing.T) {
	server := testserver.StartTLS(t, "127.0.0.1", "server")
	how := TLS{CAFile: t.TempDir() + "/ca.pem"}
	testserver.CopyFile(t, testserver.PEM(t, "other-ca"), how.CAFile)
	client := clientOf(t, server, WithTLS(how), WithTimeout(10*time.Second))
	wantNoCalls(t, client, "signed by unknown authority")

	testserver.CopyFile(t, testserver.PEM(t, "ca"), how.CAFile)
	answers := func() bool { _, err := client.Create(t.Context(), NewSession{}); return err == nil }
	await(t, answers)
	restart := func() {
		server.Kill(t)
		server.Restart(t)
	}
	for _, content := range []string{"", "half a certificate"} {
		if err := os.WriteFile(how.CAFile, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		restart()
		await(t, answers)
	}
	testserver.CopyFile(t, testserver.PEM(t, "other-ca"), how.CAFile)
	await(t, answers)
	restart()
	await(t, func() bool {
		_, err := client.Create(t.Context(), NewSession{})
		return err != nil && strings.Contains(err.Error(), "signed by unknown authority")
	})
}

// Of several addresses each tells why TLS failed there, also if nobody listens at the last.
func TestWhyTLSFailedAtSeveralAddresses(t *testing.T) {
	wrong := testserver.StartTLS(t, "127.0.0.2", "server")
	server := testserver.StartTLS(t, "127.0.0.1", "server", "--tls-client-ca", testserver.PEM(t, "ca"))
	addresses := wrong.Address + "," + server.Address + ",https://127.0.0.1:1"
	bothTo(t, addresses, testCA(t), func(t *testing.T, client *Client) {
		wantNoCalls(t, client, "not 127.0.0.2", "certificate required")
	})
	// What has failed earlier is not told any more.
	bothTo(t, wrong.Address+",https://127.0.0.1:1", testCA(t), func(t *testing.T, client *Client) {
		wantNoCalls(t, client, "not 127.0.0.2")
		wrong.Kill(t)
		await(t, func() bool {
			_, err := client.Create(t.Context(), NewSession{})
			return !strings.Contains(err.Error(), "not 127.0.0.2")
		})
		wrong.Restart(t)
	})
}

// Whoever mixes up the two kinds of ports learns it from the error.
func TestPortOfTheOtherKind(t *testing.T) {
	t.Run("TLS at a plain port", func(t *testing.T) {
		bothTo(t, "https://"+testserver.Shared().Address, testCA(t), func(t *testing.T, client *Client) {
			wantNoCalls(t, client, "authentication handshake failed: tls: first record does not look like a TLS handshake")
		})
	})
	t.Run("plain at a port for TLS", func(t *testing.T) {
		server := testserver.StartTLS(t, "127.0.0.1", "server")
		bothTo(t, strings.TrimPrefix(server.Address, "https://"), TLS{}, func(t *testing.T, client *Client) {
			_, err := client.Get(t.Context(), "no-such-session-0")
			var found *Error
			if !errors.As(err, &found) || found.Code != codes.FailedPrecondition ||
				found.Message != "this port takes TLS only; write https:// before the address" {
				t.Errorf("the error is %v", err)
			}
			for _, err := range client.Watch(t.Context(), Watch{}) {
				if !errors.As(err, &found) || found.Code != codes.FailedPrecondition {
					t.Errorf("the error of a watch is %v", err)
				}
			}
		})
	})
}

// A server that accepts connections but never shakes hands holds nobody longer than the deadline.
func TestServerThatNeverShakesHands(t *testing.T) {
	server := testserver.StartTLS(t, "127.0.0.1", "server")
	server.Pause(t)
	client := clientOf(t, server, WithTLS(testCA(t)), WithTimeout(200*time.Millisecond))
	began := time.Now()
	_, err := client.Get(t.Context(), "no-such-session-0")
	wantReason(t, err, ErrDeadlineExceeded)
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 5*time.Second {
		t.Errorf("the call took %v: %v", took, err)
	}
	server.Resume(t)
	await(t, func() bool {
		_, err := client.Get(t.Context(), "no-such-session-0")
		return errors.Is(err, ErrSessionNotFound)
	})
}
