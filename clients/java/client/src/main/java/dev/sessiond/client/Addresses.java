package dev.sessiond.client;

import com.google.common.net.InetAddresses;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/** Addresses of a server, in the grammar that all clients share. */
final class Addresses {
    static final String VARIABLE = "SESSIOND_ADDR";
    static final String DEFAULT = "127.0.0.1:50051";
    static final String UNIX = "unix:";
    static final String HTTPS = "https://";
    private static final String HTTP = "http://";

    // The longest path that a Unix socket can have, in bytes.
    private static final int LONGEST_PATH = 107;
    private static final Pattern PATH = Pattern.compile("[A-Za-z0-9._~/+@:=-]*");
    private static final Pattern HOST = Pattern.compile("[A-Za-z0-9._-]*");
    private static final Pattern PORT = Pattern.compile("[1-9][0-9]{0,4}");

    private Addresses() {}

    /** The addresses of a setting, of the environment, or the default, in their normal form. */
    static List<String> resolve(String list) {
        return resolve(list, System.getenv(VARIABLE));
    }

    static List<String> resolve(String list, String environment) {
        String text = isSet(list) ? list : isSet(environment) ? environment : DEFAULT;
        try {
            return parse(text);
        } catch (Refusal e) {
            throw new IllegalArgumentException("\"" + text + "\" is not an address: " + e.getMessage()
                    + "; write HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH");
        }
    }

    private static boolean isSet(String text) {
        return text != null && !text.isEmpty();
    }

    /** Reads a list of addresses, separated by commas, in their normal form: HOST:PORT, https://HOST:PORT or unix:PATH. */
    static List<String> parse(String list) throws Refusal {
        String[] items = list.split(",", -1);
        for (String item : items) {
            if (item.isBlank()) {
                throw new Refusal(items.length == 1 ? "it is empty" : "an address of the list is empty");
            }
        }
        List<String> out = new ArrayList<>();
        for (String item : items) {
            out.add(parseOne(item.strip()));
        }
        if (out.stream().anyMatch(address -> isSecure(address) != isSecure(out.get(0)))) {
            throw new Refusal("https:// stands before all addresses or before none");
        }
        return List.copyOf(out);
    }

    /** Tells whether an address in its normal form is called over TLS. Of a list all are, or none. */
    static boolean isSecure(String address) {
        return address.startsWith(HTTPS);
    }

    /** The host of an address in its normal form; that of IPv6 stands in brackets. */
    static String host(String address) {
        return address.substring(isSecure(address) ? HTTPS.length() : 0, address.lastIndexOf(':'));
    }

    /** The port of an address in its normal form. */
    static int port(String address) {
        return Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
    }

    /** Tells whether a text is a host as an address has it. */
    static boolean isHost(String text) {
        try {
            checkHost(text);
            return true;
        } catch (Refusal e) {
            return false;
        }
    }

    private static String parseOne(String text) throws Refusal {
        if (text.startsWith(UNIX)) {
            return parsePath(text.substring(UNIX.length()));
        }
        if (text.startsWith(HTTPS)) {
            return HTTPS + parseAuthority(withoutSlash(text.substring(HTTPS.length())));
        }
        if (text.startsWith(HTTP)) {
            return parseAuthority(withoutSlash(text.substring(HTTP.length())));
        }
        if (text.contains("://")) {
            throw new Refusal("it begins with something else than http://, https:// or unix:");
        }
        return parseAuthority(text);
    }

    private static String withoutSlash(String authority) {
        return authority.endsWith("/") ? authority.substring(0, authority.length() - 1) : authority;
    }

    private static String parsePath(String text) throws Refusal {
        String path = text;
        if (text.startsWith("//")) {
            path = text.substring(2);
            if (!path.isEmpty() && path.charAt(0) != '/') {
                throw new Refusal("the path after unix:// does not begin with a slash");
            }
        }
        if (path.isEmpty()) {
            throw new Refusal("the path is missing");
        }
        if (!PATH.matcher(path).matches()) {
            throw new Refusal("the path holds a character other than A-Z, a-z, 0-9 and -._~/+@:=");
        }
        if (path.length() > LONGEST_PATH) {
            throw new Refusal("the path is longer than " + LONGEST_PATH + " bytes");
        }
        return UNIX + path;
    }

    private static String parseAuthority(String authority) throws Refusal {
        int slash = authority.indexOf('/');
        if (slash >= 0 && hasPort(authority.substring(0, slash))) {
            throw new Refusal("it has a path");
        }
        if (!hasPort(authority)) {
            throw new Refusal("the port is missing");
        }
        int colon = authority.lastIndexOf(':');
        checkHost(authority.substring(0, colon));
        String port = authority.substring(colon + 1);
        if (!PORT.matcher(port).matches() || Integer.parseInt(port) > 65535) {
            throw new Refusal("the port is not a number from 1 to 65535");
        }
        return authority.toLowerCase(Locale.ROOT);
    }

    /** Tells whether a colon stands behind the host. */
    private static boolean hasPort(String authority) {
        return authority.lastIndexOf(':') > authority.lastIndexOf(']');
    }

    private static void checkHost(String host) throws Refusal {
        boolean opens = host.startsWith("[");
        boolean closes = host.endsWith("]");
        if (host.isEmpty()) {
            throw new Refusal("the host is missing");
        } else if (opens && closes) {
            if (!isIpv6(host.substring(1, host.length() - 1))) {
                throw new Refusal("what stands in brackets is not an IPv6 address");
            }
        } else if (opens || closes || host.contains(":")) {
            throw new Refusal("an IPv6 address stands in brackets, such as [::1]:50051");
        } else if (!HOST.matcher(host).matches()) {
            throw new Refusal("the host holds a character that no host name has");
        }
    }

    private static boolean isIpv6(String text) {
        // A mapped IPv4 address is read as IPv4; it is written as IPv6 all the same. A zone has no place here.
        return text.contains(":")
                && !text.contains("%")
                && (InetAddresses.isInetAddress(text) || InetAddresses.isMappedIPv4Address(text));
    }

    /** Why a text is no address; without a stack, since it is only a message. */
    static final class Refusal extends Exception {
        private static final long serialVersionUID = 1L;

        Refusal(String message) {
            super(message, null, false, false);
        }
    }
}
