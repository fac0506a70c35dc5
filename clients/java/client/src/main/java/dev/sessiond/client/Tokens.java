package dev.sessiond.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;

/**
 * The token of a client, which every call carries, and where it comes from. Another token is another object.
 *
 * <p>The file is small and on this machine, so it is read in the thread at hand, which may be the I/O thread.
 */
final class Tokens implements ClientInterceptor {
    static final String TOKEN_FILE = "SESSIOND_TOKEN_FILE";
    static final String TOKEN = "SESSIOND_TOKEN";

    // How long a look at the file holds.
    private static final long LOOK_INTERVAL = TimeUnit.SECONDS.toNanos(2);

    private static final int LONGEST_TOKEN = 256;

    // What is read of a file: a token, and white space around it.
    private static final int FILE_BYTES = 4 << 10;

    // What every token of a sessiond begins with.
    private static final String PREFIX = "sdt_";

    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    // Null if there is no file.
    private final Path file;

    // When the file is due to be looked at, by System.nanoTime.
    private final AtomicLong due = new AtomicLong(System.nanoTime() + LOOK_INTERVAL);

    private volatile Secret present;

    private Tokens(Path file, Secret present) {
        this.file = file;
        this.present = present;
    }

    /**
     * Judges the settings, and reads the file.
     *
     * @param setFile empty if it is not set
     * @param setToken empty if it is not set
     * @param environment holds where nothing is set
     */
    static Tokens load(Path setFile, String setToken, UnaryOperator<String> environment) {
        String file = resolve(setFile.toString(), environment.apply(TOKEN_FILE));
        String token = resolve(setToken, environment.apply(TOKEN));
        if (!file.isEmpty() && !token.isEmpty()) {
            throw new IllegalArgumentException("a token file and a token are both set; use one");
        }
        if (file.startsWith(PREFIX)) {
            // It is not repeated.
            throw new IllegalArgumentException("a token stands where the path of the token file belongs");
        }
        if (!file.isEmpty()) {
            return new Tokens(Path.of(file), Secret.of(read(Path.of(file))));
        }
        if (!token.isEmpty() && !isToken(token)) {
            throw new IllegalArgumentException("the token is none: a token has 1 to " + LONGEST_TOKEN
                    + " printable ASCII characters and no spaces");
        }
        return new Tokens(null, token.isEmpty() ? null : Secret.of(token));
    }

    private static String resolve(String set, String environment) {
        return set.isEmpty() && environment != null ? environment : set;
    }

    /** Reads the token of a file. No error tells what the file holds. */
    private static String read(Path file) {
        String content;
        try (InputStream in = Files.newInputStream(file)) {
            content = new String(in.readNBytes(FILE_BYTES), StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            throw new IllegalArgumentException("the token file " + file + " can't be read: " + e, e);
        }
        int end = content.indexOf('\n');
        String line = (end < 0 ? content : content.substring(0, end)).strip();
        if (!isToken(line)) {
            throw new IllegalArgumentException("the token file " + file + " holds no token: its first line has "
                    + (line.isEmpty() ? "nothing" : "something else") + " in place of 1 to " + LONGEST_TOKEN
                    + " printable ASCII characters without spaces");
        }
        return line;
    }

    private static boolean isToken(String text) {
        return !text.isEmpty() && text.length() <= LONGEST_TOKEN && text.chars().allMatch(c -> c >= '!' && c <= '~');
    }

    /** Tells whether calls carry a token. */
    boolean areSet() {
        return present != null;
    }

    /** The present token, without a look at the file; null if there is none. */
    Secret present() {
        return present;
    }

    /**
     * The present token; null if there is none. The file is read if that is due, by one caller: the others go on with the
     * token that they have.
     */
    Secret look() {
        if (file != null) {
            long now = System.nanoTime();
            long planned = due.get();
            if (now - planned >= 0 && due.compareAndSet(planned, now + LOOK_INTERVAL)) {
                readAgain();
            }
        }
        return present;
    }

    /** Tells whether there is another token now than the one that the server has refused. The file is looked at at once. */
    boolean hasOther(Secret refused) {
        if (file == null) {
            return false;
        }
        if (present == refused) {
            readAgain();
        }
        return present != refused;
    }

    private synchronized void readAgain() {
        try {
            String found = read(file);
            if (!found.equals(present.value())) {
                present = Secret.of(found);
            }
        } catch (IllegalArgumentException e) {
            // While the file can't be used, the token before stays.
        }
    }

    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
        return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
            @Override
            public void start(Listener<A> listener, Metadata headers) {
                headers.put(AUTHORIZATION, "Bearer " + look().value());
                super.start(listener, headers);
            }
        };
    }
}
