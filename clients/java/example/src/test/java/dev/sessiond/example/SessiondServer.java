package dev.sessiond.example;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.awaitility.Awaitility;

/** A real sessiond with a data folder of its own, which it keeps over {@link #kill} and {@link #start}. */
final class SessiondServer implements AutoCloseable {

    private final Path folder;
    private final int port;
    private Process process;

    SessiondServer() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            folder = Files.createTempDirectory("sessiond-test");
            port = socket.getLocalPort();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        start();
    }

    String address() {
        return "127.0.0.1:" + port;
    }

    void start() {
        String binary = System.getenv("SESSIOND_BIN");
        if (binary == null) {
            throw new IllegalStateException("SESSIOND_BIN is not set: it names the sessiond to test with");
        }
        List<String> command = new ArrayList<>(List.of(binary, "serve", "--listen", address()));
        command.addAll(List.of("--data-dir", folder.resolve("data").toString()));
        command.addAll(List.of("--event-attributes", "true", "--sweep-interval", "100ms"));
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

    /** Ends the server by SIGKILL: it has no chance to write anything. */
    void kill() {
        process.destroyForcibly();
        process.onExit().join();
    }

    @Override
    public void close() {
        kill();
        org.springframework.util.FileSystemUtils.deleteRecursively(folder.toFile());
    }
}
