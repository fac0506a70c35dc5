package dev.sessiond.client;

import java.nio.file.Path;
import java.util.Objects;
import java.util.function.UnaryOperator;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;

/**
 * How servers with {@code https://} addresses are called over TLS: {@code Tls.DEFAULT.caFile(Path.of("/etc/sessiond/ca.pem"))}.
 *
 * <p>What is left out is taken from the environment variables {@code SESSIOND_CA_FILE}, {@code SESSIOND_CERTIFICATE_FILE},
 * {@code SESSIOND_KEY_FILE} and {@code SESSIOND_SERVER_NAME}. The files are read when the client is made, and again at each new
 * connection: who renews them has nothing to restart. While they can't be used, what they held before is. Whatever is set, a server's certificate must be signed by a CA that is trusted, be in force, and have the server's name.
 */
public final class Tls {
    static final String CA_FILE = "SESSIOND_CA_FILE";
    static final String CERTIFICATE_FILE = "SESSIOND_CERTIFICATE_FILE";
    static final String KEY_FILE = "SESSIOND_KEY_FILE";
    static final String SERVER_NAME = "SESSIOND_SERVER_NAME";

    /** The environment variables, or else the CAs that Java trusts, and no certificate of the client. */
    public static final Tls DEFAULT = new Tls(Files.NONE, "", null, null);

    private final Files files;
    private final String serverName;
    private final SSLContext context;
    private final SSLParameters parameters;

    /** The three files; a path is empty if it is not set. */
    record Files(Path ca, Path certificate, Path key) {
        static final Files NONE = new Files(Path.of(""), Path.of(""), Path.of(""));
    }

    private Tls(Files files, String serverName, SSLContext context, SSLParameters parameters) {
        this.files = files;
        this.serverName = serverName;
        this.context = context;
        this.parameters = parameters;
    }

    /**
     * The certificates, in PEM, that may have signed the server's. No others are trusted.
     *
     * @param file the file; left out or empty, {@code SESSIOND_CA_FILE}, or else the CAs that Java trusts
     * @return these settings, with the file
     */
    public Tls caFile(Path file) {
        return with(new Files(Objects.requireNonNull(file, "file"), files.certificate, files.key));
    }

    /**
     * The client's certificate, in PEM, followed by those between it and its CA; for servers that ask for one.
     *
     * @param file the file; left out or empty, {@code SESSIOND_CERTIFICATE_FILE}, or else none
     * @return these settings, with the file
     */
    public Tls certificateFile(Path file) {
        return with(new Files(files.ca, Objects.requireNonNull(file, "file"), files.key));
    }

    /**
     * The private key of the client's certificate, in PEM, not encrypted.
     *
     * @param file the file; left out or empty, {@code SESSIOND_KEY_FILE}, or else none
     * @return these settings, with the file
     */
    public Tls keyFile(Path file) {
        return with(new Files(files.ca, files.certificate, Objects.requireNonNull(file, "file")));
    }

    private Tls with(Files other) {
        return new Tls(other, serverName, context, parameters);
    }

    /**
     * The name that the server's certificate must have, in place of the host of each address.
     *
     * @param name a host name or an IP address; left out or empty, {@code SESSIOND_SERVER_NAME}, or else the host
     * @return these settings, with the name
     */
    public Tls serverName(String name) {
        return new Tls(files, Objects.requireNonNull(name, "name"), context, parameters);
    }

    /**
     * Certificates and keys in the form of Java, in place of the three files: from a key store or from hardware. The variables of the files are left aside then. The name of the server is verified all the
     * same.
     *
     * @param context the context
     * @return these settings, with the context
     */
    public Tls sslContext(SSLContext context) {
        return new Tls(files, serverName, Objects.requireNonNull(context, "context"), parameters);
    }

    /**
     * The cipher suites and protocols to choose among, with {@link #sslContext}. Of the parameters no others are taken up.
     *
     * @param parameters the parameters; left out, the suites of HTTP/2, and TLS 1.2 and 1.3
     * @return these settings, with the parameters
     */
    public Tls sslParameters(SSLParameters parameters) {
        return new Tls(files, serverName, context, Objects.requireNonNull(parameters, "parameters"));
    }

    Files files() {
        return files;
    }

    String serverName() {
        return serverName;
    }

    /** Certificates and keys in place of the files, or null. */
    SSLContext context() {
        return context;
    }

    SSLParameters parameters() {
        return parameters;
    }

    /** Tells whether the program has set any of these. */
    boolean isSet() {
        return !files.equals(Files.NONE) || !serverName.isEmpty() || context != null || parameters != null;
    }

    /** The settings with what the environment says where nothing is set, judged as far as no file must be read. */
    Tls resolve(UnaryOperator<String> environment) {
        if (context == null && parameters != null) {
            throw new IllegalArgumentException("SSLParameters need an SSLContext");
        }
        if (context != null && !files.equals(Files.NONE)) {
            throw new IllegalArgumentException("an SSLContext stands in the place of the files: set either");
        }
        Files found = context != null
                ? files
                : new Files(
                        resolve(files.ca, environment.apply(CA_FILE)),
                        resolve(files.certificate, environment.apply(CERTIFICATE_FILE)),
                        resolve(files.key, environment.apply(KEY_FILE)));
        if (!isEmpty(found.certificate) && isEmpty(found.key)) {
            throw new IllegalArgumentException("a certificate file needs a key file");
        }
        if (isEmpty(found.certificate) && !isEmpty(found.key)) {
            throw new IllegalArgumentException("a key file needs a certificate file");
        }
        String name = serverName.isEmpty() ? environment.apply(SERVER_NAME) : serverName;
        return new Tls(found, name == null || name.isEmpty() ? "" : checkName(name), context, parameters);
    }

    private static Path resolve(Path file, String environment) {
        return !isEmpty(file) || environment == null ? file : Path.of(environment);
    }

    /** Answers the name as the host of an address: an IPv6 address in brackets. */
    private static String checkName(String name) {
        String host = name.contains(":") && !name.startsWith("[") ? "[" + name + "]" : name;
        if (!Addresses.isHost(host)) {
            throw new IllegalArgumentException(
                    "\"" + name + "\" is not the name of a server: it is a host without a port");
        }
        return host;
    }

    static boolean isEmpty(Path file) {
        return file.toString().isEmpty();
    }

    /** Names the files and the server. */
    @Override
    public String toString() {
        return "Tls[caFile=" + files.ca + ", certificateFile=" + files.certificate + ", keyFile=" + files.key
                + ", serverName=" + serverName + (context == null ? "" : ", an SSLContext") + "]";
    }
}
