package dev.sessiond.spring.session;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Where an application keeps how far it has seen the events of the store. With a store that outlives the application, the events
 * that happened while it was down arrive when it is up again.
 */
public interface ResumeTokenStore {

    /**
     * Reads the token that was written last.
     *
     * @return the token; empty if there is none
     */
    String read();

    /**
     * Keeps a token in place of the one before. It is called after each event was published, by one thread.
     *
     * @param token ASCII, at most 1,024 bytes
     */
    void write(String token);

    /**
     * Keeps the token as long as the application runs.
     *
     * @return a store
     */
    static ResumeTokenStore inMemory() {
        AtomicReference<String> token = new AtomicReference<>("");
        return new ResumeTokenStore() {
            @Override
            public String read() {
                return token.get();
            }

            @Override
            public void write(String newer) {
                token.set(newer);
            }
        };
    }

    /**
     * Keeps the token in a file. Each application, and each instance of it, needs its own.
     *
     * @param file the file; it is made if it is not there, its folder is not
     * @return a store, whose methods throw {@link IllegalStateException} if the file can't be read or written
     */
    static ResumeTokenStore inFile(Path file) {
        return new ResumeTokenStore() {
            @Override
            public String read() {
                try {
                    return Files.exists(file)
                            ? Files.readString(file, StandardCharsets.US_ASCII).strip()
                            : "";
                } catch (IOException e) {
                    throw new IllegalStateException("The resume token can't be read from " + file, e);
                }
            }

            @Override
            public void write(String newer) {
                Path whole = file.resolveSibling(file.getFileName() + ".new");
                try {
                    Files.writeString(whole, newer, StandardCharsets.US_ASCII);
                    Files.move(whole, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
                } catch (IOException e) {
                    throw new IllegalStateException("The resume token can't be written to " + file, e);
                }
            }
        };
    }
}
