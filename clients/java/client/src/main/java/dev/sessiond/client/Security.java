package dev.sessiond.client;

import io.grpc.ChannelCredentials;
import io.grpc.TlsChannelCredentials;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.handler.codec.http2.Http2SecurityUtil;
import io.grpc.netty.shaded.io.netty.handler.ssl.ApplicationProtocolConfig;
import io.grpc.netty.shaded.io.netty.handler.ssl.ClientAuth;
import io.grpc.netty.shaded.io.netty.handler.ssl.JdkSslContext;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslContext;
import io.grpc.netty.shaded.io.netty.handler.ssl.SupportedCipherSuiteFilter;
import java.security.GeneralSecurityException;
import java.util.Arrays;
import java.util.List;
import javax.net.ssl.SSLParameters;

/** What a channel needs for TLS: certificates and keys of files, or a context in their place; and the server's name. */
record Security(ChannelCredentials credentials, SslContext context, String serverName) {
    /** Judges the settings beside the addresses, and reads the files; null without TLS. */
    static Security load(Tls tls, List<String> addresses) {
        if (!Addresses.isSecure(addresses.get(0))) {
            if (tls.isSet()) {
                throw new IllegalArgumentException(
                        "TLS settings need an https:// address, not \"" + String.join(",", addresses) + "\"");
            }
            return null;
        }
        return load(tls.resolve(System::getenv));
    }

    private static Security load(Tls resolved) {
        try {
            return resolved.context() == null
                    ? new Security(credentials(resolved.files()), null, resolved.serverName())
                    : new Security(null, context(resolved), resolved.serverName());
        } catch (GeneralSecurityException e) {
            // The message of a cause could tell something of a key.
            throw new IllegalArgumentException("the certificates and keys of TLS can't be used: " + e.getClass());
        }
    }

    private static ChannelCredentials credentials(Tls.Files files) throws GeneralSecurityException {
        TlsChannelCredentials.Builder credentials = TlsChannelCredentials.newBuilder();
        if (!Tls.isEmpty(files.ca())) {
            credentials.trustManager(new TrustedServers(files.ca()));
        }
        if (!Tls.isEmpty(files.certificate())) {
            credentials.keyManager(new ClientKey(files.certificate(), files.key()));
        }
        return credentials.build();
    }

    private static SslContext context(Tls tls) {
        SSLParameters parameters = tls.parameters() == null ? new SSLParameters() : tls.parameters();
        String[] ciphers = parameters.getCipherSuites();
        String[] protocols = parameters.getProtocols();
        return new JdkSslContext(
                tls.context(),
                true,
                ciphers == null ? Http2SecurityUtil.CIPHERS : Arrays.asList(ciphers),
                SupportedCipherSuiteFilter.INSTANCE,
                new ApplicationProtocolConfig(
                        ApplicationProtocolConfig.Protocol.ALPN,
                        ApplicationProtocolConfig.SelectorFailureBehavior.NO_ADVERTISE,
                        ApplicationProtocolConfig.SelectedListenerFailureBehavior.ACCEPT,
                        "h2"),
                ClientAuth.NONE,
                protocols == null ? new String[] {"TLSv1.3", "TLSv1.2"} : protocols,
                false);
    }

    /** Begins a channel over TLS. The authority of each address, which the resolver names, is the name that is verified. */
    NettyChannelBuilder channel(String target) {
        NettyChannelBuilder channel = context == null
                ? NettyChannelBuilder.forTarget(target, credentials)
                : NettyChannelBuilder.forTarget(target).sslContext(context);
        if (!serverName.isEmpty()) {
            channel.setNameResolverArg(AddressResolver.SERVER_NAME, serverName);
        }
        return channel;
    }
}
