package dev.sessiond.client;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** A real server with access rules, in which a caller named shop may do some things. */
final class TestAccess implements AutoCloseable {
    private final Path folder;
    private final String firstToken;
    private final TestServer server;

    TestAccess() {
        try {
            folder = Files.createTempDirectory("sessiond-access");
            Files.writeString(rules(), """
                    [caller.shop]
                    allow = [{ namespaces = ["shop"], may = ["application"] }]
                    """);
            firstToken = create();
            server = TestServer.create("--access-file", rules().toString(), "--access-tokens", tokens().toString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Path rules() {
        return folder.resolve("access.toml");
    }

    private Path tokens() {
        return folder.resolve("tokens");
    }

    /** A token of shop that the server knew when it started. */
    String firstToken() {
        return firstToken;
    }

    /** A client in the namespace of shop, without a token. */
    SessiondClient.Builder client() {
        return SessiondClient.builder()
                .address(server.address())
                .namespace("shop")
                .timeout(Duration.ofSeconds(20));
    }

    private String create() {
        return run("create", "shop").strip();
    }

    private String run(String command, String argument) {
        try {
            Process process = new ProcessBuilder(
                            System.getenv("SESSIOND_BIN"),
                            "token",
                            command,
                            "--access-tokens",
                            tokens().toString(),
                            argument)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (!process.waitFor(60, TimeUnit.SECONDS) || process.exitValue() != 0) {
                throw new IllegalStateException("sessiond token " + command + " failed");
            }
            return said;
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Makes another token of shop, which the server knows. */
    String renew() throws Exception {
        String token = create();
        server.reload();
        awaitReason(token, Reason.SESSION_NOT_FOUND);
        return token;
    }

    /** Ends a token. */
    void revoke(String token) throws Exception {
        run("revoke", token.split("_")[1]);
        server.reload();
        awaitReason(token, Reason.UNAUTHENTICATED);
    }

    private void awaitReason(String token, Reason reason) {
        try (SessiondClient probe = client().token(token).fastLane(false).build()) {
            Await.until(() -> {
                try {
                    probe.touch("no-such-session-0");
                    return false;
                } catch (SessiondException e) {
                    return e.reason() == reason;
                }
            });
        }
    }

    @Override
    public void close() {
        server.close();
        try (Stream<Path> files = Files.walk(folder)) {
            files.sorted(Comparator.reverseOrder())
                    .forEach(file -> file.toFile().delete());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
