// Command bench compares the stores of this folder with those for Redis: scs with its redisstore, and gin-contrib/sessions with
// its Redis store. The same site runs over each, and both servers run on the same core, one after the other.
//
//	clients/go/benchmark            # builds it, and runs it on core 1 with the servers on core 0
//
// It needs redis-server and taskset (Debian: redis-server and util-linux).
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"time"
)

type settings struct {
	sessiond, redis, core string
	sessions              int
	period                time.Duration
	rounds                int
}

func main() {
	var s settings
	flag.StringVar(&s.sessiond, "sessiond", os.Getenv("SESSIOND_BIN"), "the sessiond to measure: a release build")
	flag.StringVar(&s.redis, "redis", "redis-server", "the redis-server to compare with")
	flag.StringVar(&s.core, "core", "0", "the core that the servers run on")
	flag.IntVar(&s.sessions, "sessions", 1000, "sessions in store")
	flag.DurationVar(&s.period, "period", 2*time.Second, "how long each figure is measured")
	flag.IntVar(&s.rounds, "rounds", 3, "rounds; each server is started anew in each, and the median counts")
	flag.Parse()
	if s.sessiond == "" {
		log.Fatal("SESSIOND_BIN is not set: it names the sessiond to measure")
	}
	results := make(map[string][]figures)
	for range s.rounds {
		for _, kind := range []string{"redis", "sessiond"} {
			found, err := measure(s, kind)
			if err != nil {
				log.Fatalf("%s: %v", kind, err)
			}
			for name, figure := range found {
				results[name+" "+kind] = append(results[name+" "+kind], figure)
			}
		}
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
		if out[framework], err = site.measure(cookies, s.period); err != nil {
			return nil, err
		}
		site.close()
	}
	return out, nil
}

// The targets, as ratios of sessiond to Redis.
const (
	mostLatency    = 1.15
	leastRate      = 1.5
	mostPerRequest = 1.0
)

func report(results map[string][]figures) {
	fmt.Printf("%-4s %-34s %12s %12s %8s\n", "", "", "Redis", "sessiond", "ratio")
	for _, framework := range []string{"scs", "gin"} {
		redis, sessiond := median(results[framework+" redis"]), median(results[framework+" sessiond"])
		line := func(what string, a, b any, ratio, bound float64, most bool) {
			verdict := "met"
			if most && ratio > bound || !most && ratio < bound {
				verdict = "missed"
			}
			limit := "least"
			if most {
				limit = "most"
			}
			fmt.Printf("%-4s %-34s %12v %12v %8.2f  at %s %.2f: %s\n", framework, what, a, b, ratio, limit, bound, verdict)
		}
		line("load, 1 in flight, p50", redis.load, sessiond.load, ratio(sessiond.load, redis.load), mostLatency, true)
		line("load, 32 in flight, per second", int(redis.loads), int(sessiond.loads), sessiond.loads/redis.loads, leastRate, false)
		line("request that reads, p50", redis.read, sessiond.read, ratio(sessiond.read, redis.read), mostPerRequest, true)
		line("request that changes, p50", redis.write, sessiond.write, ratio(sessiond.write, redis.write), mostPerRequest, true)
		line("requests, 32 in flight, per second", int(redis.requests), int(sessiond.requests), sessiond.requests/redis.requests, leastRate, false)
	}
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }
