package sessionhttp

import (
	"net/http"
	"slices"
	"sync"

	"sessiond"
	pb "sessiond/gen/sessiond/v1"
	"sessiond/internal/native"
)

// The attribute that says that the cookie survives the end of the browser; no value of the site.
const persistentKey = "sessionhttp.persistent"

const flashesKey = "sessionhttp.flashes"

// Session is what the store keeps of one visitor, as far as this request knows. It is safe for use by the goroutines of the
// request, until the response begins: what is changed later is not stored.
type Session struct {
	manager *Manager
	request *http.Request

	mu sync.Mutex
	// Empty while the session is not stored.
	id       sessiond.Secret
	found    *sessiond.Session
	values   map[string]any
	lifetime Lifetime
	// What has changed since.
	set       map[string]bool
	removed   map[string]bool
	cleared   bool
	principal *string
	renews    bool
	hasLabels bool
	labels    map[string]string
	lifeIsNew bool
	// The session that the visitor has logged out of, until it is deleted.
	ends       sessiond.Secret
	hasEnded   bool
	setsCookie bool
	// The request has a cookie that leads nowhere.
	hasStaleCookie bool
}

// take makes a stored session this one.
func (s *Session) take(id sessiond.Secret, found *sessiond.Session) {
	s.id, s.found = id, found
	s.values = native.DecodeAll(found.Stored())
	delete(s.values, persistentKey)
	s.lifetime.Persistent = found.Stored()[persistentKey].GetBoolValue()
	s.forgetChanges()
}

func (s *Session) forgetChanges() {
	s.set, s.removed, s.cleared, s.principal = nil, nil, false, nil
	s.renews, s.hasLabels, s.labels, s.lifeIsNew = false, false, nil, false
}

// IsNew tells whether the visitor had no session when the request began, and nothing was stored since.
func (s *Session) IsNew() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id == ""
}

// Handle names the session in logs and lists; empty while it is new.
func (s *Session) Handle() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found == nil {
		return ""
	}
	return s.found.Handle
}

// Stored is the session as it was loaded, without its values: its times and labels. Nil while it is new.
func (s *Session) Stored() *sessiond.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.found
}

// Principal is the user that the session belongs to; empty while nobody is logged in.
func (s *Session) Principal() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.principalLocked()
}

func (s *Session) principalLocked() string {
	switch {
	case s.principal != nil:
		return *s.principal
	case s.found != nil:
		return s.found.Principal
	default:
		return ""
	}
}

// Get is the value of a key; nil if there is none.
func (s *Session) Get(key string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[key]
}

// Has tells whether the key has a value, which may be nil.
func (s *Session) Has(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, isThere := s.values[key]
	return isThere
}

// Value is the value of a key as a T; false if there is none, or one of another type.
func Value[T any](s *Session, key string) (T, bool) {
	value, isThere := s.Get(key).(T)
	return value, isThere
}

// Keys are the keys that have values, sorted.
func (s *Session) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]string, 0, len(s.values))
	for key := range s.values {
		if key != flashesKey {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Set gives a key a value. A list or map that is changed in place must be set again.
func (s *Session) Set(key string, value any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setLocked(key, value)
}

func (s *Session) setLocked(key string, value any) {
	if s.values == nil {
		s.values = make(map[string]any)
	}
	if s.set == nil {
		s.set = make(map[string]bool)
	}
	s.values[key] = value
	s.set[key] = true
	delete(s.removed, key)
}

// Delete removes the value of a key.
func (s *Session) Delete(key string) { s.Pop(key) }

// Pop removes the value of a key, and answers it.
func (s *Session) Pop(key string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.popLocked(key)
}

func (s *Session) popLocked(key string) any {
	value, isThere := s.values[key]
	if !isThere {
		return nil
	}
	if s.removed == nil {
		s.removed = make(map[string]bool)
	}
	delete(s.values, key)
	delete(s.set, key)
	s.removed[key] = true
	return value
}

// Clear removes all values, also those that another request sets meanwhile.
func (s *Session) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values, s.set, s.removed, s.cleared = nil, nil, nil, true
}

// AddFlash keeps a message for the next page that shows them.
func (s *Session) AddFlash(message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	flashes, _ := s.values[flashesKey].([]any)
	s.setLocked(flashesKey, append(slices.Clone(flashes), message))
}

// Flashes are the messages that were kept, which are then forgotten.
func (s *Session) Flashes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	flashes, _ := s.popLocked(flashesKey).([]any)
	messages := make([]string, 0, len(flashes))
	for _, flash := range flashes {
		if message, isText := flash.(string); isText {
			messages = append(messages, message)
		}
	}
	return messages
}

// LogIn makes the session the user's, under a new ID. Values stay; Clear them first if another user was logged in.
func (s *Session) LogIn(principal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.principal, s.renews = &principal, true
	s.labelLocked()
}

// Renew gives the session a new ID, as at every change of what the user may do.
func (s *Session) Renew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renews = true
}

// LogOut ends the session and forgets its values. What is set afterwards goes into a new session.
func (s *Session) LogOut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id != "" {
		s.ends = s.id
	}
	s.id, s.found, s.values = "", nil, nil
	s.lifetime, s.setsCookie = s.manager.options.Lifetime, false
	s.forgetChanges()
}

// SetLifetime gives this session another lifetime than Options.Lifetime; an idle timeout that is left out is that of the
// options.
func (s *Session) SetLifetime(lifetime Lifetime) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if lifetime.Idle == 0 {
		lifetime.Idle = s.manager.options.Lifetime.Idle
	}
	s.lifetime, s.lifeIsNew = lifetime, true
}

func (s *Session) labelLocked() {
	if s.manager.options.Labels != nil {
		s.labels, s.hasLabels = s.manager.options.Labels(s.request), true
	}
}

// change is what the request has changed, with all values encoded.
func (s *Session) change() (sessiond.Change, error) {
	change := sessiond.Change{Clear: s.cleared, Principal: s.principal, Set: make(map[string]any, len(s.set))}
	for key := range s.set {
		value, err := native.Encode(s.values[key])
		if err != nil {
			return change, err
		}
		change.Set[key] = value
	}
	for key := range s.removed {
		change.Remove = append(change.Remove, key)
	}
	if s.hasLabels {
		change.SetLabels = s.labels
	}
	if s.lifeIsNew {
		change.Timeouts = s.lifetime.timeouts()
	}
	if s.lifeIsNew || s.cleared {
		if s.lifetime.Persistent {
			change.Set[persistentKey] = &pb.Value{Kind: &pb.Value_BoolValue{BoolValue: true}}
		} else if !s.cleared {
			change.Remove = append(change.Remove, persistentKey)
		}
	}
	return change, nil
}

func (s *Session) hasChanged() bool {
	return len(s.set) > 0 || len(s.removed) > 0 || s.cleared || s.principal != nil || s.hasLabels || s.lifeIsNew
}
