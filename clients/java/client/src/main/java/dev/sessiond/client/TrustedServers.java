package dev.sessiond.client;

import java.net.Socket;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.List;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;

/**
 * Verifies servers by the certificates of a CA file, as it is at each handshake; while it can't be used, as it was before. Java
 * takes a server's certificate that stands in the file itself even if its time is over; this does not.
 */
final class TrustedServers extends X509ExtendedTrustManager {
    private final Path file;
    private String text;
    private volatile X509ExtendedTrustManager java;

    TrustedServers(Path file) throws GeneralSecurityException {
        this.file = file;
        read();
    }

    private synchronized void read() throws GeneralSecurityException {
        Pem found = new Pem("CA", file);
        if (!found.text().equals(text)) {
            java = manager(found.certificates());
            text = found.text();
        }
    }

    private static X509ExtendedTrustManager manager(List<X509Certificate> authorities) throws GeneralSecurityException {
        KeyStore store = ClientKey.emptyStore();
        for (int i = 0; i < authorities.size(); i++) {
            store.setCertificateEntry("ca-" + i, authorities.get(i));
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(store);
        return (X509ExtendedTrustManager) factory.getTrustManagers()[0];
    }

    private X509ExtendedTrustManager present() {
        try {
            read();
        } catch (IllegalArgumentException | GeneralSecurityException e) {
            // What the file held before stays.
        }
        return java;
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
            throws CertificateException {
        present().checkServerTrusted(chain, authType, engine);
        chain[0].checkValidity();
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, Socket socket)
            throws CertificateException {
        present().checkServerTrusted(chain, authType, socket);
        chain[0].checkValidity();
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType) throws CertificateException {
        throw new CertificateException("the name of a server can't be verified without its connection");
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
            throws CertificateException {
        throw noClients();
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, Socket socket)
            throws CertificateException {
        throw noClients();
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType) throws CertificateException {
        throw noClients();
    }

    private static CertificateException noClients() {
        return new CertificateException("these certificates are for servers");
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
        return java.getAcceptedIssuers();
    }
}
