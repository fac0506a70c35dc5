package dev.sessiond.client;

import static java.nio.file.StandardCopyOption.COPY_ATTRIBUTES;
import static java.nio.file.StandardCopyOption.REPLACE_EXISTING;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Status;
import io.grpc.TlsServerCredentials;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Calls over TLS, against a real server. */
class TlsTest {
    private static final String HOST = "127.0.0.1";

    // The certificates are not for this one.
    private static final String OTHER_HOST = "127.0.0.2";

    private static void assertRefused(SessiondClient.Builder builder, String... says) {
        for (boolean fastLane : new boolean[] {true, false}) {
            try (SessiondClient client = builder.fastLane(fastLane).build()) {
                assertThatThrownBy(client::create)
                        .isInstanceOf(SessiondUnavailableException.class)
                        .hasMessageContainingAll(says);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void callsAndEvents(boolean fastLane) {
        try (TestServer server = TestServer.createTls(HOST, "server");
                SessiondClient client = server.client()
                        .tls(TestCertificates.authority())
                        .fastLane(fastLane)
                        .build();
                EventStream events = client.watch(WatchOptions.DEFAULT)) {
            assertThat(events.poll(Duration.ofMillis(200))).isEmpty();
            byte[] large = new byte[200_000];
            String id = client.create(session -> session.attribute("large", large))
                    .id()
                    .value();
            assertThat(events.next().kind()).isEqualTo(EventKind.CREATED);
            Threads.run(8, n -> {
                for (int i = 0; i < 20; i++) {
                    assertThat(client.get(id).attribute("large")).isEqualTo(large);
                    client.touch(id);
                }
            });
            assertThat(client.count()).isEqualTo(1);
            assertThat(client.toString()).contains(server.address()).contains("https://");
        }
    }

    @Test
    void severalAddresses() {
        try (TestServer first = TestServer.createTls(HOST, "server");
                TestServer second = TestServer.createTls(HOST, "renewed");
                SessiondClient client = first.client()
                        .address("https://127.0.0.1:" + TestServer.freePort() + "," + first.address() + ", "
                                + second.address().replace(HOST, "localhost") + "/")
                        .build();
                SessiondClient toSecond = second.client().build()) {
            String id = client.create().id().value();
            assertThat(client.get(id).version()).isEqualTo(1);
            first.kill();
            Await.until(() -> {
                try {
                    client.get(id);
                    return false;
                } catch (SessionNotFoundException e) {
                    return true;
                } catch (SessiondUnavailableException e) {
                    return false;
                }
            });
            assertThat(toSecond.statistics().created()).isZero();
            assertThat(client.create().session().version()).isEqualTo(1);
        }
    }

    /** Each address has its own name; one whose certificate has another is passed over. */
    @Test
    void certificateOfTheFirstAddressIsRefused() {
        try (TestServer other = TestServer.createTls(OTHER_HOST, "server");
                TestServer server = TestServer.createTls(HOST, "server");
                SessiondClient client = server.client()
                        .address(other.address() + "," + server.address())
                        .build();
                SessiondClient toServer = server.client().build()) {
            assertThat(client.create().session().version()).isEqualTo(1);
            assertThat(toServer.statistics().created()).isEqualTo(1);
            // Of an address that nobody listens at gRPC would only tell that.
            assertRefused(
                    server.client().address(other.address() + ",https://127.0.0.1:" + TestServer.freePort()),
                    "the server's certificate was refused");
        }
    }

    @Test
    void authorities() {
        try (TestServer server = TestServer.createTls(HOST, "server")) {
            assertRefused(
                    server.client().tls(TestCertificates.tls("other-ca", "client")),
                    "the server's certificate was refused");
            // The system's.
            assertRefused(server.client().tls(Tls.DEFAULT), "the server's certificate was refused");
            // A certificate that is trusted by itself.
            try (SessiondClient client = server.client()
                    .tls(Tls.DEFAULT.caFile(TestCertificates.file("server")))
                    .build()) {
                assertThat(client.create().session().version()).isEqualTo(1);
            }
        }
    }

    /** A sessiond would not start with it. */
    @Test
    void expiredCertificate() throws Exception {
        try (ScriptedServer server = new ScriptedServer(
                (message, replies) -> {},
                TlsServerCredentials.create(
                        TestCertificates.file("expired").toFile(),
                        TestCertificates.keyFile("expired").toFile()))) {
            // Also if it is trusted by itself.
            for (String authority : new String[] {"ca", "expired"}) {
                assertRefused(
                        SessiondClient.builder()
                                .address("https://" + server.address())
                                .tls(Tls.DEFAULT.caFile(TestCertificates.file(authority)))
                                .timeout(Duration.ofSeconds(10)),
                        "the server's certificate was refused",
                        "2021");
            }
        }
    }

    @Test
    void names() {
        try (TestServer server = TestServer.createTls(OTHER_HOST, "server")) {
            Tls tls = TestCertificates.authority();
            assertRefused(server.client().tls(tls), "the server's certificate was refused", OTHER_HOST);
            assertRefused(
                    server.client().tls(tls.serverName("other.test")),
                    "the server's certificate was refused",
                    "other.test");
            for (String name : new String[] {"sessiond.test", "SESSIOND.test.", "localhost", HOST, "::1", "[::1]"}) {
                try (SessiondClient client =
                        server.client().tls(tls.serverName(name)).build()) {
                    assertThat(client.create().session().version()).as(name).isEqualTo(1);
                }
            }
        }
    }

    @Test
    void ipv6() {
        assumeTrue(hasIpv6(), "this machine has no IPv6");
        try (TestServer server = TestServer.createTls("[::1]", "server");
                SessiondClient client = server.client().build()) {
            assertThat(client.create().session().version()).isEqualTo(1);
        }
    }

    private static boolean hasIpv6() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName("::1"))) {
            return socket.isBound();
        } catch (IOException e) {
            return false;
        }
    }

    @Test
    void certificateOfTheClient() {
        try (TestServer server = TestServer.createTls(
                HOST, "server", "--tls-client-ca", TestCertificates.file("ca").toString())) {
            try (SessiondClient client = server.client().build()) {
                assertThat(client.create().session().version()).isEqualTo(1);
            }
            assertRefused(server.client().tls(TestCertificates.authority()), "certificate");
            assertRefused(server.client().tls(TestCertificates.tls("ca", "stranger")), "certificate");
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void serverWithAnotherCertificate(boolean fastLane, @TempDir Path folder) throws Exception {
        Path certificate = Files.copy(TestCertificates.file("server"), folder.resolve("server.pem"), COPY_ATTRIBUTES);
        Path key = Files.copy(TestCertificates.keyFile("server"), folder.resolve("server-key.pem"), COPY_ATTRIBUTES);
        try (TestServer server = TestServer.createAt(
                        "tls://127.0.0.1:" + TestServer.freePort(),
                        "--tls-certificate",
                        certificate.toString(),
                        "--tls-key",
                        key.toString());
                SessiondClient client = server.client().fastLane(fastLane).build()) {
            String id = client.create().id().value();
            server.kill();
            assertThatThrownBy(() -> client.withTimeout(Duration.ofSeconds(1)).touch(id))
                    .isInstanceOf(SessiondException.class);
            Files.copy(TestCertificates.file("renewed"), certificate, REPLACE_EXISTING, COPY_ATTRIBUTES);
            Files.copy(TestCertificates.keyFile("renewed"), key, REPLACE_EXISTING, COPY_ATTRIBUTES);
            server.start();
            Await.until(() -> {
                try {
                    return client.get(id).version() == 1;
                } catch (SessiondUnavailableException e) {
                    return false;
                }
            });
        }
    }

    /** Files are replaced, and taken at the next connection; what can't be used changes nothing. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void clientWhoseFilesAreReplaced(boolean fastLane, @TempDir Path folder) throws Exception {
        Path ca = folder.resolve("ca.pem");
        Path certificate = folder.resolve("client.pem");
        Path key = folder.resolve("client-key.pem");
        replace("other-ca", ca);
        replace("stranger", certificate);
        replace("stranger-key", key);
        try (TestServer server = TestServer.createTls(
                        HOST,
                        "server",
                        "--tls-client-ca",
                        TestCertificates.file("ca").toString());
                SessiondClient client = server.client()
                        .tls(Tls.DEFAULT.caFile(ca).certificateFile(certificate).keyFile(key))
                        .fastLane(fastLane)
                        .build()) {
            assertThatThrownBy(client::create).hasMessageContaining("the server's certificate was refused");
            replace("ca", ca);
            Await.until(() -> says(client, "certificate") && !says(client, "the server's certificate was refused"));
            // While the key is another's, the pair before stays.
            replace("client", certificate);
            assertThatThrownBy(client::create).hasMessageContaining("certificate");
            replace("client-key", key);
            Await.until(() -> says(client, ""));

            for (String name : new String[] {"stranger", "stranger-key", null}) {
                if (name == null) {
                    Files.delete(key);
                    Files.writeString(certificate, "half a certificate");
                    Files.writeString(ca, "");
                } else {
                    replace(name, certificate);
                }
                server.kill();
                server.start();
                Await.until(() -> says(client, ""));
            }
            replace("stranger", certificate);
            replace("stranger-key", key);
            // The connection that is open goes on.
            assertThat(client.create().session().version()).isEqualTo(1);
            server.kill();
            server.start();
            Await.until(() -> says(client, "certificate"));
            replace("other-ca", ca);
            Await.until(() -> says(client, "the server's certificate was refused"));
        }
    }

    private static void replace(String name, Path file) throws IOException {
        Files.copy(TestCertificates.file(name), file, REPLACE_EXISTING);
    }

    /** Whether a call fails with these words, or, without words, succeeds. */
    private static boolean says(SessiondClient client, String words) {
        try {
            client.create();
            return words.isEmpty();
        } catch (SessiondUnavailableException e) {
            return !words.isEmpty() && e.getMessage().contains(words);
        }
    }

    @Test
    void plainClientAtAPortOfTls() {
        try (TestServer server = TestServer.createTls(HOST, "server")) {
            String address = server.address().substring("https://".length());
            for (boolean fastLane : new boolean[] {true, false}) {
                try (SessiondClient client = SessiondClient.builder()
                        .address(address)
                        .fastLane(fastLane)
                        .timeout(Duration.ofSeconds(10))
                        .build()) {
                    assertThatThrownBy(client::create)
                            .isExactlyInstanceOf(SessiondException.class)
                            .hasMessage("this port takes TLS only; write https:// before the address")
                            .isInstanceOfSatisfying(
                                    SessiondException.class,
                                    e -> assertThat(e.code()).isEqualTo(Status.Code.FAILED_PRECONDITION));
                }
            }
        }
    }

    @Test
    void clientOfTlsAtAPlainPort() {
        assertRefused(
                SessiondClient.builder()
                        .address("https://" + TestServer.shared().address())
                        .tls(TestCertificates.tls())
                        .timeout(Duration.ofSeconds(10)),
                "this port takes no TLS; write the address without https://");
    }

    /** The address of a name is looked up, and none of those found need be the one that listens. */
    @ParameterizedTest
    @CsvSource({"localhost, other-ca, the server's certificate was refused", "localhost, ca, ''"})
    void localhost(String host, String ca, String says) {
        try (TestServer server = TestServer.createTls(HOST, "server")) {
            SessiondClient.Builder builder = server.client()
                    .address(server.address().replace(HOST, host))
                    .tls(Tls.DEFAULT.caFile(TestCertificates.file(ca)));
            if (says.isEmpty()) {
                try (SessiondClient client = builder.build()) {
                    assertThat(client.create().session().version()).isEqualTo(1);
                }
            } else {
                assertRefused(builder, says);
            }
        }
    }
}
