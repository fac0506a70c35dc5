package sessiond

import (
	"crypto/tls"
	"errors"
	"os"
	"strings"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// The environment variables of TLS; each holds where its field of TLS is empty. They are left aside if the address has no
// https://, or if there is a TLS.Config.
const (
	EnvCAFile          = "SESSIOND_CA_FILE"
	EnvCertificateFile = "SESSIOND_CERTIFICATE_FILE"
	EnvKeyFile         = "SESSIOND_KEY_FILE"
	EnvServerName      = "SESSIOND_SERVER_NAME"
)

// TLS says how a server is called whose address begins with https://. Everything may be left out. The server's certificate
// is always verified: its CA, its time, and its name.
type TLS struct {
	// CAFile is a PEM file of the only certificates that may have signed the server's. Empty: SESSIOND_CA_FILE, or else
	// those that the system trusts. It is read again at each new connection, as the two below.
	CAFile string
	// CertificateFile is a PEM file of the client's certificate, followed by those between it and its CA, for servers that
	// ask for one. Empty: SESSIOND_CERTIFICATE_FILE. It and KeyFile are read again at each new connection; while they can't be
	// used, the last that could are.
	CertificateFile string
	// KeyFile is a PEM file of the certificate's private key. Empty: SESSIOND_KEY_FILE.
	KeyFile string
	// ServerName is the name that the server's certificate must have. Empty: SESSIOND_SERVER_NAME, or else the host of the
	// address that is called.
	ServerName string

	// Config stands in place of all the fields above, for certificates that are not in files. It is copied, and always
	// means TLS 1.2 at least and HTTP/2. InsecureSkipVerify needs a function that verifies instead.
	Config *tls.Config
}

// WithTLS says how a server is called whose address begins with https://; beside other addresses it is refused.
func WithTLS(how TLS) Option {
	return func(s *settings) { s.tls = how }
}

// credentials are those of all connections to these addresses, and the name that certificates must have, unless it is the
// host of each address.
func (t TLS) credentials(addresses []string, failures *tlsFailures) (found credentials.TransportCredentials, serverName string, err error) {
	if !isSecure(addresses[0]) {
		if t != (TLS{}) {
			return nil, "", errors.New("TLS settings need an https:// address")
		}
		return insecure.NewCredentials(), "", nil
	}
	config, authorities, err := t.config()
	if err != nil {
		return nil, "", err
	}
	// gRPC would take the name for that of the connection; it is given with each address.
	serverName, config.ServerName = config.ServerName, ""
	return newSecure(config, authorities, failures), serverName, nil
}

// config is how handshakes are made, and by which certificates servers are verified if a file has them.
func (t TLS) config() (*tls.Config, *authorities, error) {
	if t.Config != nil {
		config, err := t.own()
		return config, nil, err
	}
	for setting, variable := range map[*string]string{
		&t.CAFile: EnvCAFile, &t.CertificateFile: EnvCertificateFile, &t.KeyFile: EnvKeyFile, &t.ServerName: EnvServerName,
	} {
		if *setting == "" {
			*setting = os.Getenv(variable)
		}
	}
	for _, file := range []string{t.CAFile, t.CertificateFile, t.KeyFile} {
		// It may be a key, and is not repeated.
		if strings.Contains(file, "-----BEGIN") {
			return nil, nil, errors.New("the text of a PEM file stands where its path belongs")
		}
	}
	config := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	var authorities *authorities
	if t.CAFile != "" {
		var err error
		if authorities, err = readAuthorities(t.CAFile); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case t.CertificateFile == "" && t.KeyFile == "":
		return config, authorities, nil
	case t.KeyFile == "":
		return nil, nil, errors.New("a certificate file needs a key file")
	case t.CertificateFile == "":
		return nil, nil, errors.New("a key file needs a certificate file")
	}
	pair, err := readKeyPair(t.CertificateFile, t.KeyFile)
	if err != nil {
		return nil, nil, err
	}
	config.GetClientCertificate = pair.current
	return config, authorities, nil
}

// own is a copy of the caller's Config.
func (t TLS) own() (*tls.Config, error) {
	if t != (TLS{Config: t.Config}) {
		return nil, errors.New("a TLS config stands in place of the files and the server name: set one or the other")
	}
	config := t.Config.Clone()
	if config.InsecureSkipVerify && config.VerifyConnection == nil && config.VerifyPeerCertificate == nil {
		return nil, errors.New("the TLS config has InsecureSkipVerify, but the server's certificate is always verified; " +
			"set VerifyConnection to verify it yourself")
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	return config, nil
}
