// Package sessiond is a client of the sessiond session store.
//
// A [Client] keeps one connection, which it makes at the first call and again whenever it was lost. It is safe for use by
// many goroutines, and one for each process is enough: calls that are ready at the same time travel in one message (the
// fast lane), which is several times cheaper than a message for each.
//
//	client, err := sessiond.New("127.0.0.1:50051")
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	created, err := client.Create(ctx, sessiond.NewSession{Attributes: map[string]any{"theme": "dark"}})
//	if err != nil {
//		return err
//	}
//	session, err := client.Get(ctx, string(created.ID))
//
// An address that begins with https:// is called over TLS; [WithTLS] names the CA and the client's certificate.
// [WithTokenFile] names the token by which a server with access rules knows the client.
//
// Every call has a deadline: the context's, and at most one second unless [WithTimeout] says otherwise. Every error is an
// [*Error]; errors.Is compares it with a [Reason] such as [ErrSessionNotFound].
//
// Stores for scs, gorilla/sessions and gin-contrib/sessions are modules of their own (sessiond/scsstore,
// sessiond/gorillastore, sessiond/ginstore). Package sessiond/sessionhttp is middleware for net/http that uses everything
// that the store can do.
package sessiond
