package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"sessiond/sessionhttp"
)

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	session := sessionhttp.From(r)
	visits, _ := sessionhttp.Value[int](session, "visits")
	session.Set("visits", visits+1)
	s.show(w, r, http.StatusOK, "home", content{Title: "sessiond example", Items: stored(session)})
}

func theme(session *sessionhttp.Session) string {
	preferences, _ := sessionhttp.Value[map[string]any](session, "preferences")
	if preferences["theme"] == "dark" {
		return "dark"
	}
	return "light"
}

// preferences keeps a map within the session.
func (s *site) preferences(w http.ResponseWriter, r *http.Request) {
	session := sessionhttp.From(r)
	if r.Method == http.MethodPost {
		session.Set("preferences", map[string]any{
			"theme": r.PostFormValue("theme"), "language": r.PostFormValue("language"), "compact": r.PostFormValue("compact") == "on",
		})
		tell(w, r, "/preferences", "Saved.")
		return
	}
	preferences, _ := sessionhttp.Value[map[string]any](session, "preferences")
	choices := func(name, label string, values ...string) field {
		out := field{Name: name, Label: label}
		for _, value := range values {
			out.Choices = append(out.Choices, choice{value, value, preferences[name] == value})
		}
		return out
	}
	s.form(w, r, "Preferences", "", choices("theme", "Theme", "light", "dark"), choices("language", "Language", "en", "de", "fr"),
		field{Name: "compact", Label: "Compact", Type: "checkbox"})
}

// dictionary does what can be done with the session's values.
func (s *site) dictionary(w http.ResponseWriter, r *http.Request) {
	session := sessionhttp.From(r)
	if r.Method == http.MethodPost {
		var value any
		if text := r.PostFormValue("value"); text != "" {
			if err := json.Unmarshal([]byte(text), &value); err != nil {
				tell(w, r, "/dictionary", "The value is not JSON.")
				return
			}
		}
		tell(w, r, "/dictionary", act(session, r.PostFormValue("action"), r.PostFormValue("key"), value))
		return
	}
	actions := field{Name: "action", Label: "Action"}
	for _, name := range []string{"set", "get", "delete", "pop", "has", "nest", "clear"} {
		actions.Choices = append(actions.Choices, choice{Value: name, Label: name})
	}
	s.show(w, r, http.StatusOK, "form", content{Title: "Dictionary", Items: stored(session), Fields: []field{
		actions, {Name: "key", Label: "Key", Type: "text"}, {Name: "value", Label: "Value (JSON)", Type: "text"},
	}})
}

func act(session *sessionhttp.Session, action, key string, value any) string {
	switch action {
	case "set":
		if key == "" {
			return "A key is needed."
		}
		session.Set(key, value)
	case "get":
		return fmt.Sprint(session.Get(key))
	case "delete":
		session.Delete(key)
	case "pop":
		return fmt.Sprint(session.Pop(key))
	case "has":
		return fmt.Sprint(session.Has(key))
	case "nest":
		// What is changed in place must be set again.
		nested, _ := sessionhttp.Value[map[string]any](session, "nested")
		list, _ := nested["list"].([]any)
		session.Set("nested", map[string]any{"list": append(list, value)})
	case "clear":
		session.Clear()
	default:
		return "There is no such action."
	}
	return "Done."
}

// guestbook takes one entry of each visitor.
func (s *site) guestbook(w http.ResponseWriter, r *http.Request) {
	session := sessionhttp.From(r)
	if r.Method != http.MethodPost {
		s.form(w, r, "Guestbook", "", field{Name: "text", Label: "Text", Type: "text"})
		return
	}
	if session.Has("has_commented") {
		tell(w, r, "/guestbook", "You have signed already.")
		return
	}
	session.Set("has_commented", true)
	tell(w, r, "/guestbook", fmt.Sprintf("Thanks for “%s”.", r.PostFormValue("text")))
}

var lifetimes = []struct {
	name     string
	lifetime sessionhttp.Lifetime
}{
	{"until the browser closes", sessionhttp.Lifetime{}},
	{"5 minutes idle", sessionhttp.Lifetime{Idle: 5 * time.Minute, Persistent: true}},
	{"2 hours in all", sessionhttp.Lifetime{Absolute: 2 * time.Hour, Persistent: true}},
	{"a day in all", sessionhttp.Lifetime{Absolute: 24 * time.Hour, Persistent: true}},
	{"2 seconds idle", sessionhttp.Lifetime{Idle: 2 * time.Second}},
}

func (s *site) expiry(w http.ResponseWriter, r *http.Request) {
	choices := field{Name: "expiry", Label: "This session lasts"}
	for _, kind := range lifetimes {
		choices.Choices = append(choices.Choices, choice{Value: kind.name, Label: kind.name})
		if r.Method == http.MethodPost && r.PostFormValue("expiry") == kind.name {
			sessionhttp.From(r).SetLifetime(kind.lifetime)
			tell(w, r, "/", "")
			return
		}
	}
	s.form(w, r, "Expiry", "", choices)
}

// counter is for a script.
func (s *site) counter(w http.ResponseWriter, r *http.Request) {
	session := sessionhttp.From(r)
	count, _ := sessionhttp.Value[int](session, "count")
	session.Set("count", count+1)
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, "{\"count\": %d}\n", count+1)
}

// failure shows that nothing is stored when a page has failed.
func (s *site) failure(w http.ResponseWriter, r *http.Request) {
	sessionhttp.From(r).Set("saved_in_spite_of_an_error", true)
	http.Error(w, "A server error.", http.StatusInternalServerError)
}
