package main

import (
	"cmp"
	"os"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const inFlight = 32

// figures are what is measured of a site.
type figures struct {
	// Medians of one at a time.
	load, read, write time.Duration
	// Per second, with 32 in flight; of five requests four read.
	loads, requests float64
	// What one of these takes of this process's CPU: it depends less on what else the machine does.
	loadCPU, requestCPU time.Duration
}

// measure writes profiles if it is told where to; their names end in what was measured.
func (s *site) measure(cookies []string, period time.Duration, profile string) (figures, error) {
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
		name    string
		measure func() error
	}{
		{"load-1", func() error { out.load, err = oneByOne(load, period); return err }},
		{"read-1", func() error { out.read, err = oneByOne(page("/read"), period); return err }},
		{"write-1", func() error { out.write, err = oneByOne(page("/write"), period); return err }},
		{"load-32", func() error { out.loads, out.loadCPU, err = together(load, period); return err }},
		{"requests-32", func() error { out.requests, out.requestCPU, err = together(mixed, period); return err }},
	} {
		if err := profiled(profile, one.name, one.measure); err != nil {
			return out, err
		}
	}
	return out, nil
}

func profiled(profile, name string, measure func() error) error {
	if profile == "" {
		return measure()
	}
	file, err := os.Create(profile + "-" + name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return measure()
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

// together is how often a second something is done, with so many in flight, and how much CPU it takes each time.
func together(do func(int) error, period time.Duration) (float64, time.Duration, error) {
	var done atomic.Int64
	var failure atomic.Pointer[error]
	var group sync.WaitGroup
	begin, cpu := time.Now(), cpuTime()
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
		return 0, 0, *err
	}
	return float64(done.Load()) / time.Since(begin).Seconds(), (cpuTime() - cpu) / time.Duration(done.Load()), nil
}

// cpuTime is the time that this process has spent on CPUs.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// median takes each figure by itself from several rounds.
func median(rounds []figures) figures {
	return figures{
		load:       middle(rounds, func(f figures) time.Duration { return f.load }),
		read:       middle(rounds, func(f figures) time.Duration { return f.read }),
		write:      middle(rounds, func(f figures) time.Duration { return f.write }),
		loads:      middle(rounds, func(f figures) float64 { return f.loads }),
		requests:   middle(rounds, func(f figures) float64 { return f.requests }),
		loadCPU:    middle(rounds, func(f figures) time.Duration { return f.loadCPU }),
		requestCPU: middle(rounds, func(f figures) time.Duration { return f.requestCPU }),
	}
}

func middle[F cmp.Ordered](rounds []figures, of func(figures) F) F {
	all := make([]F, len(rounds))
	for i, round := range rounds {
		all[i] = of(round)
	}
	slices.Sort(all)
	return all[len(all)/2]
}
