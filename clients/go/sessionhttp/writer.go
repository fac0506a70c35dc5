package sessionhttp

import (
	"net/http"
)

// writer stores the session before the first byte of the response.
type writer struct {
	http.ResponseWriter
	request *http.Request
	session *Session
	begun   bool
	// The response is that of the error handler; what the handler of the page writes is dropped.
	failed bool
}

// Unwrap lets http.ResponseController find what the server's writer can do.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) Write(data []byte) (int, error) {
	w.begin(http.StatusOK)
	if w.failed {
		return len(data), nil
	}
	return w.ResponseWriter.Write(data)
}

func (w *writer) WriteHeader(code int) {
	// Informational responses come before the one that counts.
	if code >= 200 || code == http.StatusSwitchingProtocols {
		w.begin(code)
	}
	if !w.failed {
		w.ResponseWriter.WriteHeader(code)
	}
}

// FlushError begins the response, as the server's writer does.
func (w *writer) FlushError() error {
	w.begin(http.StatusOK)
	if w.failed {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is for handlers that look for an http.Flusher.
func (w *writer) Flush() { _ = w.FlushError() }

func (w *writer) begin(code int) {
	if w.begun {
		return
	}
	w.begun = true
	if err := w.session.save(w.request.Context(), w.ResponseWriter, code); err != nil {
		w.failed = true
		w.session.manager.options.ErrorHandler(w.ResponseWriter, w.request, err)
	}
}
