package sessionhttp

import (
	"context"
	"errors"
	"mime"
	"net/http"

	"sessiond"
)

// Where a request that changes something has its token.
const (
	// CSRFHeader is for scripts.
	CSRFHeader = "X-CSRF-Token"
	// CSRFField is for forms.
	CSRFField = "csrf_token"
)

// CSRFToken is a token for a form or a script of this page. It looks different each time, and is valid until the session ends
// or gets a new ID. A session that is new, or is to get a new ID, is stored first: ask before the response begins.
func (s *Session) CSRFToken(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := s.requireLocked(ctx)
	if err != nil {
		return "", err
	}
	token, err := s.manager.client.IssueCSRFToken(ctx, id)
	return token, ended(err)
}

// VerifyCSRFToken tells whether a token was issued for this session under its present ID.
func (s *Session) VerifyCSRFToken(ctx context.Context, token string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id == "" || token == "" {
		return false, nil
	}
	valid, err := s.manager.client.VerifyCSRFToken(ctx, string(s.id), token)
	if errors.Is(err, sessiond.ErrSessionNotFound) {
		return false, nil
	}
	return valid, err
}

// ProtectForms is middleware within Handler: a request that may change something (any but GET, HEAD, OPTIONS and TRACE) needs a
// token of CSRFToken, in the header X-CSRF-Token or, if it is a urlencoded form, in the field csrf_token. All others get 403
// and never reach next.
func (m *Manager) ProtectForms(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
			next.ServeHTTP(w, r)
			return
		}
		valid, err := From(r).VerifyCSRFToken(r.Context(), csrfToken(r))
		switch {
		case err != nil:
			m.options.ErrorHandler(w, r, err)
		case !valid:
			http.Error(w, "The form is too old, or not from this site. Go back, load the page again and repeat.", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func csrfToken(r *http.Request) string {
	if token := r.Header.Get(CSRFHeader); token != "" {
		return token
	}
	// Other bodies are the handler's to read.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind == "application/x-www-form-urlencoded" {
		return r.PostFormValue(CSRFField)
	}
	return ""
}
