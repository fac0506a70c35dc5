package dev.sessiond.client;

import dev.sessiond.v1.BatchDeleteSessionsRequest;
import dev.sessiond.v1.BatchGetSessionsRequest;
import dev.sessiond.v1.CountSessionsRequest;
import dev.sessiond.v1.DeleteSessionRequest;
import dev.sessiond.v1.GetStatisticsRequest;
import dev.sessiond.v1.HandleScope;
import dev.sessiond.v1.IssueCsrfTokenRequest;
import dev.sessiond.v1.IssueHandoffRequest;
import dev.sessiond.v1.LockSessionRequest;
import dev.sessiond.v1.NamespaceScope;
import dev.sessiond.v1.PrincipalScope;
import dev.sessiond.v1.RedeemHandoffRequest;
import dev.sessiond.v1.RevokeSessionsRequest;
import dev.sessiond.v1.SweepNowRequest;
import dev.sessiond.v1.TouchSessionRequest;
import dev.sessiond.v1.UnlockSessionRequest;
import dev.sessiond.v1.VerifyCsrfTokenRequest;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * The calls of {@link SessiondClient}, which describes them, without waiting: each answers a future.
 *
 * <p>A future fails with a {@link SessiondException}, and ends within the client's timeout. Canceling it gives the call up;
 * it may have been carried out. Futures are completed by the client's I/O thread, unless
 * {@link SessiondClient.Builder#completionExecutor} names another: what depends on them must not block, and a blocking call
 * of this client is refused there.
 */
public final class SessiondAsyncClient {
    private final Caller caller;

    SessiondAsyncClient(Caller caller) {
        this.caller = caller;
    }

    /**
     * The same connection, with another namespace.
     *
     * @param namespace 1 to 63 of the characters a-z, 0-9, '-', '_' and '.', beginning with a letter or digit
     * @return a client that shares this one's connection
     */
    public SessiondAsyncClient withNamespace(String namespace) {
        return new SessiondAsyncClient(caller.withNamespace(namespace));
    }

    /**
     * The same connection, with another timeout.
     *
     * @param timeout how long a call may take, repetitions included; more than 0
     * @return a client that shares this one's connection
     */
    public SessiondAsyncClient withTimeout(Duration timeout) {
        return new SessiondAsyncClient(caller.withTimeout(timeout));
    }

    /**
     * Makes an empty session.
     *
     * @return the session and its ID
     * @see SessiondClient#create(NewSession)
     */
    public CompletableFuture<IssuedSession> create() {
        return create(session -> {});
    }

    /**
     * Makes a session.
     *
     * @param session fills in what to create
     * @return the session and its ID
     * @see SessiondClient#create(NewSession)
     */
    public CompletableFuture<IssuedSession> create(Consumer<NewSession.Builder> session) {
        NewSession.Builder builder = NewSession.builder();
        session.accept(builder);
        return create(builder.build());
    }

    /**
     * Makes a session.
     *
     * @param session what to create
     * @return the session and its ID
     * @see SessiondClient#create(NewSession)
     */
    public CompletableFuture<IssuedSession> create(NewSession session) {
        return caller.call(
                Methods.CREATE,
                session.request().toBuilder().setNamespace(caller.namespace()).build(),
                answer -> new IssuedSession(Secret.of(answer.getSessionId()), new Session(answer.getSession(), false)));
    }

    /**
     * Reads a session and slides its idle timeout.
     *
     * @param id the session's ID
     * @return the session
     * @see SessiondClient#get(String, ReadOptions)
     */
    public CompletableFuture<Session> get(String id) {
        return get(id, ReadOptions.TOUCH);
    }

    /**
     * Reads a session.
     *
     * @param id the session's ID
     * @param options how to read
     * @return the session
     * @see SessiondClient#get(String, ReadOptions)
     */
    public CompletableFuture<Session> get(String id, ReadOptions options) {
        boolean omits = options.request().getOmitAttributes();
        return caller.call(
                Methods.GET,
                options.request().toBuilder()
                        .setNamespace(caller.namespace())
                        .setSessionId(id)
                        .build(),
                answer -> new Session(answer.getSession(), !omits && !answer.getNotModified()));
    }

    /**
     * Changes a session.
     *
     * @param id the session's ID
     * @param change fills in the change
     * @return the session after the change, without attributes
     * @see SessiondClient#update(String, SessionChange, UpdateOptions)
     */
    public CompletableFuture<Session> update(String id, Consumer<SessionChange.Builder> change) {
        SessionChange.Builder builder = SessionChange.builder();
        change.accept(builder);
        return update(id, builder.build(), UpdateOptions.DEFAULT);
    }

    /**
     * Changes a session.
     *
     * @param id the session's ID
     * @param change the change
     * @return the session after the change, without attributes
     * @see SessiondClient#update(String, SessionChange, UpdateOptions)
     */
    public CompletableFuture<Session> update(String id, SessionChange change) {
        return update(id, change, UpdateOptions.DEFAULT);
    }

    /**
     * Changes a session on a condition.
     *
     * @param id the session's ID
     * @param change the change
     * @param options the condition
     * @return the session after the change, without attributes
     * @see SessiondClient#update(String, SessionChange, UpdateOptions)
     */
    public CompletableFuture<Session> update(String id, SessionChange change, UpdateOptions options) {
        return caller.call(
                Methods.UPDATE,
                options.request().toBuilder()
                        .setNamespace(caller.namespace())
                        .setSessionId(id)
                        .setChange(change.message())
                        .build(),
                answer -> new Session(answer.getSession(), false));
    }

    /**
     * Slides a session's idle timeout.
     *
     * @param id the session's ID
     * @return when the session ends, and its version
     * @see SessiondClient#touch(String)
     */
    public CompletableFuture<TouchResult> touch(String id) {
        return caller.call(
                Methods.TOUCH,
                TouchSessionRequest.newBuilder()
                        .setNamespace(caller.namespace())
                        .setSessionId(id)
                        .build(),
                answer -> new TouchResult(Times.instant(answer.getExpireTime()), answer.getVersion()));
    }

    /**
     * Gives a session a new ID.
     *
     * @param id the session's present ID
     * @return the session, without attributes, and its new ID
     * @see SessiondClient#rotate(String, RotateOptions)
     */
    public CompletableFuture<IssuedSession> rotate(String id) {
        return rotate(id, RotateOptions.DEFAULT);
    }

    /**
     * Gives a session a new ID.
     *
     * @param id the session's present ID
     * @param options how to rotate
     * @return the session, without attributes, and its new ID
     * @see SessiondClient#rotate(String, RotateOptions)
     */
    public CompletableFuture<IssuedSession> rotate(String id, RotateOptions options) {
        return caller.call(
                Methods.ROTATE,
                options.request().toBuilder()
                        .setNamespace(caller.namespace())
                        .setSessionId(id)
                        .build(),
                answer -> new IssuedSession(Secret.of(answer.getSessionId()), new Session(answer.getSession(), false)));
    }

    /**
     * Ends a session.
     *
     * @param id the session's ID
     * @return whether there was one
     * @see SessiondClient#delete(String)
     */
    public CompletableFuture<Boolean> delete(String id) {
        return delete(DeleteSessionRequest.newBuilder().setSessionId(id));
    }

    /**
     * Ends a session by its handle.
     *
     * @param handle the session's handle
     * @return whether there was one
     * @see SessiondClient#deleteByHandle(String)
     */
    public CompletableFuture<Boolean> deleteByHandle(String handle) {
        return delete(DeleteSessionRequest.newBuilder().setHandle(handle));
    }

    private CompletableFuture<Boolean> delete(DeleteSessionRequest.Builder request) {
        return caller.call(
                Methods.DELETE,
                request.setNamespace(caller.namespace()).setAllowMissing(true).build(),
                answer -> answer.getDeleted());
    }

    /**
     * Reads many sessions at once.
     *
     * @param ids 1 to 1,000 IDs
     * @param options how to read; only {@link ReadOptions#TOUCH} and {@link ReadOptions#PEEK} count
     * @return a result for each ID, in their order
     * @see SessiondClient#batchGet(Collection, ReadOptions)
     */
    public CompletableFuture<List<BatchResult<Session>>> batchGet(Collection<String> ids, ReadOptions options) {
        return caller.call(
                Methods.BATCH_GET,
                BatchGetSessionsRequest.newBuilder()
                        .setNamespace(caller.namespace())
                        .addAllSessionIds(ids)
                        .setAccess(options.request().getAccess())
                        .build(),
                answer -> answer.getResultsList().stream().map(Batches::session).toList());
    }

    /**
     * Ends many sessions at once.
     *
     * @param ids 1 to 1,000 IDs
     * @return for each ID, in their order, whether there was a session
     * @see SessiondClient#batchDelete(Collection)
     */
    public CompletableFuture<List<BatchResult<Boolean>>> batchDelete(Collection<String> ids) {
        return caller.call(
                Methods.BATCH_DELETE,
                BatchDeleteSessionsRequest.newBuilder()
                        .setNamespace(caller.namespace())
                        .addAllSessionIds(ids)
                        .build(),
                answer -> answer.getResultsList().stream().map(Batches::deleted).toList());
    }

    /**
     * Reads a page of a list of live sessions.
     *
     * @param options which sessions, and how
     * @param pageToken the token of the page before; empty for the first
     * @return the page
     * @see SessiondClient#listPage(ListOptions, String)
     */
    public CompletableFuture<SessionPage> listPage(ListOptions options, String pageToken) {
        boolean shown = options.showsAttributes();
        return caller.call(
                Methods.LIST,
                options.request().toBuilder()
                        .setNamespace(caller.namespace())
                        .setPageToken(pageToken)
                        .build(),
                answer -> new SessionPage(
                        answer.getSessionsList().stream()
                                .map(session -> new Session(session, shown))
                                .toList(),
                        answer.getNextPageToken()));
    }

    /**
     * Counts the live sessions of the namespace.
     *
     * @return how many there are
     * @see SessiondClient#count()
     */
    public CompletableFuture<Long> count() {
        return count("");
    }

    /**
     * Counts the live sessions of a user.
     *
     * @param principal the user; empty for all of the namespace
     * @return how many there are
     * @see SessiondClient#count(String)
     */
    public CompletableFuture<Long> count(String principal) {
        return caller.call(
                Methods.COUNT,
                CountSessionsRequest.newBuilder()
                        .setNamespace(caller.namespace())
                        .setPrincipal(principal)
                        .build(),
                answer -> answer.getCount());
    }

    /**
     * Ends all sessions of a user.
     *
     * @param principal the user
     * @return how many this call ended
     * @see SessiondClient#revoke(String)
     */
    public CompletableFuture<Long> revoke(String principal) {
        return revokeOthers(principal, "");
    }

    /**
     * Ends all sessions of a user but one.
     *
     * @param principal the user
     * @param exceptId the ID of the session to leave alone
     * @return how many this call ended
     * @see SessiondClient#revokeOthers(String, String)
     */
    public CompletableFuture<Long> revokeOthers(String principal, String exceptId) {
        return revoke(RevokeSessionsRequest.newBuilder()
                .setPrincipal(
                        PrincipalScope.newBuilder().setPrincipal(principal).setExceptSessionId(exceptId)));
    }

    /**
     * Ends the sessions with these handles.
     *
     * @param handles 1 to 1,000 handles
     * @return how many this call ended
     * @see SessiondClient#revokeHandles(Collection)
     */
    public CompletableFuture<Long> revokeHandles(Collection<String> handles) {
        return revoke(RevokeSessionsRequest.newBuilder()
                .setHandles(HandleScope.newBuilder().addAllHandles(handles)));
    }

    /**
     * Ends every session of the namespace.
     *
     * @return how many this call ended
     * @see SessiondClient#revokeNamespace()
     */
    public CompletableFuture<Long> revokeNamespace() {
        return revoke(RevokeSessionsRequest.newBuilder().setWholeNamespace(NamespaceScope.getDefaultInstance()));
    }

    private CompletableFuture<Long> revoke(RevokeSessionsRequest.Builder request) {
        return caller.call(
                Methods.REVOKE, request.setNamespace(caller.namespace()).build(), answer -> answer.getRevoked());
    }

    /**
     * Tells a listener what happens to sessions.
     *
     * @param options what to watch
     * @param listener is told
     * @return ends the watch when it is closed
     * @see SessiondClient#watch(WatchOptions, SessionEventListener)
     */
    public EventSubscription watch(WatchOptions options, SessionEventListener listener) {
        return EventSubscription.start(new EventStream(caller, options), listener);
    }

    /**
     * Takes a lock.
     *
     * @param id the session's ID
     * @param options how to take it
     * @return the lock
     * @see SessiondClient#lock(String, LockOptions)
     */
    public CompletableFuture<SessionLock> lock(String id, LockOptions options) {
        Duration wait = Times.duration(options.request().getWait());
        Caller patient =
                wait.isNegative() ? caller : caller.withTimeout(caller.timeout().plus(wait));
        return lock(patient, options.request().toBuilder().setSessionId(id));
    }

    /**
     * Lets the lease of a lock start again from now.
     *
     * @param id the session's ID
     * @param token the token of the lock, which stays
     * @param lease 100 ms to 60 s
     * @return the lock, which takes the place of the earlier one
     * @see SessionLock#renew(Duration)
     */
    public CompletableFuture<SessionLock> renewLock(String id, Secret token, Duration lease) {
        return lock(
                caller,
                LockSessionRequest.newBuilder()
                        .setSessionId(id)
                        .setLockToken(token.value())
                        .setLease(Times.duration(lease)));
    }

    private CompletableFuture<SessionLock> lock(Caller patient, LockSessionRequest.Builder request) {
        String id = request.getSessionId();
        return patient.call(
                Methods.LOCK,
                request.setNamespace(caller.namespace()).build(),
                answer -> new SessionLock(new SessiondAsyncClient(caller.completingDirectly()), id, answer));
    }

    /**
     * Releases a lock.
     *
     * @param id the session's ID; a new one after a rotation is fine
     * @param token the token of the lock
     * @return whether the lock still held
     * @see SessionLock#unlock()
     */
    public CompletableFuture<Boolean> unlock(String id, Secret token) {
        return caller.call(
                Methods.UNLOCK,
                UnlockSessionRequest.newBuilder()
                        .setNamespace(caller.namespace())
                        .setSessionId(id)
                        .setLockToken(token.value())
                        .build(),
                answer -> answer.getReleased());
    }

    /**
     * Issues a ticket by which another domain gets its own ID of the same session.
     *
     * @param id the session's ID
     * @param audience who may redeem the ticket
     * @param lifetime how long it can be redeemed: 1 s to 5 min
     * @return the ticket
     * @see SessiondClient#issueHandoff(String, String, Duration)
     */
    public CompletableFuture<HandoffTicket> issueHandoff(String id, String audience, Duration lifetime) {
        return caller.call(
                Methods.ISSUE_HANDOFF,
                IssueHandoffRequest.newBuilder()
                        .setNamespace(caller.namespace())
                        .setSessionId(id)
                        .setAudience(audience)
                        .setLifetime(Times.duration(lifetime))
                        .build(),
                answer -> new HandoffTicket(Secret.of(answer.getTicket()), Times.instant(answer.getExpireTime())));
    }

    /**
     * Exchanges a ticket for an ID of the session.
     *
     * @param ticket the ticket
     * @param audience who redeems it
     * @return the session, with its attributes, and the domain's own ID of it
     * @see SessiondClient#redeemHandoff(Secret, String)
     */
    public CompletableFuture<IssuedSession> redeemHandoff(Secret ticket, String audience) {
        return caller.call(
                Methods.REDEEM_HANDOFF,
                RedeemHandoffRequest.newBuilder()
                        .setNamespace(caller.namespace())
                        .setTicket(ticket.value())
                        .setAudience(audience)
                        .build(),
                answer -> new IssuedSession(Secret.of(answer.getSessionId()), new Session(answer.getSession(), true)));
    }

    /**
     * Issues a token against cross-site request forgery.
     *
     * @param id the session's ID
     * @return the token
     * @see SessiondClient#issueCsrfToken(String)
     */
    public CompletableFuture<String> issueCsrfToken(String id) {
        return caller.call(
                Methods.ISSUE_CSRF,
                IssueCsrfTokenRequest.newBuilder()
                        .setNamespace(caller.namespace())
                        .setSessionId(id)
                        .build(),
                answer -> answer.getToken());
    }

    /**
     * Verifies such a token.
     *
     * @param id the session's ID
     * @param token the token that came with the request
     * @return whether it was issued for this session under this ID
     * @see SessiondClient#verifyCsrfToken(String, String)
     */
    public CompletableFuture<Boolean> verifyCsrfToken(String id, String token) {
        return caller.call(
                Methods.VERIFY_CSRF,
                VerifyCsrfTokenRequest.newBuilder()
                        .setNamespace(caller.namespace())
                        .setSessionId(id)
                        .setToken(token)
                        .build(),
                answer -> answer.getValid());
    }

    /**
     * Asks the server what it holds and does.
     *
     * @return the figures
     * @see SessiondClient#statistics()
     */
    public CompletableFuture<Statistics> statistics() {
        return caller.call(Methods.STATISTICS, GetStatisticsRequest.getDefaultInstance(), Statistics::new);
    }

    /**
     * Removes every session that has expired by now.
     *
     * @return how many this call removed
     * @see SessiondClient#sweepNow()
     */
    public CompletableFuture<Long> sweepNow() {
        return caller.call(Methods.SWEEP, SweepNowRequest.getDefaultInstance(), answer -> answer.getRemoved());
    }
}
