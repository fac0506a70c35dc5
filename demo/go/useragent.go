package main

import "strings"

// The first that is found counts: many browsers call themselves by the names of others, too.
var (
	browsers = [][2]string{
		{"Edg", "Edge"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"Safari/", "Safari"},
	}
	systems = [][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Macintosh", "macOS"}, {"Linux", "Linux"},
	}
)

// device is a name such as "Firefox on Linux" for the header User-Agent.
func device(userAgent string) string {
	return find(userAgent, browsers) + " on " + find(userAgent, systems)
}

func find(userAgent string, names [][2]string) string {
	for _, name := range names {
		if strings.Contains(userAgent, name[0]) {
			return name[1]
		}
	}
	return "something else"
}
