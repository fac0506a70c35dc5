package dev.sessiond.client;

import dev.sessiond.v1.Value;

/** A value of a kind that this version of the client does not know. It can be stored again, unchanged. */
public final class UnknownValue {
    private final Value value;

    UnknownValue(Value value) {
        this.value = value;
    }

    Value value() {
        return value;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof UnknownValue unknown && value.equals(unknown.value);
    }

    @Override
    public int hashCode() {
        return value.hashCode();
    }

    /** Does not show the data. */
    @Override
    public String toString() {
        return "UnknownValue";
    }
}
