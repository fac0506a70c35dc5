package dev.sessiond.client;

import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.Optional;

/** Maps the IDs of frameworks to those that the server takes. */
public final class SessionIds {
    private static final int SHORTEST = 16;
    private static final int LONGEST = 256;

    private SessionIds() {}

    /**
     * The ID under which sessiond keeps a session that a framework calls {@code id}. Clients of every language map alike: 16
     * to 256 printable ASCII characters are sent as they are; any other text becomes "~" and the unpadded base64url form of
     * its SHA-256.
     *
     * @param id the framework's ID
     * @return the ID to send; empty if the text is empty or no valid Unicode, and so names no session
     */
    public static Optional<String> map(String id) {
        if (isSendable(id)) {
            return Optional.of(id);
        }
        if (id.isEmpty()) {
            return Optional.empty();
        }
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(id)));
            return Optional.of("~" + Base64.getUrlEncoder().withoutPadding().encodeToString(digest.digest()));
        } catch (CharacterCodingException e) {
            return Optional.empty();
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java has SHA-256", e);
        }
    }

    private static boolean isSendable(String id) {
        if (id.length() < SHORTEST || id.length() > LONGEST) {
            return false;
        }
        for (int i = 0; i < id.length(); i++) {
            if (id.charAt(i) < '!' || id.charAt(i) > '~') {
                return false;
            }
        }
        return true;
    }
}
