package dev.sessiond.client;

import io.grpc.netty.shaded.io.netty.channel.Channel;
import io.grpc.netty.shaded.io.netty.channel.ChannelDuplexHandler;
import io.grpc.netty.shaded.io.netty.channel.ChannelHandler.Sharable;
import io.grpc.netty.shaded.io.netty.channel.ChannelHandlerContext;
import io.grpc.netty.shaded.io.netty.channel.ChannelInboundHandlerAdapter;
import io.grpc.netty.shaded.io.netty.channel.ChannelPromise;
import io.grpc.netty.shaded.io.netty.handler.ssl.NotSslRecordException;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslHandler;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslHandshakeCompletionEvent;
import java.net.SocketAddress;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateException;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import javax.net.ssl.SSLException;

/**
 * Why TLS failed at the addresses. gRPC tells only of the last address that it tried, which may just be one where nothing
 * listens: {@code localhost} has two.
 */
@Sharable
final class TlsFailures extends ChannelDuplexHandler {
    private final Map<SocketAddress, String> failures = new ConcurrentHashMap<>();

    /** Watches over a new connection. */
    void watch(Channel channel) {
        channel.pipeline().addFirst(this);
    }

    /** Why TLS failed when the addresses were tried last; null if it did not. */
    String latest() {
        return failures.values().stream().findAny().orElse(null);
    }

    @Override
    public void connect(
            ChannelHandlerContext context, SocketAddress remote, SocketAddress local, ChannelPromise promise)
            throws Exception {
        promise.addListener(done -> {
            if (!done.isSuccess()) {
                // What an earlier connection to this address failed with is no longer the reason.
                failures.remove(remote);
            }
        });
        super.connect(context, remote, local, promise);
    }

    @Override
    public void channelActive(ChannelHandlerContext context) throws Exception {
        super.channelActive(context);
        // gRPC has added it by now.
        ChannelHandlerContext tls = context.pipeline().context(SslHandler.class);
        if (tls != null) {
            context.pipeline().addAfter(tls.name(), null, new Handshake());
        }
    }

    /** One handshake, and what comes before the server says something within TLS. */
    private final class Handshake extends ChannelInboundHandlerAdapter {
        private boolean isJudged;

        @Override
        public void userEventTriggered(ChannelHandlerContext context, Object event) throws Exception {
            if (event instanceof SslHandshakeCompletionEvent completion) {
                String protocol = context.pipeline().get(SslHandler.class).applicationProtocol();
                if (!completion.isSuccess()) {
                    failed(context, describe(completion.cause()));
                } else if (!"h2".equals(protocol)) {
                    failed(context, "the server speaks no HTTP/2 at this port");
                }
            }
            super.userEventTriggered(context, event);
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable cause) throws Exception {
            // With TLS 1.3 a server judges the client's certificate after the client has done its part.
            if (is(cause, SSLException.class)) {
                failed(context, describe(cause));
            }
            super.exceptionCaught(context, cause);
        }

        @Override
        public void channelRead(ChannelHandlerContext context, Object message) throws Exception {
            isJudged = true;
            failures.clear();
            context.pipeline().remove(this);
            super.channelRead(context, message);
        }

        @Override
        public void channelInactive(ChannelHandlerContext context) throws Exception {
            failed(
                    context,
                    "the server closed the connection after the TLS handshake; it may ask for a certificate of the client");
            super.channelInactive(context);
        }

        private void failed(ChannelHandlerContext context, String why) {
            SocketAddress remote = context.channel().remoteAddress();
            if (!isJudged && remote != null) {
                isJudged = true;
                failures.put(remote, why);
            }
        }
    }

    private static String describe(Throwable failure) {
        if (is(failure, NotSslRecordException.class)) {
            return "this port takes no TLS; write the address without https://";
        }
        String message = rootMessage(failure);
        if (is(failure, CertificateException.class)
                || is(failure, CertPathValidatorException.class)
                || is(failure, CertPathBuilderException.class)) {
            return "the server's certificate was refused: " + message;
        }
        String alert = message.toLowerCase(Locale.ROOT);
        if (alert.contains("alert") && (alert.contains("certificate") || alert.contains("unknown_ca"))) {
            return "the server refused the client's certificate, or asked for one that is not set: " + message;
        }
        return "the TLS handshake failed: " + message;
    }

    private static boolean is(Throwable failure, Class<? extends Throwable> kind) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (kind.isInstance(cause)) {
                return true;
            }
        }
        return false;
    }

    private static String rootMessage(Throwable failure) {
        Throwable root = failure;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        return root.getMessage() == null ? root.getClass().getSimpleName() : root.getMessage();
    }
}
