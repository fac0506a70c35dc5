package dev.sessiond.client;

import dev.sessiond.v1.LockSessionResponse;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/**
 * An exclusive lease on a session, to be closed: {@code try (SessionLock lock = client.lock(id)) { … }}. It binds those who
 * ask for it: an update with {@link UpdateOptions#underLock} is refused once the lock is lost; an update without is never held
 * up. A lease ends by itself, and with the server.
 */
public final class SessionLock implements AutoCloseable {
    private final SessiondAsyncClient client;
    private final String id;
    private final Secret token;
    private final Session session;
    private volatile Instant expireTime;

    SessionLock(SessiondAsyncClient client, String id, LockSessionResponse answer) {
        this.client = client;
        this.id = id;
        token = Secret.of(answer.getLockToken());
        session = answer.hasSession() ? new Session(answer.getSession(), true) : null;
        expireTime = Times.instant(answer.getExpireTime());
    }

    /**
     * Names the lock, in updates.
     *
     * @return the token of the lock
     */
    public Secret token() {
        return token;
    }

    /**
     * When the lease ends by itself.
     *
     * @return the moment, as the last renewal told it
     */
    public Instant expireTime() {
        return expireTime;
    }

    /**
     * The session as it was once the lock was taken.
     *
     * @return the session, with its attributes; empty without {@link LockOptions#withSession()}
     */
    public Optional<Session> session() {
        return Optional.ofNullable(session);
    }

    /**
     * Lets the lease start again from now.
     *
     * @param lease 100 ms to 60 s
     * @throws SessiondException with {@link Reason#LOCK_LOST} if the lock no longer holds
     */
    public void renew(Duration lease) {
        expireTime = Caller.await(client.renewLock(id, token, lease)).expireTime();
    }

    /**
     * Releases the lock.
     *
     * @return whether it still held
     * @throws SessiondException if the server could not be asked
     */
    public boolean unlock() {
        return Caller.await(client.unlock(id, token));
    }

    /** Releases the lock. Where that fails the lease ends by itself, and nothing is thrown. */
    @Override
    public void close() {
        try {
            unlock();
        } catch (SessiondException e) {
            // The block may have failed for a reason of its own, which this must not hide.
        }
    }

    /** Does not show the ID or the token. */
    @Override
    public String toString() {
        return "SessionLock[expireTime=" + expireTime + "]";
    }
}
