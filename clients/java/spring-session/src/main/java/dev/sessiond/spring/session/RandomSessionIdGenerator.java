package dev.sessiond.spring.session;

import java.security.SecureRandom;
import java.util.Base64;
import org.springframework.session.SessionIdGenerator;

/**
 * Makes session IDs of 192 random bits, as the store itself and its clients in other languages do: 32 characters of {@code A-Z}, {@code
 * a-z}, {@code 0-9}, {@code -} and {@code _}. Spring's own IDs are UUIDs, which have 122 random bits.
 */
public final class RandomSessionIdGenerator implements SessionIdGenerator {

    private static final int BYTES = 24;

    private final SecureRandom random = new SecureRandom();

    /** Makes the generator. */
    public RandomSessionIdGenerator() {}

    @Override
    public String generate() {
        byte[] bytes = new byte[BYTES];
        random.nextBytes(bytes);
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }
}
