package io.sessiond.client;

import io.grpc.Channel;

final class Connection implements AutoCloseable {
    Connection(Settings settings) {}

    Channel channel() {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}
}
