package scsstore_test

import (
	"testing"

	"sessiond/internal/readme"
)

func TestQuickStart(t *testing.T) {
	if first, second := readme.Visits(t, "../README.md", "scs"); first != "Visit 1" || second != "Visit 2" {
		t.Errorf("it answers %q and %q", first, second)
	}
}
