package main

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"sync"
)

const (
	shortestPassword = 8
	longestName      = 64
	mostUsers        = 10_000

	tooShort = "A password has at least 8 characters."
)

// How often a password is hashed: so often that guessing is slow. Tests, which guess nothing, hash less.
var iterations = 600_000

// users are the accounts, in memory: only the sessions are the example.
type users struct {
	mu     sync.Mutex
	byName map[string]account
}

type account struct{ salt, hash []byte }

func newUsers() *users { return &users{byName: make(map[string]account)} }

func hash(password string, salt []byte) ([]byte, error) {
	return pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
}

// add makes an account; it answers what is wrong, in words for the visitor.
func (u *users) add(name, password string) (problem string) {
	switch {
	case name == "" || len(name) > longestName:
		return "A name has 1 to 64 bytes."
	case len(password) < shortestPassword:
		return tooShort
	}
	made, err := newAccount(password)
	if err != nil {
		return "The password can't be kept."
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, taken := u.byName[name]; taken {
		return "The name is taken."
	}
	if len(u.byName) >= mostUsers {
		return "There is no room for more accounts."
	}
	u.byName[name] = made
	return ""
}

func newAccount(password string) (account, error) {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	hashed, err := hash(password, salt)
	return account{salt, hashed}, err
}

// knows tells whether the password is that of the account.
func (u *users) knows(name, password string) bool {
	u.mu.Lock()
	found, isThere := u.byName[name]
	u.mu.Unlock()
	if !isThere {
		// As long as for an account that is there.
		found.salt = make([]byte, 16)
	}
	hashed, err := hash(password, found.salt)
	return err == nil && isThere && subtle.ConstantTimeCompare(hashed, found.hash) == 1
}

// change gives an account another password; it answers what is wrong.
func (u *users) change(name, password string) (problem string) {
	if len(password) < shortestPassword {
		return tooShort
	}
	made, err := newAccount(password)
	if err != nil {
		return "The password can't be kept."
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.byName[name] = made
	return ""
}
