// Package sessionhttp is session middleware for net/http that uses everything sessiond can do.
//
//	manager, err := sessionhttp.New(client, sessionhttp.Options{})
//	…
//	http.ListenAndServe(address, manager.Handler(mux))
//
//	func home(w http.ResponseWriter, r *http.Request) {
//		session := sessionhttp.From(r)
//		visits, _ := sessionhttp.Value[int](session, "visits")
//		session.Set("visits", visits+1)
//		…
//	}
//
// A request that only reads costs one call, which loads the session and slides its idle timeout. One that changes something
// costs one more, before the first byte of the response: it sends only what has changed, so that requests which change
// different values at the same time both win, and it never brings back a session that was ended meanwhile.
//
// LogIn gives the session a new ID in the same atomic step that makes it the user's. The old ID can still read for a moment,
// for the parallel requests of one page, but not change anything. Devices and RevokeOthers show and end a user's
// sessions, IssueHandoff takes one to another domain, and Manager.ProtectForms keeps forged requests out.
//
// Values that every language can read are stored as such: nil, bool, int, float64, string, []byte, time.Time (which comes
// back in UTC), and []any and map[string]any of these. All others are stored by encoding/gob, whose Register must know their
// types. An int that another language has stored is an int; its opaque data is sessiond.Opaque.
package sessionhttp
