// Command example is a site whose sessions are kept by sessiond: accounts, preferences, messages, devices, forms that can't be
// forged, every kind of expiry, and the way to another domain.
//
//	go run ./example            # http://127.0.0.1:8000, with a sessiond at SESSIOND_ADDR or 127.0.0.1:50051
package main

import (
	"log"
	"net/http"
	"os"
	"time"

	"sessiond"
	"sessiond/sessionhttp"
)

func main() {
	client, err := sessiond.New("", sessiond.WithNamespace(os.Getenv("SESSIOND_NAMESPACE")))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	// Insecure is for this machine alone: a site on the Internet has TLS, and leaves it out.
	site, err := newSite(client, sessionhttp.Options{
		Lifetime: sessionhttp.Lifetime{Idle: 2 * time.Hour, Absolute: 14 * 24 * time.Hour},
		Labels:   sessionhttp.DeviceLabels,
		Cookie:   sessionhttp.Cookie{Insecure: true},
	}, setting("SITE_ORIGIN", "http://127.0.0.1:8000"), os.Getenv("OTHER_ORIGIN"))
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Addr: setting("SITE_LISTEN", "127.0.0.1:8000"), Handler: site,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
	}
	log.Printf("listening on http://%s", server.Addr)
	log.Fatal(server.ListenAndServe())
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
