package main

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const inFlight = 32

// figures are what is measured of a site.
type figures struct {
	// Medians of one at a time.
	load, read, write time.Duration
	// Per second, with 32 in flight; of five requests four read.
	loads, requests float64
}

func (s *site) measure(cookies []string, period time.Duration) (figures, error) {
	var out figures
	var err error
	page := func(path string) func(int) error {
		return func(i int) error {
			_, err := s.request(path, cookies[i%len(cookies)])
			return err
		}
	}
	load := func(i int) error { return s.load(cookies[i%len(cookies)]) }
	mixed := func(i int) error {
		if i%5 == 0 {
			return page("/write")(i)
		}
		return page("/read")(i)
	}
	for _, one := range []struct {
		to *time.Duration
		do func(int) error
	}{{&out.load, load}, {&out.read, page("/read")}, {&out.write, page("/write")}} {
		if *one.to, err = oneByOne(one.do, period); err != nil {
			return out, err
		}
	}
	if out.loads, err = together(load, period); err != nil {
		return out, err
	}
	out.requests, err = together(mixed, period)
	return out, err
}

// oneByOne is the median time of something that is done one at a time.
func oneByOne(do func(int) error, period time.Duration) (time.Duration, error) {
	var times []time.Duration
	// The first tenth warms up.
	begin := time.Now()
	for i := 0; time.Since(begin) < period; i++ {
		before := time.Now()
		if err := do(i); err != nil {
			return 0, err
		}
		if time.Since(begin) > period/10 {
			times = append(times, time.Since(before))
		}
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

// together is how often a second something is done, with so many in flight.
func together(do func(int) error, period time.Duration) (float64, error) {
	var done atomic.Int64
	var failure atomic.Pointer[error]
	var group sync.WaitGroup
	begin := time.Now()
	for worker := range inFlight {
		group.Go(func() {
			for i := worker; time.Since(begin) < period; i += inFlight {
				if err := do(i); err != nil {
					failure.Store(&err)
					return
				}
				done.Add(1)
			}
		})
	}
	group.Wait()
	if err := failure.Load(); err != nil {
		return 0, *err
	}
	return float64(done.Load()) / time.Since(begin).Seconds(), nil
}

// median takes each figure by itself from several rounds.
func median(rounds []figures) figures {
	duration := func(of func(figures) time.Duration) time.Duration {
		all := make([]time.Duration, len(rounds))
		for i, round := range rounds {
			all[i] = of(round)
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	rate := func(of func(figures) float64) float64 {
		all := make([]float64, len(rounds))
		for i, round := range rounds {
			all[i] = of(round)
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return figures{
		load:     duration(func(f figures) time.Duration { return f.load }),
		read:     duration(func(f figures) time.Duration { return f.read }),
		write:    duration(func(f figures) time.Duration { return f.write }),
		loads:    rate(func(f figures) float64 { return f.loads }),
		requests: rate(func(f figures) float64 { return f.requests }),
	}
}
