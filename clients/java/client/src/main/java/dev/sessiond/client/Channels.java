package dev.sessiond.client;

import io.grpc.ManagedChannel;
import io.grpc.NameResolverRegistry;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.Channel;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Opens channels to the first of several addresses that can be reached. */
final class Channels {
    // The largest answer that is read: the largest that a server can be set to send.
    private static final int LARGEST_MESSAGE = 64 << 20;

    static {
        NameResolverRegistry.getDefaultRegistry().register(new AddressResolver.Provider());
    }

    private Channels() {}

    /** Refuses addresses of two kinds: a channel has either. */
    static void check(List<String> addresses) {
        if (addresses.stream().anyMatch(address -> isUnix(address) != isUnix(addresses.get(0)))) {
            throw new IllegalArgumentException("\"" + String.join(",", addresses)
                    + "\" is not an address: this client takes several of one kind, Unix sockets or others");
        }
    }

    private static boolean isUnix(String address) {
        return address.startsWith(Addresses.UNIX);
    }

    /** Opens a channel. Nothing is connected before the first call. */
    static ManagedChannel open(
            List<String> addresses, Security security, TlsFailures failures, IoThread io, Duration timeout) {
        long connectTimeout = Math.min(Math.max(timeout.toMillis(), 1000), Integer.MAX_VALUE);
        NettyChannelBuilder channel = security == null
                ? NettyChannelBuilder.forTarget(AddressResolver.TARGET)
                        .usePlaintext()
                        .overrideAuthority("localhost")
                        .channelType(isUnix(addresses.get(0)) ? IoThread.unix() : IoThread.tcp())
                : security.channel(AddressResolver.TARGET).channelFactory(() -> {
                    Channel connection = IoThread.newTcp();
                    failures.watch(connection);
                    return connection;
                });
        channel.setNameResolverArg(AddressResolver.ADDRESSES, addresses)
                .eventLoopGroup(io.group())
                .withOption(ChannelOption.CONNECT_TIMEOUT_MILLIS, (int) connectTimeout)
                // Answers are handed over by the thread that reads them.
                .directExecutor()
                // What is repeated is decided here.
                .disableRetry()
                .disableServiceConfigLookUp()
                // Proxies of HTTP are for web sites.
                .proxyDetector(address -> null)
                // Finds a connection that a firewall forgot, or a server that hangs.
                .keepAliveTime(10, TimeUnit.SECONDS)
                .keepAliveTimeout(5, TimeUnit.SECONDS)
                .maxInboundMessageSize(LARGEST_MESSAGE)
                .userAgent("sessiond-java");
        if (isUnix(addresses.get(0))) {
            // gRPC sets it for every channel, and Netty warns that a Unix socket has no such option.
            channel.withOption(ChannelOption.SO_KEEPALIVE, null);
        }
        return channel.build();
    }
}
