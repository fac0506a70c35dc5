package dev.sessiond.bench;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.springframework.util.FileSystemUtils;

/**
 * A server under measurement, pinned to a core. Both promise the same: what was acknowledged survives the end of the process, and
 * is on disk a second later.
 */
final class Server implements AutoCloseable {

    private final Path folder;
    private final int port;
    private final Process process;

    Server(Store store, String core) throws IOException, InterruptedException {
        folder = Files.createTempDirectory("sessiond-bench");
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = socket.getLocalPort();
        }
        List<String> command = new ArrayList<>(List.of("taskset", "--cpu-list", core));
        if (store == Store.SESSIOND) {
            command.addAll(List.of(
                    System.getenv("SESSIOND_BIN"),
                    "serve",
                    "--listen",
                    "127.0.0.1:" + port,
                    "--data-dir",
                    folder + "/data",
                    "--durability",
                    "interval",
                    "--workers",
                    "1",
                    "--log",
                    "warn"));
        } else {
            command.addAll(List.of(
                    "redis-server",
                    "--port",
                    "" + port,
                    "--bind",
                    "127.0.0.1",
                    "--dir",
                    folder.toString(),
                    "--save",
                    "",
                    "--appendonly",
                    "yes",
                    "--appendfsync",
                    "everysec",
                    "--loglevel",
                    "warning",
                    "--logfile",
                    folder + "/log"));
        }
        process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.INHERIT)
                .start();
        long end = System.nanoTime() + 30_000_000_000L;
        while (!listens()) {
            if (System.nanoTime() > end || !process.isAlive()) {
                throw new IOException("The server of " + store + " did not start");
            }
            Thread.sleep(20);
        }
    }

    private boolean listens() {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            return socket.isConnected();
        } catch (IOException e) {
            return false;
        }
    }

    int port() {
        return port;
    }

    @Override
    public void close() {
        process.destroyForcibly();
        process.onExit().join();
        FileSystemUtils.deleteRecursively(folder.toFile());
    }
}
