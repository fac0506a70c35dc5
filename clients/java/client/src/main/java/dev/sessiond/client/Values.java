package dev.sessiond.client;

import com.google.protobuf.ByteString;
import com.google.protobuf.NullValue;
import dev.sessiond.v1.ListValue;
import dev.sessiond.v1.MapEntry;
import dev.sessiond.v1.MapValue;
import dev.sessiond.v1.OpaqueValue;
import dev.sessiond.v1.Value;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Values between Java and the language-neutral form; {@link SessionChange.Builder#setAttribute} describes the mapping. */
final class Values {
    // How deep the server lets a value nest.
    private static final int DEEPEST = 30;

    private static final Value NULL =
            Value.newBuilder().setNullValue(NullValue.NULL_VALUE).build();

    private Values() {}

    /** Encodes an attribute; the error names it. */
    static Value encodeAttribute(String name, Object value) {
        try {
            return encode(value);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("attribute \"" + name + "\": " + e.getMessage(), e);
        }
    }

    static Value encode(Object value) {
        return encode(value, 1);
    }

    private static Value encode(Object value, int depth) {
        if (depth > DEEPEST) {
            throw unsupported("it nests deeper than " + DEEPEST + " levels");
        }
        if (value == null) {
            return NULL;
        } else if (value instanceof String text) {
            return Value.newBuilder().setStringValue(valid(text, "a string")).build();
        } else if (value instanceof Boolean flag) {
            return Value.newBuilder().setBoolValue(flag).build();
        } else if (value instanceof Long
                || value instanceof Integer
                || value instanceof Short
                || value instanceof Byte) {
            return Value.newBuilder().setIntValue(((Number) value).longValue()).build();
        } else if (value instanceof Double || value instanceof Float) {
            return Value.newBuilder()
                    .setDoubleValue(((Number) value).doubleValue())
                    .build();
        } else if (value instanceof byte[] bytes) {
            return Value.newBuilder().setBytesValue(ByteString.copyFrom(bytes)).build();
        } else if (value instanceof Instant moment) {
            return encodeInstant(moment);
        } else if (value instanceof Collection<?> items) {
            return encodeList(items, depth);
        } else if (value instanceof Object[] items) {
            return encodeList(Arrays.asList(items), depth);
        } else if (value instanceof Map<?, ?> entries) {
            return encodeMap(entries, depth);
        } else if (value instanceof Opaque opaque) {
            return Value.newBuilder()
                    .setOpaqueValue(OpaqueValue.newBuilder()
                            .setEncoding(opaque.encoding())
                            .setData(ByteString.copyFrom(opaque.data())))
                    .build();
        } else if (value instanceof UnknownValue unknown) {
            return unknown.value();
        }
        throw unsupported("other languages can't read a " + value.getClass().getName()
                + "; JavaSerialization stores it for Java alone");
    }

    private static Value encodeInstant(Instant moment) {
        if (!Times.isHeld(moment)) {
            throw unsupported("the year of a time is not from 1 to 9999");
        }
        return Value.newBuilder().setTimestampValue(Times.timestamp(moment)).build();
    }

    private static Value encodeList(Collection<?> items, int depth) {
        ListValue.Builder list = ListValue.newBuilder();
        for (Object item : items) {
            list.addItems(encode(item, depth + 1));
        }
        return Value.newBuilder().setListValue(list).build();
    }

    private static Value encodeMap(Map<?, ?> entries, int depth) {
        MapValue.Builder map = MapValue.newBuilder();
        for (Map.Entry<?, ?> entry : entries.entrySet()) {
            if (!(entry.getKey() instanceof String key)) {
                throw unsupported("the keys of a map are not all strings");
            }
            map.addEntries(
                    MapEntry.newBuilder().setKey(valid(key, "a key")).setValue(encode(entry.getValue(), depth + 1)));
        }
        return Value.newBuilder().setMapValue(map).build();
    }

    /** A lone surrogate would be sent as a question mark. */
    private static String valid(String text, String what) {
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw unsupported(what + " is not valid Unicode");
        }
        return text;
    }

    private static IllegalArgumentException unsupported(String why) {
        return new IllegalArgumentException("the value can't be stored: " + why);
    }

    static Object decode(Value value) {
        return switch (value.getKindCase()) {
            case NULL_VALUE -> null;
            case BOOL_VALUE -> value.getBoolValue();
            case INT_VALUE -> value.getIntValue();
            case DOUBLE_VALUE -> value.getDoubleValue();
            case STRING_VALUE -> value.getStringValue();
            case BYTES_VALUE -> value.getBytesValue().toByteArray();
            case TIMESTAMP_VALUE -> Times.instant(value.getTimestampValue());
            case LIST_VALUE -> decodeList(value.getListValue());
            case MAP_VALUE -> decodeMap(value.getMapValue());
            case OPAQUE_VALUE ->
                Opaque.of(
                        value.getOpaqueValue().getEncoding(),
                        value.getOpaqueValue().getData().toByteArray());
            case KIND_NOT_SET -> new UnknownValue(value);
        };
    }

    private static List<Object> decodeList(ListValue list) {
        List<Object> items = new ArrayList<>(list.getItemsCount());
        for (Value item : list.getItemsList()) {
            items.add(decode(item));
        }
        return Collections.unmodifiableList(items);
    }

    private static Map<String, Object> decodeMap(MapValue map) {
        Map<String, Object> entries = new LinkedHashMap<>();
        for (MapEntry entry : map.getEntriesList()) {
            entries.put(entry.getKey(), decode(entry.getValue()));
        }
        return Collections.unmodifiableMap(entries);
    }

    static Map<String, Object> decodeAll(Map<String, Value> attributes) {
        Map<String, Object> out = new LinkedHashMap<>();
        attributes.forEach((name, value) -> out.put(name, decode(value)));
        return Collections.unmodifiableMap(out);
    }
}
