package scsstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/alexedwards/scs/v2"

	"sessiond/scsstore"
)

// BenchmarkRequest shows what a request that reads, and one that changes, take of memory besides time.
func BenchmarkRequest(b *testing.B) {
	manager, store := scs.New(), scsstore.New(newClient(b))
	manager.Store, manager.Codec = store, store.Codec()
	token := must(b)(request(b, manager, "", func(ctx context.Context) {
		for i := range 8 {
			manager.Put(ctx, fmt.Sprint("key", i), strings.Repeat("v", 110))
		}
	}))
	for name, do := range map[string]func(context.Context){
		"read":   func(ctx context.Context) { manager.GetString(ctx, "key1") },
		"change": func(ctx context.Context) { manager.Put(ctx, "visits", manager.GetInt(ctx, "visits")+1) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must(b)(request(b, manager, token, do))
			}
		})
	}
}
