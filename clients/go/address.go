package sessiond

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// DefaultAddress is where a sessiond listens that was started without settings.
const DefaultAddress = "127.0.0.1:50051"

// EnvAddress names the environment variable that says where the server is, for clients that are not told otherwise.
const EnvAddress = "SESSIOND_ADDR"

// The longest path that a Unix socket can have, in bytes.
const longestPath = 107

// What stands before an address: of one that is called over TLS, in its normal form too.
const plainScheme, secureScheme = "http://", "https://"

// addresses reads a list of addresses, separated by commas, in their normal form: HOST:PORT, https://HOST:PORT or unix:PATH.
func addresses(list string) ([]string, error) {
	if list == "" {
		list = os.Getenv(EnvAddress)
	}
	if list == "" {
		list = DefaultAddress
	}
	found, problem := parseAddresses(list)
	if problem != "" {
		return nil, fmt.Errorf("sessiond: %q is not an address: %s; write HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH", list, problem)
	}
	return found, nil
}

func parseAddresses(list string) (found []string, problem string) {
	items := strings.Split(list, ",")
	for i, item := range items {
		items[i] = strings.TrimSpace(item)
		if items[i] == "" {
			if len(items) == 1 {
				return nil, "it is empty"
			}
			return nil, "an address of the list is empty"
		}
	}
	for _, item := range items {
		normal, problem := parseAddress(item)
		if problem != "" {
			return nil, problem
		}
		found = append(found, normal)
	}
	isOther := func(address string) bool { return isSecure(address) != isSecure(found[0]) }
	if slices.ContainsFunc(found, isOther) {
		return nil, "https:// stands before all addresses or before none"
	}
	return found, ""
}

func isSecure(address string) bool { return strings.HasPrefix(address, secureScheme) }

func parseAddress(text string) (normal, problem string) {
	if path, isUnix := strings.CutPrefix(text, "unix:"); isUnix {
		return parsePath(path)
	}
	scheme, rest := "", text
	for _, known := range []string{plainScheme, secureScheme} {
		if authority, isURL := strings.CutPrefix(text, known); isURL {
			scheme, rest = known, strings.TrimSuffix(authority, "/")
		}
	}
	if scheme == "" && strings.Contains(text, "://") {
		return "", "it begins with something else than http://, https:// or unix:"
	}
	if normal = strings.ToLower(rest); scheme == secureScheme {
		normal = secureScheme + normal
	}
	return normal, authorityProblem(rest)
}

func parsePath(path string) (normal, problem string) {
	if absolute, isURL := strings.CutPrefix(path, "//"); isURL {
		if absolute != "" && absolute[0] != '/' {
			return "", "the path after unix:// does not begin with a slash"
		}
		path = absolute
	}
	switch {
	case path == "":
		return "", "the path is missing"
	case strings.ContainsFunc(path, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("-._~/+@:=", r) }):
		return "", "the path holds a character other than A-Z, a-z, 0-9 and -._~/+@:="
	case len(path) > longestPath:
		return "", fmt.Sprintf("the path is longer than %d bytes", longestPath)
	}
	return "unix:" + path, ""
}

func isAlphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
}

func authorityProblem(authority string) string {
	if host, path, hasPath := strings.Cut(authority, "/"); hasPath {
		_ = path
		if hasPort(host) {
			return "it has a path"
		}
	}
	if !hasPort(authority) {
		return "the port is missing"
	}
	colon := strings.LastIndexByte(authority, ':')
	host, port := authority[:colon], authority[colon+1:]
	if problem := hostProblem(host); problem != "" {
		return problem
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || port[0] < '1' || port[0] > '9' || number == 0 {
		return "the port is not a number from 1 to 65535"
	}
	return ""
}

// hasPort tells whether a colon stands behind the host.
func hasPort(authority string) bool {
	return strings.LastIndexByte(authority, ':') > strings.LastIndexByte(authority, ']')
}

func hostProblem(host string) string {
	opens, closes := strings.HasPrefix(host, "["), strings.HasSuffix(host, "]")
	switch {
	case host == "":
		return "the host is missing"
	case opens && closes:
		address, err := netip.ParseAddr(host[1 : len(host)-1])
		if err != nil || !address.Is6() || address.Zone() != "" {
			return "what stands in brackets is not an IPv6 address"
		}
		return ""
	case opens || closes || strings.Contains(host, ":"):
		return "an IPv6 address stands in brackets, such as [::1]:50051"
	case strings.ContainsFunc(host, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune(".-_", r) }):
		return "the host holds a character that no host name has"
	}
	return ""
}
