package dev.sessiond.client;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs the program of the README. */
class ReadmeTest {
    private static final Pattern PROGRAM = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);

    @TempDir
    Path folder;

    @Test
    void quickStart() throws Exception {
        run(Map.of("SESSIOND_ADDR", TestServer.shared().address()));
    }

    /** The variables say all of TLS. */
    @Test
    void quickStartOverTls() throws Exception {
        // The certificate is not for 127.0.0.2, but has the name.
        try (TestServer server = TestServer.createTls(
                "127.0.0.2",
                "server",
                "--tls-client-ca",
                TestCertificates.file("ca").toString())) {
            run(Map.of(
                    "SESSIOND_ADDR", server.address(),
                    "SESSIOND_CA_FILE", TestCertificates.file("ca").toString(),
                    "SESSIOND_CERTIFICATE_FILE", TestCertificates.file("client").toString(),
                    "SESSIOND_KEY_FILE", TestCertificates.keyFile("client").toString(),
                    "SESSIOND_SERVER_NAME", "sessiond.test"));
        }
    }

    /** Beside a plain address they are left aside. */
    @Test
    void quickStartWithVariablesOfTlsThatDoNotMatter() throws Exception {
        run(Map.of("SESSIOND_ADDR", TestServer.shared().address(), "SESSIOND_CA_FILE", "missing.pem"));
    }

    private void run(Map<String, String> environment) throws Exception {
        Matcher program = PROGRAM.matcher(Files.readString(Path.of("../README.md")));
        assertThat(program.find()).isTrue();
        // The first call of a new JVM takes more than a second where all processors are busy.
        String patient =
                program.group(1).replace(".fromEnvironment()", ".builder().timeout(Duration.ofMinutes(1)).build()");
        Path source = Files.writeString(folder.resolve("QuickStart.java"), patient);
        Path output = folder.resolve("output");
        ProcessBuilder java = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        source.toString())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile());
        java.environment().putAll(environment);
        Process process = java.start();
        assertThat(process.waitFor(120, TimeUnit.SECONDS)).isTrue();
        assertThat(Files.readString(output, StandardCharsets.UTF_8))
                .isEqualTo("dark 1\nit has version 2\nuser-42\ntrue\n");
    }
}
