package main

import (
	"fmt"
	"time"
)

// The targets, as ratios of sessiond to Redis.
const (
	mostLatency    = 1.15
	leastRate      = 1.5
	mostPerRequest = 1.0
)

// reportOne is the figures without a comparison, to compare them with those of another version of the stores.
func reportOne(results map[string][]figures, kind string) {
	for _, framework := range []string{"scs", "gin"} {
		f := median(results[framework+" "+kind])
		fmt.Printf("%s: load %v, read %v, write %v; with 32 in flight %d loads/s (%v CPU), %d requests/s (%v CPU)\n",
			framework, f.load, f.read, f.write, int(f.loads), f.loadCPU, int(f.requests), f.requestCPU)
	}
}

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
		fmt.Printf("%-4s %-34s %12v %12v %8.2f\n", framework, "load, 32 in flight, CPU", redis.loadCPU, sessiond.loadCPU,
			ratio(sessiond.loadCPU, redis.loadCPU))
		fmt.Printf("%-4s %-34s %12v %12v %8.2f\n", framework, "requests, 32 in flight, CPU", redis.requestCPU, sessiond.requestCPU,
			ratio(sessiond.requestCPU, redis.requestCPU))
	}
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }
