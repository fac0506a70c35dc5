package sessionhttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"sessiond"
)

// save stores what has changed, and sets the cookie. After a server error nothing is stored but a log out.
func (s *Session) save(ctx context.Context, w http.ResponseWriter, code int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.endLocked(ctx); err != nil {
		return err
	}
	if code < http.StatusInternalServerError {
		if err := s.storeLocked(ctx); err != nil {
			return err
		}
	}
	cookie := &s.manager.options.Cookie
	switch {
	case s.setsCookie:
		cookie.write(w, s.id, s.lifetime, s.found)
	case s.hasEnded || s.hasStaleCookie:
		cookie.remove(w)
	}
	return nil
}

// endLocked ends the session if the visitor has logged out.
func (s *Session) endLocked(ctx context.Context) error {
	if s.ends == "" {
		return nil
	}
	if _, err := s.manager.client.Delete(ctx, string(s.ends)); err != nil {
		return err
	}
	s.ends, s.hasEnded = "", true
	return nil
}

// storeLocked stores what has changed.
func (s *Session) storeLocked(ctx context.Context) error {
	switch {
	case s.id == "":
		// A visitor of whom there is nothing to know gets no session.
		if len(s.values) == 0 && s.principalLocked() == "" {
			return nil
		}
		return s.createLocked(ctx)
	case s.renews:
		return s.rotateLocked(ctx)
	case s.hasChanged():
		return s.updateLocked(ctx)
	default:
		return nil
	}
}

func (s *Session) createLocked(ctx context.Context) error {
	if !s.hasLabels {
		s.labelLocked()
	}
	s.lifeIsNew = true
	change, err := s.change()
	if err != nil {
		return err
	}
	created, err := s.manager.client.Create(ctx, sessiond.NewSession{
		Attributes: change.Set, Principal: s.principalLocked(), Labels: s.labels, Timeouts: s.lifetime.timeouts(),
	})
	if err != nil {
		return err
	}
	s.storedLocked(created.ID, created.Session)
	return nil
}

func (s *Session) rotateLocked(ctx context.Context) error {
	change, err := s.change()
	if err != nil {
		return err
	}
	rotation := sessiond.Rotation{Grace: s.manager.options.Grace, Change: change}
	rotated, err := s.manager.client.Rotate(ctx, string(s.id), rotation)
	if err != nil {
		return ended(err)
	}
	s.storedLocked(rotated.ID, rotated.Session)
	return nil
}

func (s *Session) updateLocked(ctx context.Context) error {
	change, err := s.change()
	if err != nil {
		return err
	}
	found, err := s.manager.client.Update(ctx, string(s.id), change)
	if err != nil {
		return ended(err)
	}
	setsCookie := s.setsCookie || s.lifeIsNew
	s.storedLocked(s.id, found)
	s.setsCookie = setsCookie
	return nil
}

func (s *Session) storedLocked(id sessiond.Secret, found *sessiond.Session) {
	s.id, s.found, s.setsCookie = id, found, true
	s.forgetChanges()
}

// requireLocked stores the session now if it is new or is to get a new ID, for what needs the ID that it will have.
func (s *Session) requireLocked(ctx context.Context) (string, error) {
	if err := s.endLocked(ctx); err != nil {
		return "", err
	}
	store := func(context.Context) error { return nil }
	switch {
	case s.id == "":
		store = s.createLocked
	case s.renews:
		store = s.rotateLocked
	}
	if err := store(ctx); err != nil {
		return "", err
	}
	return string(s.id), nil
}

func ended(err error) error {
	if errors.Is(err, sessiond.ErrSessionNotFound) || errors.Is(err, sessiond.ErrSessionIDRetired) {
		return fmt.Errorf("%w (%w)", ErrEnded, err)
	}
	return err
}
