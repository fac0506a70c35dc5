package dev.sessiond.client;

import io.grpc.Channel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * A client of the sessiond session store. It keeps one connection, which it makes at the first call and again whenever it was
 * lost. It is safe for use by many threads, and one for each process is enough: calls that are ready at the same time travel
 * in one message (the fast lane), which is several times cheaper than a message for each.
 *
 * <pre>{@code
 * try (SessiondClient client = SessiondClient.fromEnvironment()) {
 *     IssuedSession issued = client.create(session -> session.attribute("theme", "dark"));
 *     Session session = client.get(issued.id().value());
 * }
 * }</pre>
 *
 * <p>Every call ends within a second, repetitions included, unless {@link Builder#timeout} or {@link #withTimeout} says
 * otherwise. Every call fails with a {@link SessiondException}; any of them can be a {@link SessiondUnavailableException} or a
 * {@link SessiondTimeoutException}. A thread that is interrupted while it waits gets {@link Reason#CANCELED}, and stays
 * interrupted.
 *
 * <p>Session IDs are passed as texts of 16 to 256 printable ASCII characters; {@link SessionIds} maps others. Answers wrap
 * them as {@link Secret}, which nothing prints.
 */
public final class SessiondClient implements AutoCloseable {
    private final Caller caller;
    private final SessiondAsyncClient async;
    private final SessiondAsyncClient calls;

    private SessiondClient(Caller caller) {
        this.caller = caller;
        async = new SessiondAsyncClient(caller);
        calls = new SessiondAsyncClient(caller.completingDirectly());
    }

    /**
     * Makes a client of the server that the environment variable {@code SESSIOND_ADDR} names, or else of
     * {@code 127.0.0.1:50051}; {@link Tls} has the variables of {@code https://} addresses, and {@code SESSIOND_TOKEN_FILE} or
     * {@code SESSIOND_TOKEN} says who calls. Nothing is connected before the first call.
     *
     * @return the client
     * @throws IllegalArgumentException if the variable holds no address, or one of the others can't be used
     */
    public static SessiondClient fromEnvironment() {
        return builder().build();
    }

    /**
     * Begins with the default settings.
     *
     * @return a builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * The same calls without waiting.
     *
     * @return a client that shares this one's connection
     */
    public SessiondAsyncClient async() {
        return async;
    }

    /**
     * The same connection, with another namespace.
     *
     * @param namespace 1 to 63 of the characters a-z, 0-9, '-', '_' and '.', beginning with a letter or digit
     * @return a client that shares this one's connection, and is closed with it
     */
    public SessiondClient withNamespace(String namespace) {
        return new SessiondClient(caller.withNamespace(namespace));
    }

    /**
     * The same connection, with another timeout: for calls whose work grows with the number of sessions, such as
     * {@link #count()} and {@link #revokeNamespace()}.
     *
     * @param timeout how long a call may take, repetitions included; more than 0
     * @return a client that shares this one's connection, and is closed with it
     */
    public SessiondClient withTimeout(Duration timeout) {
        return new SessiondClient(caller.withTimeout(timeout));
    }

    /**
     * Makes an empty session.
     *
     * @return the session and its ID
     * @see #create(NewSession)
     */
    public IssuedSession create() {
        return Caller.await(calls.create());
    }

    /**
     * Makes a session.
     *
     * @param session fills in what to create
     * @return the session, without its attributes, and its ID
     * @see #create(NewSession)
     */
    public IssuedSession create(Consumer<NewSession.Builder> session) {
        return Caller.await(calls.create(session));
    }

    /**
     * Makes a session and never overwrites one. When the answer arrives the session is as durable as the server's durability
     * level promises.
     *
     * @param session what to create
     * @return the session, without its attributes, and its ID
     * @throws SessiondException with {@link Reason#SESSION_ID_TAKEN}, {@link Reason#SESSION_TOO_LARGE},
     *     {@link Reason#SESSION_LIMIT_REACHED} or {@link Reason#STORAGE_FULL}
     */
    public IssuedSession create(NewSession session) {
        return Caller.await(calls.create(session));
    }

    /**
     * Reads a session and slides its idle timeout.
     *
     * @param id the session's ID
     * @return the session
     * @throws SessionNotFoundException if it is not there
     * @see #get(String, ReadOptions)
     */
    public Session get(String id) {
        return Caller.await(calls.get(id));
    }

    /**
     * Reads a session and, unless told to {@link ReadOptions#PEEK}, slides its idle timeout.
     *
     * @param id the session's ID
     * @param options how to read
     * @return the session
     * @throws SessionNotFoundException if it is not there
     * @throws SessiondException with {@link Reason#SESSION_CORRUPT}
     */
    public Session get(String id, ReadOptions options) {
        return Caller.await(calls.get(id, options));
    }

    /**
     * Changes a session.
     *
     * @param id the session's ID
     * @param change fills in the change
     * @return the session after the change, without attributes
     * @throws SessionNotFoundException if it is not there
     * @see #update(String, SessionChange, UpdateOptions)
     */
    public Session update(String id, Consumer<SessionChange.Builder> change) {
        return Caller.await(calls.update(id, change));
    }

    /**
     * Changes a session.
     *
     * @param id the session's ID
     * @param change the change
     * @return the session after the change, without attributes
     * @throws SessionNotFoundException if it is not there
     * @see #update(String, SessionChange, UpdateOptions)
     */
    public Session update(String id, SessionChange change) {
        return Caller.await(calls.update(id, change));
    }

    /**
     * Changes a session in one atomic step and slides its idle timeout. It never creates a session, nor revives one that has
     * ended, unless told to {@link UpdateOptions#upsert()}.
     *
     * @param id the session's ID
     * @param change the change
     * @param options the condition
     * @return the session after the change, without attributes
     * @throws SessionNotFoundException if it is not there
     * @throws VersionMismatchException if it has another version than the expected one
     * @throws SessiondException with {@link Reason#SESSION_ID_RETIRED}, {@link Reason#SESSION_TOO_LARGE},
     *     {@link Reason#LOCK_LOST} or {@link Reason#STORAGE_FULL}
     */
    public Session update(String id, SessionChange change, UpdateOptions options) {
        return Caller.await(calls.update(id, change, options));
    }

    /**
     * Slides a session's idle timeout; sends and rewrites no data.
     *
     * @param id the session's ID
     * @return when the session ends if nothing more happens, and its version
     * @throws SessionNotFoundException if it is not there
     */
    public TouchResult touch(String id) {
        return Caller.await(calls.touch(id));
    }

    /**
     * Gives a session a new ID.
     *
     * @param id the session's present ID
     * @return the session, without attributes, and its new ID
     * @throws SessionNotFoundException if it is not there
     * @see #rotate(String, RotateOptions)
     */
    public IssuedSession rotate(String id) {
        return Caller.await(calls.rotate(id));
    }

    /**
     * Gives a session a new ID and keeps everything else: the answer to session fixation, at every log in. Of two rotations
     * of one ID one wins; the other does not find the session.
     *
     * @param id the session's present ID
     * @param options how to rotate
     * @return the session, without attributes, and its new ID
     * @throws SessionNotFoundException if it is not there
     * @throws VersionMismatchException if it has another version than the expected one
     * @throws SessiondException with {@link Reason#SESSION_ID_RETIRED}, {@link Reason#SESSION_ID_TAKEN},
     *     {@link Reason#SESSION_TOO_LARGE} or {@link Reason#STORAGE_FULL}
     */
    public IssuedSession rotate(String id, RotateOptions options) {
        return Caller.await(calls.rotate(id, options));
    }

    /**
     * Ends a session. After it no slower request brings the session back.
     *
     * @param id the session's ID; one within the grace of a rotation works too
     * @return whether there was one
     */
    public boolean delete(String id) {
        return Caller.await(calls.delete(id));
    }

    /**
     * Ends the session with this handle.
     *
     * @param handle the session's handle
     * @return whether there was one
     */
    public boolean deleteByHandle(String handle) {
        return Caller.await(calls.deleteByHandle(handle));
    }

    /**
     * Reads many sessions at once.
     *
     * @param ids 1 to 1,000 IDs
     * @param options how to read; only {@link ReadOptions#TOUCH} and {@link ReadOptions#PEEK} count
     * @return a result for each ID, in their order; of reasons there are {@link Reason#SESSION_NOT_FOUND},
     *     {@link Reason#INVALID_ARGUMENT}, {@link Reason#SESSION_CORRUPT} and {@link Reason#BATCH_TOO_LARGE}
     */
    public List<BatchResult<Session>> batchGet(Collection<String> ids, ReadOptions options) {
        return Caller.await(calls.batchGet(ids, options));
    }

    /**
     * Ends many sessions at once, in one atomic step.
     *
     * @param ids 1 to 1,000 IDs
     * @return for each ID, in their order, whether there was a session
     */
    public List<BatchResult<Boolean>> batchDelete(Collection<String> ids) {
        return Caller.await(calls.batchDelete(ids));
    }

    /**
     * Lists live sessions, newest first. A list never shows a session ID.
     *
     * @param options which sessions, and how
     * @return the sessions; a page is asked for when the stream comes to it, within the client's timeout
     * @throws SessiondException also while the stream is being read
     */
    public Stream<Session> list(ListOptions options) {
        return Stream.iterate(
                        listPage(options, ""),
                        page -> page != null,
                        page -> page.hasNext() ? listPage(options, page.nextPageToken()) : null)
                .flatMap(page -> page.sessions().stream());
    }

    /**
     * Reads a page of a list of live sessions.
     *
     * @param options which sessions, and how
     * @param pageToken the token of the page before; empty for the first
     * @return the page
     */
    public SessionPage listPage(ListOptions options, String pageToken) {
        return Caller.await(calls.listPage(options, pageToken));
    }

    /**
     * Counts the live sessions of the namespace. The server looks at each: about a second for thirty thousand.
     *
     * @return how many there are
     * @see #withTimeout
     */
    public long count() {
        return Caller.await(calls.count());
    }

    /**
     * Counts the live sessions of a user.
     *
     * @param principal the user; empty for all of the namespace
     * @return how many there are
     */
    public long count(String principal) {
        return Caller.await(calls.count(principal));
    }

    /**
     * Ends all sessions of a user: "log out everywhere". If the call is cut off, what it has ended stays ended.
     *
     * @param principal the user
     * @return how many this call ended
     */
    public long revoke(String principal) {
        return Caller.await(calls.revoke(principal));
    }

    /**
     * Ends all sessions of a user but one: "log out all my other devices".
     *
     * @param principal the user
     * @param exceptId the ID of the session to leave alone
     * @return how many this call ended
     * @throws SessionNotFoundException if there is no such session; then nothing is ended
     */
    public long revokeOthers(String principal, String exceptId) {
        return Caller.await(calls.revokeOthers(principal, exceptId));
    }

    /**
     * Ends the sessions with these handles.
     *
     * @param handles 1 to 1,000 handles; those that are not there are passed over
     * @return how many this call ended
     */
    public long revokeHandles(Collection<String> handles) {
        return Caller.await(calls.revokeHandles(handles));
    }

    /**
     * Ends every session of the namespace.
     *
     * @return how many this call ended
     * @see #withTimeout
     */
    public long revokeNamespace() {
        return Caller.await(calls.revokeNamespace());
    }

    /**
     * Watches what happens to sessions. A connection that is lost is made again, and the stream goes on after the last event:
     * none is left out and none comes twice.
     *
     * @param options what to watch
     * @return the events; to be closed
     */
    public EventStream watch(WatchOptions options) {
        return new EventStream(caller, options);
    }

    /**
     * Tells a listener what happens to sessions, in a thread of its own.
     *
     * @param options what to watch
     * @param listener is told
     * @return ends the watch when it is closed
     * @see #watch(WatchOptions)
     */
    public EventSubscription watch(WatchOptions options, SessionEventListener listener) {
        return async.watch(options, listener);
    }

    /**
     * Takes a lock without waiting, for 10 s.
     *
     * @param id the session's ID
     * @return the lock; to be closed
     * @throws LockHeldException if another holds it
     * @see #lock(String, LockOptions)
     */
    public SessionLock lock(String id) {
        return lock(id, LockOptions.DEFAULT);
    }

    /**
     * Takes an exclusive lease on a session, for sites that serialise the requests of one session. Waiters get it in the order
     * in which they came.
     *
     * @param id the session's ID
     * @param options how to take it
     * @return the lock; to be closed
     * @throws LockHeldException if another holds it, and the wait is over
     * @throws SessionNotFoundException if the session is not there
     * @throws SessiondException with {@link Reason#SESSION_ID_RETIRED}
     */
    public SessionLock lock(String id, LockOptions options) {
        return Caller.await(calls.lock(id, options));
    }

    /**
     * Issues a ticket by which another domain gets its own ID of the same session: cross-domain sign-on.
     *
     * @param id the session's ID
     * @param audience who may redeem the ticket, such as {@code https://shop.example}: 1 to 256 bytes of UTF-8
     * @param lifetime how long it can be redeemed: 1 s to 5 min
     * @return the ticket
     * @throws SessionNotFoundException if the session is not there
     * @throws SessiondException with {@link Reason#SESSION_ID_RETIRED} or {@link Reason#STORAGE_FULL}
     */
    public HandoffTicket issueHandoff(String id, String audience, Duration lifetime) {
        return Caller.await(calls.issueHandoff(id, audience, lifetime));
    }

    /**
     * Exchanges a ticket for an ID of the session. Logging out on one domain ends the session on both.
     *
     * @param ticket the ticket
     * @param audience must be the ticket's to the letter; another one burns the ticket
     * @return the session, with its attributes, and the domain's own ID of it
     * @throws SessiondException with {@link Reason#HANDOFF_INVALID} or {@link Reason#STORAGE_FULL}
     */
    public IssuedSession redeemHandoff(Secret ticket, String audience) {
        return Caller.await(calls.redeemHandoff(ticket, audience));
    }

    /**
     * Issues a token against cross-site request forgery, for a form or a header. It looks different each time, and is valid
     * until the session ends or its ID is rotated. It does not count as activity.
     *
     * @param id the session's ID
     * @return the token
     * @throws SessionNotFoundException if the session is not there
     */
    public String issueCsrfToken(String id) {
        return Caller.await(calls.issueCsrfToken(id));
    }

    /**
     * Verifies such a token, in constant time. It does not count as activity.
     *
     * @param id the session's ID
     * @param token the token that came with the request; anything at all may stand here
     * @return whether it was issued for this session under this ID
     * @throws SessionNotFoundException if the session is not there
     */
    public boolean verifyCsrfToken(String id, String token) {
        return Caller.await(calls.verifyCsrfToken(id, token));
    }

    /**
     * Asks the server what it holds and does, in all namespaces.
     *
     * @return the figures
     */
    public Statistics statistics() {
        return Caller.await(calls.statistics());
    }

    /**
     * Removes every session that has expired by now instead of waiting for the sweeper.
     *
     * @return how many this call removed
     * @see #withTimeout
     */
    public long sweepNow() {
        return Caller.await(calls.sweepNow());
    }

    /**
     * The connection, for what this class has no method for, such as the backup (generated classes are in
     * {@code dev.sessiond.v1}). Calls on it carry the token, and have no deadline of their own.
     *
     * @return the channel
     */
    public Channel channel() {
        return caller.connection().channel();
    }

    Caller caller() {
        return caller;
    }

    /** Ends the connection. Calls that are under way fail with {@link Reason#CANCELED}, and so do later ones. */
    @Override
    public void close() {
        caller.connection().close();
    }

    /** Names the server and the namespace. */
    @Override
    public String toString() {
        return "sessiond at " + caller.connection() + ", namespace " + caller.namespace();
    }

    /** The settings of a client. */
    public static final class Builder {
        private final Settings settings = new Settings();

        private Builder() {}

        /**
         * Where the server is: {@code HOST:PORT}, {@code [V6]:PORT}, {@code http://HOST:PORT}, {@code unix:PATH}, or, over TLS,
         * {@code https://HOST:PORT}. Of several, separated by commas, the first that can be reached is used; they are the
         * processes of one store.
         *
         * @param address the address; left out or empty, the environment variable {@code SESSIOND_ADDR}, or else
         *     {@code 127.0.0.1:50051}
         * @return this builder
         */
        public Builder address(String address) {
            settings.address = address;
            return this;
        }

        /**
         * How {@code https://} addresses are called over TLS.
         *
         * @param tls certificates, keys and the server's name; left out, {@link Tls#DEFAULT}
         * @return this builder
         */
        public Builder tls(Tls tls) {
            settings.tls = Objects.requireNonNull(tls, "tls");
            return this;
        }

        /**
         * The file whose first line is the token by which a server with access rules knows this client. Every call carries it.
         * White space around it is left aside. The file is read again when it has changed: it is looked at before a call if the
         * last look was two seconds ago, and when the server refuses the token.
         *
         * @param file the file; left out or empty, {@code SESSIOND_TOKEN_FILE}, or else none
         * @return this builder
         */
        public Builder tokenFile(Path file) {
            settings.tokenFile = Objects.requireNonNull(file, "file");
            return this;
        }

        /**
         * The token by which a server with access rules knows this client, in place of a file, which can be renewed while the
         * program runs. Every call carries it; nothing prints it.
         *
         * @param token 1 to 256 printable ASCII characters without spaces; left out or empty, {@code SESSIOND_TOKEN}, or else
         *     none
         * @return this builder
         */
        public Builder token(String token) {
            settings.token = Objects.requireNonNull(token, "token");
            return this;
        }

        /**
         * The namespace that the sessions live in.
         *
         * @param namespace its name; left out, "default"
         * @return this builder
         */
        public Builder namespace(String namespace) {
            settings.namespace = namespace;
            return this;
        }

        /**
         * How long a call may take, repetitions included.
         *
         * @param timeout more than 0; left out, a second
         * @return this builder
         */
        public Builder timeout(Duration timeout) {
            settings.timeout = timeout;
            return this;
        }

        /**
         * How often a call is repeated while the store is unavailable.
         *
         * @param retry the rule; left out, {@link Retry#DEFAULT}
         * @return this builder
         */
        public Builder retry(Retry retry) {
            settings.retry = retry;
            return this;
        }

        /**
         * Whether calls travel over the fast lane.
         *
         * @param fastLane false sends every call by itself; left out, true
         * @return this builder
         */
        public Builder fastLane(boolean fastLane) {
            settings.fastLane = fastLane;
            return this;
        }

        /**
         * Has each call carry the trace of the caller's span, so that the server's spans and access lines belong to it. Events are
         * not traced.
         *
         * @param current asked once for each call, in the thread that makes it; answers a map with {@code traceparent} and
         *     {@code tracestate} of W3C Trace Context, or null or an empty map where there is no span. What it throws counts as no
         *     span. Left out, calls carry no trace
         * @return this builder
         */
        public Builder traceContext(Supplier<Map<String, String>> current) {
            settings.traceContext = Objects.requireNonNull(current, "current");
            return this;
        }

        /**
         * Completes the futures of {@link SessiondClient#async()}.
         *
         * @param executor where to complete them; left out, the client's I/O thread
         * @return this builder
         */
        public Builder completionExecutor(Executor executor) {
            settings.completionExecutor = executor;
            return this;
        }

        /**
         * Makes the client. Nothing is connected before the first call.
         *
         * @return the client
         * @throws IllegalArgumentException if a setting is out of its bounds, or a file of the TLS settings or of the token can't be
         *     used
         */
        public SessiondClient build() {
            return new SessiondClient(settings.connect());
        }
    }
}
