package dev.sessiond.client;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/** The settings of a client, as its builder gathers them. */
final class Settings {
    String address = "";
    Tls tls = Tls.DEFAULT;
    Path tokenFile = Path.of("");
    String token = "";
    String namespace = "default";
    Duration timeout = Duration.ofSeconds(1);
    Retry retry = Retry.DEFAULT;
    boolean fastLane = true;
    // Null if calls carry no trace.
    Supplier<Map<String, String>> traceContext;
    Executor completionExecutor = Runnable::run;

    /** Judges the settings before anything is opened. */
    Caller connect() {
        Caller judged = new Caller(null, namespace, timeout, completionExecutor);
        List<String> addresses = Addresses.resolve(address);
        Channels.check(addresses);
        Tokens tokens = Tokens.load(tokenFile, token, System::getenv);
        Connection connection = new Connection(addresses, Security.load(tls, addresses), tokens, this);
        return new Caller(connection, judged.namespace(), judged.timeout(), judged.completion());
    }
}
