package io.sessiond.client;

import java.time.Duration;
import java.util.concurrent.Executor;

/** The settings of a client, as its builder gathers them. */
final class Settings {
    String address = "";
    String namespace = "default";
    Duration timeout = Duration.ofSeconds(1);
    Retry retry = Retry.DEFAULT;
    boolean fastLane = true;
    Executor completionExecutor = Runnable::run;
}
