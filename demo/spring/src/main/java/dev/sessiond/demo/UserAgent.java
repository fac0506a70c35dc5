package dev.sessiond.demo;

import java.util.List;
import java.util.Map;

/** A short name of the visitor's device, for the list of devices. */
final class UserAgent {

    // The first that is found counts: many browsers call themselves by the names of others, too.
    private static final List<Map.Entry<String, String>> BROWSERS = List.of(
            Map.entry("Edg", "Edge"),
            Map.entry("Firefox/", "Firefox"),
            Map.entry("FxiOS/", "Firefox"),
            Map.entry("Chrome/", "Chrome"),
            Map.entry("CriOS/", "Chrome"),
            Map.entry("Safari/", "Safari"));
    private static final List<Map.Entry<String, String>> SYSTEMS = List.of(
            Map.entry("iPhone", "iPhone"),
            Map.entry("iPad", "iPad"),
            Map.entry("Android", "Android"),
            Map.entry("Windows", "Windows"),
            Map.entry("Macintosh", "macOS"),
            Map.entry("Linux", "Linux"));

    private UserAgent() {}

    /** A name such as "Firefox on Linux" for the header User-Agent, which may be missing. */
    static String device(String userAgent) {
        String agent = userAgent == null ? "" : userAgent;
        return find(agent, BROWSERS) + " on " + find(agent, SYSTEMS);
    }

    private static String find(String agent, List<Map.Entry<String, String>> names) {
        return names.stream()
                .filter(name -> agent.contains(name.getKey()))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse("something else");
    }
}
