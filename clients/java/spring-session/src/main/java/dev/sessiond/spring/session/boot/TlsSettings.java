package dev.sessiond.spring.session.boot;

import dev.sessiond.client.Tls;
import java.nio.file.Path;
import javax.net.ssl.SSLParameters;
import org.jspecify.annotations.Nullable;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.context.properties.source.InvalidConfigurationPropertyValueException;
import org.springframework.boot.ssl.NoSuchSslBundleException;
import org.springframework.boot.ssl.SslBundle;
import org.springframework.boot.ssl.SslBundles;
import org.springframework.boot.ssl.SslOptions;

/** The settings of TLS: files, or an SSL bundle in their place. */
final class TlsSettings {

    private final SessiondSessionProperties.Tls files;
    private final @Nullable String bundle;
    private final ObjectProvider<SslBundles> bundles;

    TlsSettings(SessiondSessionProperties properties, ObjectProvider<SslBundles> bundles) {
        files = properties.tls();
        String name = properties.ssl().bundle();
        bundle = name == null || name.isBlank() ? null : name;
        this.bundles = bundles;
    }

    Tls tls() {
        Path none = Path.of("");
        Tls tls = Tls.DEFAULT
                .caFile(files.caFile() == null ? none : files.caFile())
                .certificateFile(files.certificateFile() == null ? none : files.certificateFile())
                .keyFile(files.keyFile() == null ? none : files.keyFile())
                .serverName(files.serverName() == null ? "" : files.serverName());
        return bundle == null ? tls : withBundle(tls, bundle);
    }

    private Tls withBundle(Tls tls, String name) {
        SslBundles known = bundles.getIfAvailable();
        if (known == null) {
            throw wrong("The application has no SSL bundles.");
        }
        try {
            SslBundle found = known.getBundle(name);
            return tls.sslContext(found.createSslContext()).sslParameters(parameters(found.getOptions()));
        } catch (NoSuchSslBundleException e) {
            throw wrong(e.getMessage() + ".");
        }
    }

    private static SSLParameters parameters(SslOptions options) {
        SSLParameters parameters = new SSLParameters();
        if (options.getCiphers() != null) {
            parameters.setCipherSuites(options.getCiphers());
        }
        if (options.getEnabledProtocols() != null) {
            parameters.setProtocols(options.getEnabledProtocols());
        }
        return parameters;
    }

    /** Names the bundle if there is one, or else the files. */
    InvalidConfigurationPropertyValueException wrong(String reason) {
        return bundle == null
                ? SessiondSettings.wrong("tls", files, reason)
                : SessiondSettings.wrong("ssl.bundle", bundle, reason);
    }
}
