package sessiond_test

import (
	"testing"

	"sessiond/internal/readme"
)

func TestQuickStart(t *testing.T) {
	if out := readme.Output(t, "README.md", "client"); out != "dark 1\ntrue\n1 true\n" {
		t.Errorf("it prints %q", out)
	}
}
