package dev.sessiond.client;

import java.util.Map;

/**
 * A change of a session's data, carried out as one atomic step. What it does not name stays as it is, so two changes of
 * different attributes both survive.
 */
public final class SessionChange {
    private final dev.sessiond.v1.SessionChange message;

    private SessionChange(dev.sessiond.v1.SessionChange message) {
        this.message = message;
    }

    /**
     * Begins with no change.
     *
     * @return a builder
     */
    public static Builder builder() {
        return new Builder();
    }

    dev.sessiond.v1.SessionChange message() {
        return message;
    }

    /** Does not show the data. */
    @Override
    public String toString() {
        return "SessionChange[sets " + message.getSetAttributesCount() + " attributes, removes "
                + message.getRemoveAttributesCount() + "]";
    }

    /** Gathers what a change does. */
    public static final class Builder {
        private final dev.sessiond.v1.SessionChange.Builder message = dev.sessiond.v1.SessionChange.newBuilder();

        private Builder() {}

        /**
         * Sets an attribute, whatever it was before. Values are language-neutral, so that other languages can read them:
         *
         * <table>
         *   <caption>How values are stored, and what comes back</caption>
         *   <tr><th>value</th><th>stored as</th><th>comes back as</th></tr>
         *   <tr><td>null, Boolean, String</td><td>the same</td><td>the same</td></tr>
         *   <tr><td>Long, Integer, Short, Byte</td><td>a whole number of 64 bits</td><td>Long</td></tr>
         *   <tr><td>Double, Float</td><td>a double; 1 and 1.0 stay different</td><td>Double</td></tr>
         *   <tr><td>byte[]</td><td>bytes</td><td>byte[]</td></tr>
         *   <tr><td>Instant</td><td>a time, with its nanoseconds; of the years 1 to 9999</td><td>Instant</td></tr>
         *   <tr><td>Collection, Object[]</td><td>a list</td><td>List</td></tr>
         *   <tr><td>Map with String keys</td><td>a map, in its order</td><td>Map, in its order</td></tr>
         *   <tr><td>{@link Opaque}, {@link UnknownValue}</td><td>as they were</td><td>the same</td></tr>
         * </table>
         *
         * @param name 1 to 256 bytes of UTF-8; it may not also be removed
         * @param value the value; it is copied, and nests at most 30 levels deep
         * @return this builder
         * @throws IllegalArgumentException if the value is none of these; {@link JavaSerialization} makes it opaque
         */
        public Builder setAttribute(String name, Object value) {
            message.putSetAttributes(name, Values.encodeAttribute(name, value));
            return this;
        }

        /**
         * Sets attributes.
         *
         * @param attributes values by name, as {@link #setAttribute} describes
         * @return this builder
         * @throws IllegalArgumentException if a value can't be stored
         */
        public Builder setAttributes(Map<String, ?> attributes) {
            attributes.forEach(this::setAttribute);
            return this;
        }

        /**
         * Removes an attribute.
         *
         * @param name its name; one that is not there is ignored
         * @return this builder
         */
        public Builder removeAttribute(String name) {
            message.addRemoveAttributes(name);
            return this;
        }

        /**
         * Removes every attribute before others are set: with it, the change replaces the whole data.
         *
         * @return this builder
         */
        public Builder clearAttributes() {
            message.setClearAttributes(true);
            return this;
        }

        /**
         * Sets the user that the session belongs to.
         *
         * @param principal at most 256 bytes of UTF-8; the empty text removes it
         * @return this builder
         */
        public Builder setPrincipal(String principal) {
            message.setPrincipal(principal);
            return this;
        }

        /**
         * Removes the user that the session belongs to.
         *
         * @return this builder
         */
        public Builder removePrincipal() {
            return setPrincipal("");
        }

        /**
         * Sets a label, a short text about the client, to be shown in lists of sessions. At most 16 a session.
         *
         * @param name 1 to 64 bytes of UTF-8
         * @param text at most 256 bytes of UTF-8
         * @return this builder
         */
        public Builder setLabel(String name, String text) {
            message.putSetLabels(name, text);
            return this;
        }

        /**
         * Removes a label.
         *
         * @param name its name; one that is not there is ignored
         * @return this builder
         */
        public Builder removeLabel(String name) {
            message.addRemoveLabels(name);
            return this;
        }

        /**
         * Replaces both timeouts.
         *
         * @param timeouts the new ones; a bound that is left out returns to the default of the namespace
         * @return this builder
         */
        public Builder setTimeouts(Timeouts timeouts) {
            message.setTimeouts(timeouts.message());
            return this;
        }

        /**
         * Makes the change, which does not change any more.
         *
         * @return the change
         */
        public SessionChange build() {
            return new SessionChange(message.build());
        }
    }
}
