package dev.sessiond.spring.session;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The values that every language has, and what they are in Java.
 *
 * <table>
 * <caption>Kinds</caption>
 * <tr><th>in the store</th><th>from Java</th><th>to Java</th></tr>
 * <tr><td>bool, string, double</td><td>Boolean, String, Double</td><td>the same</td></tr>
 * <tr><td>int64</td><td>Integer, and Long beyond its range</td><td>the same</td></tr>
 * <tr><td>bytes, timestamp</td><td>byte[], Instant</td><td>the same</td></tr>
 * <tr><td>list</td><td>ArrayList, List.of, Arrays.asList</td><td>ArrayList</td></tr>
 * <tr><td>map</td><td>LinkedHashMap, HashMap, Map.of, with keys that are strings</td><td>LinkedHashMap</td></tr>
 * </table>
 *
 * <p>Items of lists and maps can be null. Whatever is or holds something else is not neutral.
 */
final class NeutralValues {

    /** The most levels of lists and maps that the store takes. */
    private static final int MOST_LEVELS = 30;

    private static final Instant EARLIEST = Instant.parse("0001-01-01T00:00:00Z");
    private static final Instant LATEST = Instant.parse("9999-12-31T23:59:59.999999999Z");

    /** Immutable collections are of several classes each, which have no public names. */
    private static final Set<Class<?>> LISTS =
            classes(new ArrayList<>(), Arrays.asList(), List.of(), List.of(1), List.of(1, 2, 3));

    private static final Set<Class<?>> MAPS = classes(new LinkedHashMap<>(), new HashMap<>(), Map.of(1, 1), Map.of());

    private static Set<Class<?>> classes(Object... samples) {
        return Arrays.stream(samples).map(Object::getClass).collect(Collectors.toUnmodifiableSet());
    }

    private NeutralValues() {}

    /** The value for the store; empty if there is none that comes back as the same. */
    static Optional<Object> encode(Object value) {
        return Optional.ofNullable(encode(value, MOST_LEVELS));
    }

    /** Null means that there is none. */
    private static Object encode(Object value, int levels) {
        if (value instanceof Integer number) {
            return number.longValue();
        }
        if (value instanceof Long number) {
            return number.intValue() == number ? null : number;
        }
        if (value instanceof String text) {
            return isUnicode(text) ? text : null;
        }
        if (value instanceof Instant moment) {
            return moment.isBefore(EARLIEST) || moment.isAfter(LATEST) ? null : moment;
        }
        if (value instanceof Boolean || value instanceof Double || value instanceof byte[]) {
            return value;
        }
        if (LISTS.contains(value.getClass())) {
            return levels == 0 ? null : encodeList((List<?>) value, levels - 1);
        }
        if (MAPS.contains(value.getClass())) {
            return levels == 0 ? null : encodeMap((Map<?, ?>) value, levels - 1);
        }
        return null;
    }

    private static List<Object> encodeList(List<?> list, int levels) {
        List<Object> out = new ArrayList<>(list.size());
        for (Object item : list) {
            Object encoded = item == null ? null : encode(item, levels);
            if (encoded == null && item != null) {
                return null;
            }
            out.add(encoded);
        }
        return out;
    }

    private static Map<String, Object> encodeMap(Map<?, ?> map, int levels) {
        Map<String, Object> out = new LinkedHashMap<>();
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            Object item = entry.getValue();
            Object encoded = item == null ? null : encode(item, levels);
            if (encoded == null && item != null || !(entry.getKey() instanceof String key) || !isUnicode(key)) {
                return null;
            }
            out.put(key, encoded);
        }
        return out;
    }

    /** Java's strings can hold half of a character, which no other language can read. */
    private static boolean isUnicode(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(c)) {
                return false;
            }
        }
        return true;
    }

    /** The Java value of a stored one. What another language made opaque within a list or a map stays as it is. */
    static Object decode(Object stored) {
        if (stored instanceof Long number && number.intValue() == number) {
            return number.intValue();
        }
        if (stored instanceof List<?> list) {
            List<Object> out = new ArrayList<>(list.size());
            for (Object item : list) {
                out.add(decode(item));
            }
            return out;
        }
        if (stored instanceof Map<?, ?> map) {
            Map<Object, Object> out = new LinkedHashMap<>();
            map.forEach((key, item) -> out.put(key, decode(item)));
            return out;
        }
        return stored;
    }
}
