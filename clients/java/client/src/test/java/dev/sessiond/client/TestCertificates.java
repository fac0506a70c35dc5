package dev.sessiond.client;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** Certificates and keys that are made anew for each run, as the shared script {@code tls/generate} describes them. */
final class TestCertificates {
    private static final Path FOLDER = generate();

    private TestCertificates() {}

    private static Path generate() {
        try {
            Path folder = Files.createTempDirectory("sessiond-certificates");
            Runtime.getRuntime().addShutdownHook(new Thread(() -> delete(folder)));
            run(
                    folder,
                    "bash",
                    SharedFiles.FOLDER.resolve("tls/generate").toAbsolutePath().toString(),
                    folder.toString());
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void delete(Path folder) {
        try (var files = Files.list(folder)) {
            files.forEach(file -> file.toFile().delete());
            Files.delete(folder);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Runs a program, such as openssl, which must succeed. */
    static void run(Path folder, String... command) {
        try {
            Path output = Files.createTempFile("sessiond-certificates", ".log");
            Process process = new ProcessBuilder(command)
                    .directory(folder.toFile())
                    .redirectErrorStream(true)
                    .redirectOutput(output.toFile())
                    .start();
            boolean isDone = process.waitFor(60, TimeUnit.SECONDS);
            String said = Files.readString(output);
            Files.delete(output);
            if (!isDone || process.exitValue() != 0) {
                throw new IllegalStateException(String.join(" ", command) + " failed: " + said);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** A certificate: of a CA ("ca", "other-ca"), a server, or a client. */
    static Path file(String name) {
        return FOLDER.resolve(name + ".pem");
    }

    /** The private key of a certificate. */
    static Path keyFile(String name) {
        return FOLDER.resolve(name + "-key.pem");
    }

    /** Trusts the CA of the servers, and has the client's certificate. */
    static Tls tls() {
        return tls("ca", "client");
    }

    static Tls tls(String ca, String client) {
        return Tls.DEFAULT.caFile(file(ca)).certificateFile(file(client)).keyFile(keyFile(client));
    }

    /** The same CA, without a certificate of the client. */
    static Tls authority() {
        return Tls.DEFAULT.caFile(file("ca"));
    }
}
