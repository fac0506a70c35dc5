package sessiond

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// BenchmarkGet shows what one read costs this process, with one and with 32 in flight.
func BenchmarkGet(b *testing.B) {
	for name, c := range map[string]struct {
		options     []Option
		parallelism int
	}{
		"lane/1": {nil, 0}, "lane/32": {nil, 32}, "unary/1": {[]Option{WithUnary()}, 0}, "unary/32": {[]Option{WithUnary()}, 32},
	} {
		b.Run(name, func(b *testing.B) {
			client := newClient(b, c.options...)
			attributes := map[string]any{}
			for i := range 8 {
				attributes[strings.Repeat("k", i+1)] = strings.Repeat("v", 110)
			}
			created, err := client.Create(b.Context(), NewSession{Attributes: attributes})
			if err != nil {
				b.Fatal(err)
			}
			id := string(created.ID)
			var failed atomic.Int64
			get := func() {
				if _, err := client.Get(b.Context(), id, StoredOnly()); err != nil {
					failed.Add(1)
				}
			}
			before := cpuTime()
			b.ReportAllocs()
			b.ResetTimer()
			if c.parallelism == 0 {
				for range b.N {
					get()
				}
			} else {
				b.SetParallelism(c.parallelism)
				b.RunParallel(func(loop *testing.PB) {
					for loop.Next() {
						get()
					}
				})
			}
			b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
			if failed.Load() > 0 {
				b.Errorf("%d reads failed", failed.Load())
			}
		})
	}
}

func cpuTime() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
