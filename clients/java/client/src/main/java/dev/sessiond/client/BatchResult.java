package dev.sessiond.client;

import java.util.Optional;

/**
 * What became of one item of a batch: a value or an error.
 *
 * @param <T> the type of the value
 */
public final class BatchResult<T> {
    private final T value;
    private final SessiondException error;

    private BatchResult(T value, SessiondException error) {
        this.value = value;
        this.error = error;
    }

    static <T> BatchResult<T> of(T value) {
        return new BatchResult<>(value, null);
    }

    static <T> BatchResult<T> failed(SessiondException error) {
        return new BatchResult<>(null, error);
    }

    /**
     * The value.
     *
     * @return the value
     * @throws SessiondException the item's error, if it failed
     */
    public T get() {
        if (error != null) {
            throw error;
        }
        return value;
    }

    /**
     * Why the item failed.
     *
     * @return the error; empty if there is a value
     */
    public Optional<SessiondException> error() {
        return Optional.ofNullable(error);
    }

    @Override
    public String toString() {
        return "BatchResult[" + (error == null ? value : error) + "]";
    }
}
