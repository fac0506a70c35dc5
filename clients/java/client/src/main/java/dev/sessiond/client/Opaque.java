package dev.sessiond.client;

import java.util.Arrays;
import java.util.Objects;

/**
 * Data that only those can read who know its encoding, such as {@code java-serialized}. It is stored and read unchanged.
 *
 * @see JavaSerialization
 */
public final class Opaque {
    private final String encoding;
    private final byte[] data;

    private Opaque(String encoding, byte[] data) {
        this.encoding = encoding;
        this.data = data;
    }

    /**
     * Makes opaque data.
     *
     * @param encoding the name of the encoding: 1 to 64 of the characters a-z, 0-9, '-', '_', '.', '/' and '+', beginning
     *     with a letter or digit
     * @param data the data; it is copied
     * @return the opaque data
     */
    public static Opaque of(String encoding, byte[] data) {
        return new Opaque(Objects.requireNonNull(encoding, "encoding"), data.clone());
    }

    /**
     * The name of the encoding.
     *
     * @return the name
     */
    public String encoding() {
        return encoding;
    }

    /**
     * A copy of the data.
     *
     * @return the bytes
     */
    public byte[] data() {
        return data.clone();
    }

    /**
     * How much data it is.
     *
     * @return the size in bytes
     */
    public int size() {
        return data.length;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Opaque opaque && encoding.equals(opaque.encoding) && Arrays.equals(data, opaque.data);
    }

    @Override
    public int hashCode() {
        return 31 * encoding.hashCode() + Arrays.hashCode(data);
    }

    /** Names the encoding and the size, not the data. */
    @Override
    public String toString() {
        return "Opaque[" + encoding + ", " + data.length + " bytes]";
    }
}
