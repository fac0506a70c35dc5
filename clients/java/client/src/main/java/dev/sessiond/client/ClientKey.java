package dev.sessiond.client;

import java.io.IOException;
import java.net.Socket;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedKeyManager;

/**
 * The client's own certificate and key, as two files have them at each handshake. While they can't be used, what they held
 * before is: one may be replaced a moment after the other.
 *
 * <p>TLS chooses an alias first, and then asks for what it stands for. The I/O thread of a client makes one handshake after the
 * other, so that the files are read again for each choice and not in between.
 */
final class ClientKey extends X509ExtendedKeyManager {
    // Nothing is written anywhere: the store is only a way to hand the key over.
    private static final char[] NO_PASSWORD = {};

    private final Path certificateFile;
    private final Path keyFile;
    private String text;
    private volatile X509ExtendedKeyManager java;

    ClientKey(Path certificateFile, Path keyFile) throws GeneralSecurityException {
        this.certificateFile = certificateFile;
        this.keyFile = keyFile;
        read();
    }

    private synchronized void read() throws GeneralSecurityException {
        Pem certificate = new Pem("certificate", certificateFile);
        Pem key = new Pem("key", keyFile);
        String found = certificate.text() + key.text();
        if (!found.equals(text)) {
            List<X509Certificate> chain = certificate.certificates();
            java = manager(chain, key.key(chain.get(0).getPublicKey()));
            text = found;
        }
    }

    private static X509ExtendedKeyManager manager(List<X509Certificate> chain, PrivateKey key)
            throws GeneralSecurityException {
        KeyStore store = emptyStore();
        store.setKeyEntry("sessiond", key, NO_PASSWORD, chain.toArray(X509Certificate[]::new));
        KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(store, NO_PASSWORD);
        return (X509ExtendedKeyManager) factory.getKeyManagers()[0];
    }

    static KeyStore emptyStore() throws GeneralSecurityException {
        try {
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            return store;
        } catch (IOException e) {
            throw new GeneralSecurityException(e);
        }
    }

    private X509ExtendedKeyManager present() {
        try {
            read();
        } catch (IllegalArgumentException | GeneralSecurityException e) {
            // What the files held before stays.
        }
        return java;
    }

    @Override
    public String chooseEngineClientAlias(String[] keyTypes, Principal[] issuers, SSLEngine engine) {
        return present().chooseEngineClientAlias(keyTypes, issuers, engine);
    }

    @Override
    public String chooseClientAlias(String[] keyTypes, Principal[] issuers, Socket socket) {
        return present().chooseClientAlias(keyTypes, issuers, socket);
    }

    @Override
    public String[] getClientAliases(String keyType, Principal[] issuers) {
        return present().getClientAliases(keyType, issuers);
    }

    @Override
    public X509Certificate[] getCertificateChain(String alias) {
        return java.getCertificateChain(alias);
    }

    @Override
    public PrivateKey getPrivateKey(String alias) {
        return java.getPrivateKey(alias);
    }

    @Override
    public String[] getServerAliases(String keyType, Principal[] issuers) {
        return null;
    }

    @Override
    public String chooseServerAlias(String keyType, Principal[] issuers, Socket socket) {
        return null;
    }
}
