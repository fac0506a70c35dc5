package dev.sessiond.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.Map;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The settings of TLS: how they are judged, and where they come from. Most need no server. */
class TlsSettingsTest {
    private static final Path CERTIFICATE = TestCertificates.file("client");
    private static final Path KEY = TestCertificates.keyFile("client");

    @TempDir
    Path folder;

    private static SessiondClient client(String address, Tls tls) {
        return SessiondClient.builder().address(address).tls(tls).build();
    }

    private static void assertTaken(Tls tls) {
        assertThatCode(() -> client("https://store:1", tls).close()).doesNotThrowAnyException();
    }

    private static void assertRefused(Tls tls, String... says) {
        assertThatThrownBy(() -> client("https://store:1", tls))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll(says);
    }

    private Path write(String name, String text) throws Exception {
        return Files.writeString(folder.resolve(name), text);
    }

    @Test
    void certificateAndKeyNeedEachOther() {
        assertRefused(Tls.DEFAULT.certificateFile(CERTIFICATE), "a certificate file needs a key file");
        assertRefused(Tls.DEFAULT.keyFile(KEY), "a key file needs a certificate file");
        assertTaken(Tls.DEFAULT.certificateFile(CERTIFICATE).keyFile(KEY));
    }

    @Test
    void plainAddressesHaveNone() {
        String says = "TLS settings need an https:// address";
        for (String address : new String[] {"store:1", "http://store:1", "unix:/run/sessiond.sock"}) {
            assertThatThrownBy(() -> client(address, TestCertificates.authority()))
                    .hasMessageContaining(says);
            assertThatThrownBy(() -> client(address, Tls.DEFAULT.serverName("store")))
                    .hasMessageContaining(says);
            client(address, Tls.DEFAULT.caFile(Path.of("")).serverName("")).close();
        }
    }

    @Test
    void filesThatCantBeUsed() throws Exception {
        Path empty = write("empty.pem", "");
        Path broken = write("broken.pem", Files.readString(CERTIFICATE).replaceAll("(?m)^MII", "AAA"));
        Path encrypted = folder.resolve("encrypted.pem");
        TestCertificates.run(
                folder,
                "openssl",
                "pkcs8",
                "-topk8",
                "-in",
                KEY.toString(),
                "-out",
                "encrypted.pem",
                "-passout",
                "pass:a");
        for (Path wrong : new Path[] {folder.resolve("missing.pem"), folder, empty, broken, KEY}) {
            assertRefused(Tls.DEFAULT.caFile(wrong), "the CA file", wrong.toString());
            assertRefused(Tls.DEFAULT.certificateFile(wrong).keyFile(KEY), "the certificate file", wrong.toString());
        }
        for (Path wrong : new Path[] {folder.resolve("missing.pem"), folder, empty, encrypted, CERTIFICATE}) {
            assertRefused(Tls.DEFAULT.certificateFile(CERTIFICATE).keyFile(wrong), "the key file", wrong.toString());
        }
    }

    @Test
    void textInPlaceOfItsFile() throws Exception {
        String says = "the text of a PEM file stands where its path belongs";
        Path text = Path.of(Files.readString(KEY));
        assertRefused(Tls.DEFAULT.certificateFile(CERTIFICATE).keyFile(text), says);
        assertRefused(Tls.DEFAULT.caFile(text), says);
    }

    @Test
    void keyOfAnotherCertificate() throws Exception {
        Tls tls = Tls.DEFAULT.certificateFile(CERTIFICATE);
        assertRefused(
                tls.keyFile(TestCertificates.keyFile("server")),
                "the key file",
                TestCertificates.keyFile("server").toString(),
                "the private key of another certificate");
        Path rsa = selfSigned("rsa", "rsa:2048");
        assertRefused(tls.keyFile(key("rsa")), "the key file", "EC");
        assertRefused(Tls.DEFAULT.certificateFile(rsa).keyFile(KEY), "the key file", "RSA");
        Path other = selfSigned("other", "rsa:2048");
        assertRefused(Tls.DEFAULT.certificateFile(rsa).keyFile(key("other")), "the private key of another certificate");
        assertTaken(Tls.DEFAULT.certificateFile(other).keyFile(key("other")));
    }

    private Path key(String name) {
        return folder.resolve(name + "-key.pem");
    }

    private Path selfSigned(String name, String kind) {
        TestCertificates.run(
                folder,
                "openssl",
                "req",
                "-x509",
                "-newkey",
                kind,
                "-nodes",
                "-subj",
                "/CN=" + name,
                "-keyout",
                key(name).toString(),
                "-out",
                name + ".pem");
        return folder.resolve(name + ".pem");
    }

    /** Keys also come in the forms of before PKCS#8: cert-manager writes them, and so did OpenSSL. */
    @Test
    void formsOfKeys() throws Exception {
        Path rsa = selfSigned("rsa", "rsa:2048");
        TestCertificates.run(
                folder, "openssl", "rsa", "-traditional", "-in", key("rsa").toString(), "-out", "rsa-1.pem");
        assertThat(folder.resolve("rsa-1.pem")).content().contains("BEGIN RSA PRIVATE KEY");
        assertTaken(Tls.DEFAULT.certificateFile(rsa).keyFile(folder.resolve("rsa-1.pem")));

        TestCertificates.run(folder, "openssl", "ec", "-in", KEY.toString(), "-out", "ec.pem");
        assertThat(folder.resolve("ec.pem")).content().contains("BEGIN EC PRIVATE KEY");
        assertTaken(Tls.DEFAULT.certificateFile(CERTIFICATE).keyFile(folder.resolve("ec.pem")));

        Path both = write("both.pem", "Bag\n" + Files.readString(KEY) + Files.readString(CERTIFICATE));
        assertTaken(Tls.DEFAULT.certificateFile(both).keyFile(both));

        assertTaken(Tls.DEFAULT.certificateFile(selfSigned("ed", "ed25519")).keyFile(key("ed")));
        selfSigned("ed-2", "ed25519");
        assertRefused(
                Tls.DEFAULT.certificateFile(folder.resolve("ed.pem")).keyFile(key("ed-2")), "another certificate");
    }

    @Test
    void nothingOfAKeyIsShown() throws Exception {
        String body = Files.readString(KEY).lines().toList().get(1);
        Path broken = write("broken-key.pem", Files.readString(KEY).replaceFirst("(?m)^MI", "AA"));
        Tls tls = Tls.DEFAULT.certificateFile(CERTIFICATE);
        for (Path file : new Path[] {broken, TestCertificates.keyFile("server")}) {
            Throwable error = catchThrowable(() -> client("https://store:1", tls.keyFile(file)));
            assertThat(error).hasMessageContaining(file.toString()).hasNoCause();
            assertThat(error.toString()).doesNotContain(body.substring(2, 10));
        }
        assertThat(tls.keyFile(KEY).toString()).contains(KEY.toString()).doesNotContain(body.substring(2, 10));
    }

    @Test
    void theEnvironmentHoldsWhereNothingIsSet() {
        Map<String, String> environment = Map.of(
                Tls.CA_FILE, "ca.pem", Tls.CERTIFICATE_FILE, "c.pem", Tls.KEY_FILE, "k.pem", Tls.SERVER_NAME, "store");
        Tls found = Tls.DEFAULT.keyFile(Path.of("own.pem")).resolve(environment::get);
        assertThat(found.files()).isEqualTo(new Tls.Files(Path.of("ca.pem"), Path.of("c.pem"), Path.of("own.pem")));
        assertThat(found.serverName()).isEqualTo("store");
        assertThat(Tls.DEFAULT.serverName("other").resolve(environment::get).serverName())
                .isEqualTo("other");
        assertThat(Tls.DEFAULT.resolve(name -> "").files()).isEqualTo(Tls.Files.NONE);
        assertThatThrownBy(() -> Tls.DEFAULT.resolve(Map.of(Tls.KEY_FILE, "k.pem")::get))
                .hasMessageContaining("a key file needs a certificate file");
    }

    @ParameterizedTest
    @CsvSource({"store:1", "https://store", "sto re", "[store]", "fe80::1%eth0"})
    void namesThatAreNone(String name) {
        assertRefused(Tls.DEFAULT.serverName(name), "is not the name of a server", name);
    }

    private static KeyStore store() throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        store.setCertificateEntry("ca", factory.generateCertificate(Files.newInputStream(TestCertificates.file("ca"))));
        X509Certificate certificate = (X509Certificate) factory.generateCertificate(Files.newInputStream(CERTIFICATE));
        store.setKeyEntry(
                "client", new Pem("key", KEY).key(certificate.getPublicKey()), new char[0], new X509Certificate[] {
                    certificate
                });
        return store;
    }

    private static SSLContext context(TrustManager... trust) throws Exception {
        KeyStore store = store();
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, new char[0]);
        TrustManagerFactory authorities = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        authorities.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.length > 0 ? trust : authorities.getTrustManagers(), null);
        return context;
    }

    /** A manager of trust that asks for nothing. */
    private static final class Careless implements X509TrustManager {
        @Override
        public void checkClientTrusted(X509Certificate[] chain, String authType) {}

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String authType) {}

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }

    @Test
    void contextInPlaceOfTheFiles() throws Exception {
        assertRefused(TestCertificates.authority().sslContext(context()), "set either");
        assertRefused(Tls.DEFAULT.sslParameters(new SSLParameters()), "need an SSLContext");
        SSLParameters parameters = new SSLParameters();
        parameters.setProtocols(new String[] {"TLSv1.2"});
        try (TestServer server = TestServer.createTls(
                "127.0.0.1",
                "server",
                "--tls-client-ca",
                TestCertificates.file("ca").toString())) {
            for (Tls tls : new Tls[] {
                Tls.DEFAULT.sslContext(context()),
                Tls.DEFAULT.sslContext(context()).serverName("sessiond.test").sslParameters(parameters)
            }) {
                try (SessiondClient client = server.client().tls(tls).build()) {
                    assertThat(client.create().session().version()).isEqualTo(1);
                }
            }
            try (SessiondClient client = server.client()
                    .tls(Tls.DEFAULT.sslContext(context(new Careless())).serverName("other.test"))
                    .build()) {
                assertThatThrownBy(client::create)
                        .isInstanceOf(SessiondUnavailableException.class)
                        .hasMessageContainingAll("the server's certificate was refused", "other.test");
            }
        }
    }

    @Test
    void keysOfOtherFormsServe() throws Exception {
        TestCertificates.run(folder, "openssl", "ec", "-in", KEY.toString(), "-out", "ec.pem");
        try (TestServer server = TestServer.createTls(
                        "127.0.0.1",
                        "server",
                        "--tls-client-ca",
                        TestCertificates.file("ca").toString());
                SessiondClient client = server.client()
                        .tls(TestCertificates.tls().keyFile(folder.resolve("ec.pem")))
                        .build()) {
            assertThat(client.create().session().version()).isEqualTo(1);
        }
    }
}
