package dev.sessiond.spring.session;

/** Number types that the store does not tell apart from {@code int64} and {@code double}: their name is stored beside them. */
enum NumberType {
    LONG(Long.class) {
        @Override
        Object typed(Number number) {
            return number.longValue();
        }
    },
    SHORT(Short.class) {
        @Override
        Object typed(Number number) {
            return number.shortValue();
        }
    },
    BYTE(Byte.class) {
        @Override
        Object typed(Number number) {
            return number.byteValue();
        }
    },
    FLOAT(Float.class) {
        @Override
        Object typed(Number number) {
            return number.floatValue();
        }
    };

    private final Class<?> type;

    NumberType(Class<?> type) {
        this.type = type;
    }

    /** The type to note for a value; null if it comes back as it went without a note. */
    static NumberType of(Object value) {
        if (value instanceof Long number && number.intValue() != number) {
            return null;
        }
        for (NumberType type : values()) {
            if (type.type.isInstance(value)) {
                return type;
            }
        }
        return null;
    }

    /** The type of a name, or null: who knows what another language has put there. */
    static NumberType named(String name) {
        for (NumberType type : values()) {
            if (type.name().equals(name)) {
                return type;
            }
        }
        return null;
    }

    /** The number as the store has it. */
    Object neutral(Number number) {
        return this == FLOAT ? (Object) number.doubleValue() : (Object) number.longValue();
    }

    /** Whether a stored number can be one of this type; another language may have set the attribute since. */
    boolean fits(Number stored) {
        return this == FLOAT
                ? stored instanceof Double
                : stored instanceof Long && neutral((Number) typed(stored)).equals(stored);
    }

    /** The number as Java's type. */
    abstract Object typed(Number number);
}
