package dev.sessiond.client;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executor;

/** The settings of a client, as its builder gathers them. */
final class Settings {
    String address = "";
    Tls tls = Tls.DEFAULT;
    String namespace = "default";
    Duration timeout = Duration.ofSeconds(1);
    Retry retry = Retry.DEFAULT;
    boolean fastLane = true;
    Executor completionExecutor = Runnable::run;

    /** Judges the settings before anything is opened. */
    Caller connect() {
        Caller judged = new Caller(null, namespace, timeout, completionExecutor);
        List<String> addresses = Addresses.resolve(address);
        Channels.check(addresses);
        Connection connection = new Connection(addresses, Security.load(tls, addresses), this);
        return new Caller(connection, judged.namespace(), judged.timeout(), judged.completion());
    }
}
