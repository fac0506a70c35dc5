package dev.sessiond.client;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;

/** The little of DER that turns keys of older forms into that which Java reads. */
final class Der {
    private static final int OCTET_STRING = 0x04;
    private static final int SEQUENCE = 0x30;
    private static final byte[] VERSION_0 = {0x02, 1, 0};

    private Der() {}

    /**
     * Wraps a key of PKCS#1 or SEC 1 into PKCS#8, which also names the algorithm. That, with its parameters, is the one of the
     * public key.
     */
    static byte[] pkcs8(byte[] publicKey, byte[] key) {
        byte[] algorithm = first(content(publicKey));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(VERSION_0);
        out.writeBytes(algorithm);
        out.writeBytes(element(OCTET_STRING, key));
        return element(SEQUENCE, out.toByteArray());
    }

    private static byte[] element(int tag, byte[] content) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(tag);
        if (content.length < 0x80) {
            out.write(content.length);
        } else {
            int bytes = (Integer.SIZE - Integer.numberOfLeadingZeros(content.length) + 7) / 8;
            out.write(0x80 | bytes);
            for (int i = bytes - 1; i >= 0; i--) {
                out.write(content.length >> 8 * i);
            }
        }
        out.writeBytes(content);
        return out.toByteArray();
    }

    /** The content of the element that the data begins with. */
    private static byte[] content(byte[] data) {
        int begin = begin(data);
        return Arrays.copyOfRange(data, begin, begin + length(data));
    }

    /** The whole element that the data begins with. */
    private static byte[] first(byte[] data) {
        return Arrays.copyOf(data, begin(data) + length(data));
    }

    private static int begin(byte[] data) {
        return 2 + lengthBytes(data);
    }

    private static int lengthBytes(byte[] data) {
        return data[1] >= 0 ? 0 : data[1] & 0x7f;
    }

    private static int length(byte[] data) {
        int length = data[1] >= 0 ? data[1] : 0;
        for (int i = 0; i < lengthBytes(data); i++) {
            length = length << 8 | data[2 + i] & 0xff;
        }
        return length;
    }
}
