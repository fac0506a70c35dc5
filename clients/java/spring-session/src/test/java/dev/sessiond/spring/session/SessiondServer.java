package dev.sessiond.spring.session;

import dev.sessiond.client.SessiondClient;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;

/** A real sessiond with a data folder of its own, which it keeps over {@link #kill} and {@link #start}. */
public final class SessiondServer implements AutoCloseable {

    private static final AtomicInteger NAMESPACES = new AtomicInteger();

    private final Path folder;
    private final int port;
    private final @Nullable TestCertificates certificates;
    private final List<String> arguments;
    private Process process;

    public SessiondServer(String... arguments) {
        this(null, List.of(arguments));
    }

    /** A server that asks for TLS and a certificate of the client. */
    public SessiondServer(TestCertificates certificates) {
        this(certificates, List.of());
    }

    private SessiondServer(@Nullable TestCertificates certificates, List<String> arguments) {
        this.certificates = certificates;
        this.arguments = arguments;
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            folder = Files.createTempDirectory("sessiond-test");
            port = socket.getLocalPort();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        start();
    }

    /** The server of all tests that don't stop it. */
    public static SessiondServer shared() {
        return Shared.SERVER;
    }

    private static final class Shared {
        static final SessiondServer SERVER = new SessiondServer();

        static {
            Runtime.getRuntime().addShutdownHook(new Thread(SERVER::close));
        }
    }

    /** A namespace that no other test uses. */
    public static String namespace() {
        return "test-" + ProcessHandle.current().pid() + "-" + NAMESPACES.incrementAndGet();
    }

    public String address() {
        return (certificates == null ? "" : "https://") + "127.0.0.1:" + port;
    }

    /** A client of a namespace of its own, with more patience than a busy machine needs. */
    public SessiondClient client() {
        return SessiondClient.builder()
                .address(address())
                .namespace(namespace())
                .timeout(Duration.ofSeconds(10))
                .build();
    }

    private static String binary() {
        String binary = System.getenv("SESSIOND_BIN");
        if (binary == null) {
            throw new IllegalStateException("SESSIOND_BIN is not set: it names the sessiond to test with");
        }
        return binary;
    }

    /** Runs a command of sessiond, and answers what it prints. */
    public static String run(String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(binary()));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IllegalStateException(command + " failed");
        }
        return said;
    }

    public void start() {
        List<String> command = new ArrayList<>(List.of(binary(), "serve"));
        if (certificates == null) {
            command.addAll(List.of("--listen", address()));
        } else {
            command.addAll(List.of("--listen", "tls://127.0.0.1:" + port, "--tls-certificate"));
            command.addAll(List.of(certificates.file("server").toString(), "--tls-key"));
            command.addAll(List.of(certificates.file("server-key").toString(), "--tls-client-ca"));
            command.add(certificates.file("ca").toString());
        }
        command.addAll(List.of("--data-dir", folder.resolve("data").toString()));
        command.addAll(List.of("--event-attributes", "true", "--sweep-interval", "100ms"));
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(
                        ProcessBuilder.Redirect.appendTo(folder.resolve("log").toFile()));
        builder.environment().keySet().removeIf(name -> name.startsWith("SESSIOND_"));
        try {
            process = builder.start();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        Awaitility.await().atMost(Duration.ofSeconds(30)).until(this::listens);
    }

    private boolean listens() {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            return socket.isConnected();
        } catch (IOException e) {
            return false;
        }
    }

    /** What the server has logged. */
    public String readLog() throws IOException {
        return Files.readString(folder.resolve("log"));
    }

    /** Ends the server by SIGKILL: it has no chance to write anything. */
    public void kill() {
        process.destroyForcibly();
        process.onExit().join();
    }

    @Override
    public void close() {
        kill();
        org.springframework.util.FileSystemUtils.deleteRecursively(folder.toFile());
    }
}
