package sessionhttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"sessiond"
)

// ErrNobody is what needs a user fails with while nobody is logged in.
var ErrNobody = errors.New("sessionhttp: nobody is logged in")

// How long a label can be.
const longestLabel = 256

// DeviceLabels are "device", the browser as it calls itself, and "address", the host that the request came from.
func DeviceLabels(r *http.Request) map[string]string {
	labels := make(map[string]string, 2)
	if device := strings.ToValidUTF8(r.UserAgent(), "?"); device != "" {
		labels["device"] = strings.ToValidUTF8(device[:min(len(device), longestLabel)], "")
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		labels["address"] = host
	}
	return labels
}

// Device is a session of the user.
type Device struct {
	*sessiond.Session
	// IsCurrent tells the session of this request.
	IsCurrent bool
}

// Devices are the sessions of the user, newest first, without their values.
func (s *Session) Devices(ctx context.Context) ([]Device, error) {
	user, handle := s.Principal(), s.Handle()
	if user == "" {
		return nil, ErrNobody
	}
	var devices []Device
	for session, err := range s.manager.client.List(ctx, sessiond.List{Principal: user}) {
		if err != nil {
			return nil, err
		}
		devices = append(devices, Device{session, session.Handle == handle})
	}
	return devices, nil
}

// EndDevice ends a session of the user by its handle; false if it is not there, or of somebody else. That of this request is
// logged out.
func (s *Session) EndDevice(ctx context.Context, handle string) (bool, error) {
	user := s.Principal()
	if user == "" {
		return false, ErrNobody
	}
	if handle == s.Handle() {
		s.LogOut()
		return true, nil
	}
	page, err := s.manager.client.ListPage(ctx, sessiond.List{Handles: []string{handle}}, "")
	if errors.Is(err, sessiond.ErrInvalidArgument) {
		return false, nil
	}
	if err != nil || len(page.Sessions) == 0 || page.Sessions[0].Principal != user {
		return false, err
	}
	return s.manager.client.DeleteHandle(ctx, handle)
}

// RevokeOthers ends all other sessions of the user, "log out all my other devices"; it answers how many.
func (s *Session) RevokeOthers(ctx context.Context) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user := s.principalLocked()
	if user == "" {
		return 0, ErrNobody
	}
	revoked, err := s.manager.client.RevokeOthers(ctx, user, string(s.id))
	return revoked, ended(err)
}
