package dev.sessiond.client;

import dev.sessiond.v1.GetStatisticsResponse;
import dev.sessiond.v1.NamespaceStatistics;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** What a server holds and does, in all namespaces. */
public final class Statistics {
    private final GetStatisticsResponse found;

    Statistics(GetStatisticsResponse found) {
        this.found = found;
    }

    /**
     * Sessions in store, counting those that have expired but are not swept yet.
     *
     * @return how many
     */
    public long sessions() {
        return found.getSessions();
    }

    /**
     * The same for each namespace that has any, in the order of their names; at most 1,000.
     *
     * @return sessions by namespace
     */
    public Map<String, Long> namespaces() {
        Map<String, Long> out = new LinkedHashMap<>();
        for (NamespaceStatistics namespace : found.getNamespacesList()) {
            out.put(namespace.getNamespace(), namespace.getSessions());
        }
        return Collections.unmodifiableMap(out);
    }

    /**
     * Sessions made since the server started.
     *
     * @return how many
     */
    public long created() {
        return found.getCreated();
    }

    /**
     * Sessions whose expiry was swept since the server started.
     *
     * @return how many
     */
    public long expired() {
        return found.getExpired();
    }

    /**
     * Sessions made per second, over the last 10 s.
     *
     * @return the rate
     */
    public double createdPerSecond() {
        return found.getCreatedPerSecond();
    }

    /**
     * Sessions swept per second, over the last 10 s.
     *
     * @return the rate
     */
    public double expiredPerSecond() {
        return found.getExpiredPerSecond();
    }

    /**
     * The size of the data folder; 0 for a server that keeps sessions in memory.
     *
     * @return bytes
     */
    public long diskBytes() {
        return found.getDiskBytes();
    }

    /**
     * The resident memory of the process.
     *
     * @return bytes
     */
    public long memoryBytes() {
        return found.getMemoryBytes();
    }

    /**
     * How long the session that waits longest for the sweeper has been expired.
     *
     * @return the time; zero if none waits
     */
    public Duration sweeperLag() {
        return Times.duration(found.getSweeperLag());
    }

    /**
     * When the server started.
     *
     * @return the moment
     */
    public Instant startTime() {
        return Times.instant(found.getStartTime());
    }

    /**
     * CPU time that the process has used since it started, all threads together.
     *
     * @return the time; what a stretch of work cost is the difference of two answers
     */
    public Duration cpuTime() {
        return Times.duration(found.getCpuTime());
    }

    /**
     * Groups of changes committed since the server started.
     *
     * @return how many
     */
    public long groups() {
        return found.getGroups();
    }

    /**
     * Transactions in those groups.
     *
     * @return how many; divided by the groups it is the mean size of a group
     */
    public long groupedTransactions() {
        return found.getGroupedTransactions();
    }

    /**
     * The largest group since the server started.
     *
     * @return transactions in it
     */
    public long largestGroup() {
        return found.getLargestGroup();
    }

    /**
     * Watch streams that are open.
     *
     * @return how many
     */
    public long watchers() {
        return found.getWatchers();
    }

    /**
     * Requests since the server started that were refused for lack of disk space.
     *
     * @return how many
     */
    public long refusedForSpace() {
        return found.getRefusedForSpace();
    }

    /**
     * Requests since the server started that met damaged data.
     *
     * @return how many
     */
    public long metDamage() {
        return found.getMetDamage();
    }

    /**
     * How often since the server started the storage made no progress for too long.
     *
     * @return how often
     */
    public long storageStalls() {
        return found.getStorageStalls();
    }

    /**
     * Events that are kept for watchers that resume.
     *
     * @return how many
     */
    public long eventsKept() {
        return found.getEventsKept();
    }

    /**
     * Where a watcher that starts now begins: every event so far lies before it.
     *
     * @return the resume token of this moment
     */
    public String resumeToken() {
        return found.getResumeToken();
    }

    /**
     * How often since the server started the system's clock was set by more than a second.
     *
     * @return how often
     */
    public long clockSteps() {
        return found.getClockSteps();
    }

    /**
     * What the time of sessions is ahead of the system's clock.
     *
     * @return the difference; negative if it is behind
     */
    public Duration clockAhead() {
        return Times.duration(found.getClockAhead());
    }

    /**
     * The present moment in the time of sessions, by which they end.
     *
     * @return the moment
     */
    public Instant currentTime() {
        return Times.instant(found.getCurrentTime());
    }

    @Override
    public String toString() {
        return "Statistics[sessions=" + sessions() + ", watchers=" + watchers() + ", startTime=" + startTime() + "]";
    }
}
