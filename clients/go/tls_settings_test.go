package sessiond

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sessiond/internal/testserver"
)

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func readFile(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestTLSSettingsThatAreRefused(t *testing.T) {
	const secure = "https://127.0.0.1:50051"
	ca, certificate, key := testserver.PEM(t, "ca"), testserver.PEM(t, "client"), testserver.PEM(t, "client-key")
	other := testserver.PEM(t, "server-key")
	missing, empty := filepath.Join(t.TempDir(), "missing.pem"), writeFile(t, "empty.pem", "")
	damaged := func(kind string) string { return writeFile(t, "damaged.pem", encodePEM(kind, []byte("damaged"))) }
	damagedCertificate, damagedKey, encrypted := damaged("CERTIFICATE"), damaged("PRIVATE KEY"), damaged("ENCRYPTED PRIVATE KEY")
	for name, c := range map[string]struct {
		address string
		how     TLS
		says    []string
	}{
		"no key":                     {secure, TLS{CertificateFile: certificate}, []string{"a certificate file needs a key file"}},
		"no certificate":             {secure, TLS{KeyFile: key}, []string{"a key file needs a certificate file"}},
		"missing CA":                 {secure, TLS{CAFile: missing}, []string{"CA file", missing}},
		"missing certificate":        {secure, TLS{CertificateFile: missing, KeyFile: key}, []string{"certificate file", missing}},
		"missing key":                {secure, TLS{CertificateFile: certificate, KeyFile: missing}, []string{"key file", missing}},
		"folder":                     {secure, TLS{CAFile: t.TempDir()}, []string{"CA file", "is a directory"}},
		"text for a CA":              {secure, TLS{CAFile: readFile(t, ca)}, []string{"the text of a PEM file stands where its path belongs"}},
		"text for a key":             {secure, TLS{CertificateFile: certificate, KeyFile: readFile(t, key)}, []string{"the text of a PEM file stands where its path belongs"}},
		"empty CA":                   {secure, TLS{CAFile: empty}, []string{"CA file", empty, "no certificate"}},
		"empty certificate":          {secure, TLS{CertificateFile: empty, KeyFile: key}, []string{"certificate file", empty, "no certificate"}},
		"empty key":                  {secure, TLS{CertificateFile: certificate, KeyFile: empty}, []string{"key file", empty, "no private key"}},
		"damaged CA":                 {secure, TLS{CAFile: damagedCertificate}, []string{"CA file", damagedCertificate}},
		"damaged certificate":        {secure, TLS{CertificateFile: damagedCertificate, KeyFile: key}, []string{"certificate file", damagedCertificate}},
		"damaged key":                {secure, TLS{CertificateFile: certificate, KeyFile: damagedKey}, []string{"key file", damagedKey}},
		"encrypted key":              {secure, TLS{CertificateFile: certificate, KeyFile: encrypted}, []string{"key file", encrypted, "encrypted"}},
		"both mixed up":              {secure, TLS{CertificateFile: key, KeyFile: certificate}, []string{"certificate file", key}},
		"certificate as the key":     {secure, TLS{CertificateFile: certificate, KeyFile: certificate}, []string{"key file", certificate}},
		"key of another certificate": {secure, TLS{CertificateFile: certificate, KeyFile: other}, []string{"does not belong", other, certificate}},
		"plain address and a CA":     {"127.0.0.1:50051", TLS{CAFile: ca}, []string{"TLS settings need an https:// address"}},
		"plain address and a name":   {"http://a:1", TLS{ServerName: "a"}, []string{"TLS settings need an https:// address"}},
		"path and a pair":            {"unix:/a", TLS{CertificateFile: certificate, KeyFile: key}, []string{"TLS settings need an https:// address"}},
		"plain address and a config": {"a:1,b:1", TLS{Config: new(tls.Config)}, []string{"TLS settings need an https:// address"}},
		"config and a CA":            {secure, TLS{Config: new(tls.Config), CAFile: ca}, []string{"one or the other"}},
		"config and a name":          {secure, TLS{Config: new(tls.Config), ServerName: "a"}, []string{"one or the other"}},
		"config that verifies nothing": {secure, TLS{Config: &tls.Config{InsecureSkipVerify: true}},
			[]string{"InsecureSkipVerify", "always verified"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(c.address, WithTLS(c.how))
			if err == nil {
				t.Fatal("it was taken")
			}
			for _, word := range append(c.says, "sessiond: ") {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
			for _, secret := range []string{key, other} {
				if strings.Contains(err.Error(), strings.Split(readFile(t, secret), "\n")[1]) {
					t.Error("the error shows a key")
				}
			}
		})
	}
}

func TestFormsOfKeys(t *testing.T) {
	certificate, key := testserver.PEM(t, "client"), readFile(t, testserver.PEM(t, "client-key"))
	block, _ := pem.Decode([]byte(key))
	elliptic, isElliptic := parseKey(block.Bytes).(*ecdsa.PrivateKey)
	if !isElliptic {
		t.Fatal("the key is another one than expected")
	}
	sec1 := must[[]byte](t)(x509.MarshalECPrivateKey(elliptic))
	for name, content := range map[string]string{
		"PKCS 8": key,
		"SEC 1":  encodePEM("EC PARAMETERS", []byte{6, 1, 1}) + encodePEM("EC PRIVATE KEY", sec1),
		// What else the file holds is passed over.
		"beside others": "a text\n" + readFile(t, certificate) + key,
	} {
		client, err := New("https://127.0.0.1:1", WithTLS(TLS{CertificateFile: certificate, KeyFile: writeFile(t, "key.pem", content)}))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = client.Close()
	}
	if pkcs1 := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048)); parseKey(x509.MarshalPKCS1PrivateKey(pkcs1)) == nil {
		t.Error("PKCS 1 is not read")
	}
	// A key that can't sign is none for a certificate.
	agreeing := must[*ecdh.PrivateKey](t)(ecdh.X25519().GenerateKey(rand.Reader))
	if parseKey(must[[]byte](t)(x509.MarshalPKCS8PrivateKey(agreeing))) != nil {
		t.Error("a key that can't sign was taken")
	}
}

func encodePEM(kind string, content []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
}

func TestTLSVariables(t *testing.T) {
	server := testserver.StartTLS(t, "127.0.0.1", "server", "--tls-client-ca", testserver.PEM(t, "ca"))
	set := func(t *testing.T, ca, certificate, key, name string) {
		t.Setenv(EnvCAFile, ca)
		t.Setenv(EnvCertificateFile, certificate)
		t.Setenv(EnvKeyFile, key)
		t.Setenv(EnvServerName, name)
	}
	how := identity(t, "client")
	t.Run("alone", func(t *testing.T) {
		set(t, how.CAFile, how.CertificateFile, how.KeyFile, "sessiond.test")
		t.Setenv(EnvAddress, server.Address)
		bothTo(t, "", TLS{}, wantCalls)
	})
	t.Run("name", func(t *testing.T) {
		set(t, how.CAFile, how.CertificateFile, how.KeyFile, "elsewhere.test")
		bothTo(t, server.Address, TLS{}, func(t *testing.T, client *Client) { wantNoCalls(t, client, "not elsewhere.test") })
	})
	t.Run("settings go first", func(t *testing.T) {
		set(t, "/missing", "/missing", "/missing", "elsewhere.test")
		named := how
		named.ServerName = "localhost"
		bothTo(t, server.Address, named, wantCalls)
	})
	t.Run("empty", func(t *testing.T) {
		set(t, "", "", "", "")
		bothTo(t, server.Address, how, wantCalls)
	})
	t.Run("each by itself", func(t *testing.T) {
		set(t, how.CAFile, "", how.KeyFile, "")
		bothTo(t, server.Address, TLS{CertificateFile: how.CertificateFile}, wantCalls)
		if _, err := New(server.Address); err == nil || !strings.Contains(err.Error(), "a key file needs a certificate file") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("missing file", func(t *testing.T) {
		set(t, "/missing/ca.pem", "", "", "")
		if _, err := New(server.Address); err == nil || !strings.Contains(err.Error(), "/missing/ca.pem") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("left aside beside a plain address", func(t *testing.T) {
		set(t, "/missing", "/missing", "", "elsewhere.test")
		bothTo(t, testserver.Shared().Address, TLS{}, wantCalls)
	})
	t.Run("left aside beside a config", func(t *testing.T) {
		set(t, "/missing", "/missing", "", "elsewhere.test")
		pair, err := tls.LoadX509KeyPair(how.CertificateFile, how.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		config := &tls.Config{RootCAs: pool(t), Certificates: []tls.Certificate{pair}}
		bothTo(t, server.Address, TLS{Config: config}, wantCalls)
		if config.ServerName != "" || config.MinVersion != 0 || config.NextProtos != nil {
			t.Error("the caller's config was changed")
		}
	})
}

func TestKeysAreHidden(t *testing.T) {
	how := identity(t, "client")
	client := must[*Client](t)(New("https://127.0.0.1:1", WithTLS(how)))
	defer func() { _ = client.Close() }()
	block, _ := pem.Decode([]byte(readFile(t, how.KeyFile)))
	if client.String() != "sessiond at https://127.0.0.1:1, namespace default" {
		t.Errorf("the client is %v", client)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		text := fmt.Sprintf(format, client) + fmt.Sprintf(format, how)
		for _, secret := range []string{
			string(block.Bytes), fmt.Sprintf("%x", block.Bytes[:16]), fmt.Sprint(block.Bytes[:16]), base64.StdEncoding.EncodeToString(block.Bytes[:30]),
		} {
			if strings.Contains(text, strings.Trim(secret, "[]")) {
				t.Errorf("%s shows the key", format)
			}
		}
	}
}
