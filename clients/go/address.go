package sessiond

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// DefaultAddress is where a sessiond listens that was started without settings.
const DefaultAddress = "127.0.0.1:50051"

// EnvAddress names the environment variable that says where the server is, for clients that are not told otherwise.
const EnvAddress = "SESSIOND_ADDR"

// addresses reads a list of addresses, separated by commas, in the form that the dialer takes: HOST:PORT or unix:PATH.
func addresses(list string) ([]string, error) {
	if list == "" {
		list = os.Getenv(EnvAddress)
	}
	if list == "" {
		list = DefaultAddress
	}
	var found []string
	for text := range strings.SplitSeq(list, ",") {
		address, problem := address(strings.TrimSpace(text))
		if problem != "" {
			return nil, fmt.Errorf("sessiond: %q is not an address: %s; write HOST:PORT, http://HOST:PORT or unix:PATH",
				strings.TrimSpace(text), problem)
		}
		found = append(found, address)
	}
	return found, nil
}

func address(text string) (address, problem string) {
	if path, isUnix := strings.CutPrefix(text, "unix:"); isUnix {
		path = strings.TrimPrefix(path, "//")
		if path == "" {
			return "", "the path is missing"
		}
		return "unix:" + path, ""
	}
	if strings.HasPrefix(text, "https://") {
		return "", "TLS is not supported"
	}
	authority := text
	if rest, isURL := strings.CutPrefix(text, "http://"); isURL {
		authority = strings.TrimSuffix(rest, "/")
	}
	return authority, authorityProblem(authority)
}

func authorityProblem(authority string) string {
	colon := strings.LastIndexByte(authority, ':')
	if colon < 0 {
		return "the port is missing"
	}
	host, port := authority[:colon], authority[colon+1:]
	inBrackets := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")
	if inBrackets {
		host = host[1 : len(host)-1]
	}
	switch {
	case host == "":
		return "the host is missing"
	case strings.ContainsAny(host, "/@?#"):
		return "the host is not a host name"
	case strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"<>\^{|}%[]`, r) }):
		return "it holds a character that no address has"
	case strings.Contains(host, ":") && !inBrackets:
		return "an IPv6 address stands in brackets, such as [::1]:50051"
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 || port[0] == '+' {
		return "the port is not a number from 1 to 65535"
	}
	return ""
}
