package dev.sessiond.client;

import io.grpc.netty.shaded.io.netty.channel.Channel;
import io.grpc.netty.shaded.io.netty.channel.EventLoop;
import io.grpc.netty.shaded.io.netty.channel.EventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.MultiThreadIoEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.epoll.Epoll;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollDomainSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollIoHandler;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.nio.NioIoHandler;
import io.grpc.netty.shaded.io.netty.channel.socket.nio.NioDomainSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.socket.nio.NioSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.unix.DomainSocketAddress;
import io.grpc.netty.shaded.io.netty.util.concurrent.DefaultThreadFactory;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;

/** The one thread that reads and writes a client's connection, and runs its fast lane. */
final class IoThread implements AutoCloseable {
    // On Linux epoll without the JDK's layers answers a call some 5 µs sooner.
    private static final boolean HAS_EPOLL = Epoll.isAvailable();

    private final EventLoopGroup group = new MultiThreadIoEventLoopGroup(
            1,
            new DefaultThreadFactory("sessiond-io", true),
            HAS_EPOLL ? EpollIoHandler.newFactory() : NioIoHandler.newFactory());
    private final EventLoop loop = group.next();

    EventLoopGroup group() {
        return group;
    }

    static Class<? extends Channel> tcp() {
        return HAS_EPOLL ? EpollSocketChannel.class : NioSocketChannel.class;
    }

    static Channel newTcp() {
        return HAS_EPOLL ? new EpollSocketChannel() : new NioSocketChannel();
    }

    static Class<? extends Channel> unix() {
        return HAS_EPOLL ? EpollDomainSocketChannel.class : NioDomainSocketChannel.class;
    }

    static SocketAddress unixAddress(String path) {
        return HAS_EPOLL ? new DomainSocketAddress(path) : UnixDomainSocketAddress.of(path);
    }

    boolean isCurrent() {
        return loop.inEventLoop();
    }

    /** Runs a task in this thread; false if it has ended. */
    boolean execute(Runnable task) {
        try {
            loop.execute(task);
            return true;
        } catch (RejectedExecutionException e) {
            return false;
        }
    }

    /** Runs a task in this thread after so many nanoseconds; false if it has ended. */
    boolean schedule(Runnable task, long delay) {
        try {
            loop.schedule(task, delay, TimeUnit.NANOSECONDS);
            return true;
        } catch (RejectedExecutionException e) {
            return false;
        }
    }

    /** Ends the thread, once it has told everybody. */
    @Override
    public void close() {
        group.shutdownGracefully(50, 1000, TimeUnit.MILLISECONDS);
    }
}
