package sessiond_test

import (
	"log"

	"sessiond"
)

// In production each site has a certificate of its own, and the server takes no other (its setting tls-client-ca).
func ExampleWithTLS() {
	client, err := sessiond.New("https://sessions.internal:50051", sessiond.WithTLS(sessiond.TLS{
		CAFile:          "/etc/shop/sessiond-ca.pem",
		CertificateFile: "/etc/shop/sessiond-client.pem",
		KeyFile:         "/etc/shop/sessiond-client-key.pem",
		ServerName:      "sessiond.internal",
	}))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
}
