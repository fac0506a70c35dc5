package dev.sessiond.client;

import java.util.Map;

/** Reads the figures of an error. */
final class Figures {
    private Figures() {}

    /** The figure of this name; 0 if there is none. */
    static long read(Map<String, String> metadata, String name) {
        try {
            return Long.parseUnsignedLong(metadata.getOrDefault(name, "0"));
        } catch (NumberFormatException e) {
            return 0;
        }
    }
}
