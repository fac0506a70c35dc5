package dev.sessiond.client;

import dev.sessiond.v1.CreateSessionRequest;
import java.time.Instant;
import java.util.Map;

/** What to create. Everything may be left out. */
public final class NewSession {
    private final CreateSessionRequest request;

    private NewSession(CreateSessionRequest request) {
        this.request = request;
    }

    /**
     * Begins with nothing.
     *
     * @return a builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /** The request; its namespace is left out. */
    CreateSessionRequest request() {
        return request;
    }

    /** Does not show the ID or the data. */
    @Override
    public String toString() {
        return "NewSession[" + request.getAttributesCount() + " attributes]";
    }

    /** Gathers what a session begins with. */
    public static final class Builder {
        private final CreateSessionRequest.Builder request = CreateSessionRequest.newBuilder();

        private Builder() {}

        /**
         * An ID that a framework must choose. Left out, and better so, the server mints one.
         *
         * @param id 16 to 256 printable ASCII characters without spaces; see {@link SessionIds}
         * @return this builder
         */
        public Builder id(String id) {
            request.setSessionId(id);
            return this;
        }

        /**
         * Sets an attribute.
         *
         * @param name 1 to 256 bytes of UTF-8
         * @param value as {@link SessionChange.Builder#setAttribute} describes
         * @return this builder
         * @throws IllegalArgumentException if the value can't be stored
         */
        public Builder attribute(String name, Object value) {
            request.putAttributes(name, Values.encodeAttribute(name, value));
            return this;
        }

        /**
         * Sets attributes.
         *
         * @param attributes values by name, as {@link SessionChange.Builder#setAttribute} describes
         * @return this builder
         * @throws IllegalArgumentException if a value can't be stored
         */
        public Builder attributes(Map<String, ?> attributes) {
            attributes.forEach(this::attribute);
            return this;
        }

        /**
         * The user that the session belongs to.
         *
         * @param principal at most 256 bytes of UTF-8; empty for nobody
         * @return this builder
         */
        public Builder principal(String principal) {
            request.setPrincipal(principal);
            return this;
        }

        /**
         * Sets a label, a short text about the client, to be shown in lists of sessions. At most 16.
         *
         * @param name 1 to 64 bytes of UTF-8
         * @param text at most 256 bytes of UTF-8
         * @return this builder
         */
        public Builder label(String name, String text) {
            request.putLabels(name, text);
            return this;
        }

        /**
         * How long the session lives.
         *
         * @param timeouts the timeouts; left out, the defaults of the namespace hold
         * @return this builder
         */
        public Builder timeouts(Timeouts timeouts) {
            request.setTimeouts(timeouts.message());
            return this;
        }

        /**
         * When the session was made, if that was before this call. An absolute timeout counts from here.
         *
         * @param moment in the past, at most 3,660 days
         * @return this builder
         */
        public Builder createTime(Instant moment) {
            request.setCreateTime(Times.timestamp(moment));
            return this;
        }

        /**
         * When the visitor was last active, if that was before this call. The idle timeout counts from here.
         *
         * @param moment from the creation to now
         * @return this builder
         */
        public Builder lastAccessTime(Instant moment) {
            request.setLastAccessTime(Times.timestamp(moment));
            return this;
        }

        /**
         * Makes the description, which does not change any more.
         *
         * @return what to create
         */
        public NewSession build() {
            return new NewSession(request.build());
        }
    }
}
