package io.sessiond.client;

import dev.sessiond.v1.GetStatisticsResponse;

/** What a server holds and does. */
public final class Statistics {
    private final GetStatisticsResponse found;

    Statistics(GetStatisticsResponse found) {
        this.found = found;
    }
}
