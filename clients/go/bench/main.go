// Command bench compares the stores of this folder with those for Redis: scs with its redisstore, and gin-contrib/sessions with
// its Redis store. The same site runs over each, and both servers run on the same core, one after the other.
//
//	clients/go/benchmark            # builds it, and runs it on core 1 with the servers on core 0
//
// It needs redis-server and taskset (Debian: redis-server and util-linux).
package main

import (
	"flag"
	"log"
	"os"
	"time"
)

type settings struct {
	sessiond, redis, core, only, profile string
	sessions                             int
	period                               time.Duration
	rounds                               int
}

func main() {
	var s settings
	flag.StringVar(&s.sessiond, "sessiond", os.Getenv("SESSIOND_BIN"), "the sessiond to measure: a release build")
	flag.StringVar(&s.redis, "redis", "redis-server", "the redis-server to compare with")
	flag.StringVar(&s.core, "core", "0", "the core that the servers run on")
	flag.IntVar(&s.sessions, "sessions", 1000, "sessions in store")
	flag.DurationVar(&s.period, "period", 2*time.Second, "how long each figure is measured")
	flag.IntVar(&s.rounds, "rounds", 3, "rounds; each server is started anew in each, and the median counts")
	flag.StringVar(&s.only, "only", "", "measure only one of redis and sessiond")
	flag.StringVar(&s.profile, "profile", "", "write CPU profiles to files whose names begin so")
	flag.Parse()
	if s.sessiond == "" {
		log.Fatal("SESSIOND_BIN is not set: it names the sessiond to measure")
	}
	results := make(map[string][]figures)
	kinds := []string{"redis", "sessiond"}
	if s.only != "" {
		kinds = []string{s.only}
	}
	for range s.rounds {
		for _, kind := range kinds {
			found, err := measure(s, kind)
			if err != nil {
				log.Fatalf("%s: %v", kind, err)
			}
			for name, figure := range found {
				results[name+" "+kind] = append(results[name+" "+kind], figure)
			}
		}
	}
	if s.only != "" {
		reportOne(results, s.only)
		return
	}
	report(results)
}

// measure starts a server, and measures every site over it.
func measure(s settings, kind string) (map[string]figures, error) {
	server, err := start(s, kind)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	out := make(map[string]figures)
	for _, framework := range []string{"scs", "gin"} {
		site, err := newSite(framework, server)
		if err != nil {
			return nil, err
		}
		cookies, err := site.visitors(s.sessions)
		if err != nil {
			return nil, err
		}
		profile := s.profile
		if profile != "" {
			profile += "-" + kind + "-" + framework
		}
		if out[framework], err = site.measure(cookies, s.period, profile); err != nil {
			return nil, err
		}
		site.close()
	}
	return out, nil
}
