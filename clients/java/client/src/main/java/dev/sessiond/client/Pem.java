package dev.sessiond.client;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.interfaces.RSAKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads certificates and keys of PEM files. What is wrong is told with the file's name, and never with what a key file holds. */
final class Pem {
    private static final Pattern BLOCK = Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \\1-----");

    private final String what;
    private final Path file;
    private final String text;

    /** Reads a file, but not yet what is in it. */
    Pem(String what, Path file) {
        this.what = what;
        this.file = file;
        if (file.toString().contains("-----BEGIN")) {
            // It may be a key, and is not repeated.
            throw new IllegalArgumentException(what + ": the text of a PEM file stands where its path belongs");
        }
        try {
            text = Files.readString(file, StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            throw new IllegalArgumentException(this + " can't be read: " + e, e);
        }
    }

    /** All that the file holds. */
    String text() {
        return text;
    }

    /** Reads the certificates, one or more. */
    List<X509Certificate> certificates() {
        List<X509Certificate> out = new ArrayList<>();
        for (Matcher block = BLOCK.matcher(text); block.find(); ) {
            if (block.group(1).equals("CERTIFICATE")) {
                try {
                    out.add(certificate(block.group(2)));
                } catch (CertificateException | IllegalArgumentException e) {
                    throw new IllegalArgumentException(this + " holds a certificate that can't be read", e);
                }
            }
        }
        if (out.isEmpty()) {
            throw new IllegalArgumentException(this + " holds no certificate");
        }
        return out;
    }

    private static X509Certificate certificate(String block) throws CertificateException {
        return (X509Certificate) CertificateFactory.getInstance("X.509")
                .generateCertificate(
                        new ByteArrayInputStream(Base64.getMimeDecoder().decode(block)));
    }

    /** Reads the private key of a certificate. */
    PrivateKey key(PublicKey owner) {
        for (Matcher block = BLOCK.matcher(text); block.find(); ) {
            switch (block.group(1)) {
                case "PRIVATE KEY" -> {
                    return key(block.group(2), owner, false);
                }
                case "RSA PRIVATE KEY", "EC PRIVATE KEY" -> {
                    return key(block.group(2), owner, true);
                }
                default -> {
                    // A certificate in the same file, or parameters of a curve.
                }
            }
        }
        throw new IllegalArgumentException(this
                + (text.contains("ENCRYPTED")
                        ? " holds an encrypted private key, which this client does not read"
                        : " holds no private key"));
    }

    private PrivateKey key(String block, PublicKey owner, boolean isBare) {
        PrivateKey key;
        try {
            byte[] data = Base64.getMimeDecoder().decode(block);
            key = KeyFactory.getInstance(owner.getAlgorithm())
                    .generatePrivate(new PKCS8EncodedKeySpec(isBare ? Der.pkcs8(owner.getEncoded(), data) : data));
        } catch (GeneralSecurityException | RuntimeException e) {
            // The cause is left out: it could tell something of the key.
            throw new IllegalArgumentException(
                    this + " holds no private key of the kind of its certificate: " + owner.getAlgorithm());
        }
        if (!belongs(key, owner)) {
            throw new IllegalArgumentException(this + " holds the private key of another certificate");
        }
        return key;
    }

    private static boolean belongs(PrivateKey key, PublicKey owner) {
        if (key instanceof RSAKey one && owner instanceof RSAKey other) {
            return one.getModulus().equals(other.getModulus());
        }
        try {
            byte[] data = {1};
            Signature signature =
                    Signature.getInstance(owner.getAlgorithm().equals("EC") ? "SHA256withECDSA" : "EdDSA");
            signature.initSign(key);
            signature.update(data);
            byte[] signed = signature.sign();
            signature.initVerify(owner);
            signature.update(data);
            return signature.verify(signed);
        } catch (GeneralSecurityException e) {
            return false;
        }
    }

    @Override
    public String toString() {
        return "the " + what + " file " + file;
    }
}
