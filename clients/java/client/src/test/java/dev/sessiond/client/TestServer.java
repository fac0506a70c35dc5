package dev.sessiond.client;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/** A real sessiond with a data folder of its own, which it keeps over {@link #kill} and {@link #start}. */
final class TestServer implements AutoCloseable {
    private static final Duration START_LIMIT = Duration.ofSeconds(30);
    private static final AtomicInteger NAMESPACES = new AtomicInteger();

    private final String listen;
    private final String address;
    private final Tls tls;
    private final Path folder;
    private final List<String> arguments;
    private Process process;

    private TestServer(String listen, Path folder, List<String> arguments) {
        this.listen = listen;
        address = listen.replace("tls://", "https://");
        tls = address.equals(listen) ? Tls.DEFAULT : TestCertificates.tls();
        this.folder = folder;
        this.arguments = arguments;
    }

    /** The server of all tests that don't stop it. */
    static TestServer shared() {
        return Shared.SERVER;
    }

    private static final class Shared {
        static final TestServer SERVER = create("--event-attributes", "true", "--sweep-interval", "100ms");

        static {
            Runtime.getRuntime().addShutdownHook(new Thread(SERVER::close));
        }
    }

    /** A namespace that no other test uses. */
    static String namespace() {
        return "test-" + ProcessHandle.current().pid() + "-" + NAMESPACES.incrementAndGet();
    }

    /** Starts a server on a free port. */
    static TestServer create(String... arguments) {
        return createAt("127.0.0.1:" + freePort(), arguments);
    }

    /** Starts a server with TLS on a free port, with a certificate and a key of {@link TestCertificates}. */
    static TestServer createTls(String host, String certificate, String... arguments) {
        List<String> all = new ArrayList<>(List.of(
                "--tls-certificate",
                TestCertificates.file(certificate).toString(),
                "--tls-key",
                TestCertificates.keyFile(certificate).toString()));
        all.addAll(List.of(arguments));
        return createAt("tls://" + host + ":" + freePort(), all.toArray(String[]::new));
    }

    /** Starts a server that listens at an address. */
    static TestServer createAt(String listen, String... arguments) {
        try {
            TestServer server = new TestServer(listen, Files.createTempDirectory("sessiond-test"), List.of(arguments));
            server.start();
            return server;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static int freePort() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    String address() {
        return address;
    }

    /** A client of this server with a namespace of its own, and more patience than a busy machine needs. */
    SessiondClient.Builder client() {
        return SessiondClient.builder()
                .address(address)
                .tls(tls)
                .namespace(namespace())
                .timeout(Duration.ofSeconds(10));
    }

    /** Starts the server, or starts it again. */
    void start() throws IOException {
        String binary = System.getenv("SESSIOND_BIN");
        if (binary == null) {
            throw new IllegalStateException("SESSIOND_BIN is not set: it names the sessiond to test with");
        }
        List<String> command = new ArrayList<>(List.of(
                binary,
                "serve",
                "--listen",
                listen,
                "--data-dir",
                folder.resolve("data").toString()));
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log().toFile()));
        // Settings of the surrounding shell must not reach the server under test.
        builder.environment().keySet().removeIf(name -> name.startsWith("SESSIOND_"));
        process = builder.start();
        awaitAnswer();
    }

    private void awaitAnswer() throws IOException {
        try (SessiondClient client = SessiondClient.builder()
                .address(address)
                .tls(tls)
                .fastLane(false)
                .retry(Retry.NONE)
                .build()) {
            Await.until(START_LIMIT, () -> {
                if (!process.isAlive()) {
                    throw new IllegalStateException("sessiond ended by itself; see " + log());
                }
                try {
                    client.get("no-such-session-0");
                    return true;
                } catch (SessiondException e) {
                    // One whose certificate is refused answers no call, as its test wants it.
                    // One with access rules does not know this caller.
                    return e.reason() == Reason.SESSION_NOT_FOUND
                            || e.reason() == Reason.UNAUTHENTICATED
                            || e.getMessage().contains("certificate");
                }
            });
        }
    }

    private Path log() {
        return folder.resolve("log");
    }

    /** What the server has logged. */
    String readLog() throws IOException {
        return Files.readString(log());
    }

    /** Ends the server by SIGKILL: it has no chance to write anything. */
    void kill() {
        process.destroyForcibly();
        process.onExit().join();
    }

    /** Lets the server hang: connections stay open, nothing is answered. */
    void pause() throws Exception {
        signal("STOP");
        // A thread may still answer until every one of them has stopped.
        Await.until(START_LIMIT, this::isStopped);
    }

    private boolean isStopped() {
        try (Stream<Path> threads = Files.list(Path.of("/proc", "" + process.pid(), "task"))) {
            return threads.allMatch(TestServer::isStopped);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static boolean isStopped(Path thread) {
        try {
            // The state follows the name, which is in parentheses.
            String state = Files.readString(thread.resolve("stat"));
            return state.substring(state.lastIndexOf(") ") + 2).startsWith("T");
        } catch (IOException e) {
            return true;
        }
    }

    /** Lets the server look at its files of access. */
    void reload() throws Exception {
        signal("HUP");
    }

    /** Ends a pause. */
    void resume() throws Exception {
        signal("CONT");
    }

    private void signal(String name) throws Exception {
        Process kill = new ProcessBuilder("kill", "-" + name, "" + process.pid()).start();
        if (!kill.waitFor(10, TimeUnit.SECONDS) || kill.exitValue() != 0) {
            throw new IllegalStateException("the signal " + name + " could not be sent");
        }
    }

    @Override
    public void close() {
        kill();
        try (Stream<Path> files = Files.walk(folder)) {
            files.sorted(Comparator.reverseOrder())
                    .forEach(file -> file.toFile().delete());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
