package dev.sessiond.spring.session;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** Certificates and keys that are made anew for each test, as the shared script {@code tls/generate} describes them. */
public record TestCertificates(Path folder) {

    public TestCertificates {
        try {
            Process process = new ProcessBuilder("bash", "../../conformance/tls/generate", folder.toString())
                    .inheritIO()
                    .start();
            if (!process.waitFor(60, TimeUnit.SECONDS) || process.exitValue() != 0) {
                throw new IllegalStateException("tls/generate failed");
            }
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** A certificate, such as "ca", or a key, such as "client-key". */
    public Path file(String name) {
        return folder.resolve(name + ".pem");
    }
}
