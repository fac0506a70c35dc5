package dev.sessiond.spring.session;

import dev.sessiond.client.JavaSerialization;
import dev.sessiond.client.Opaque;
import java.io.IOException;
import java.io.InvalidClassException;
import java.io.Serializable;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.commons.logging.Log;
import org.apache.commons.logging.LogFactory;

/**
 * Maps attributes to values of the store and back, so that each comes back as the Java type that it was.
 *
 * <p>What every language has is stored as such, see {@link NeutralValues}. For a {@code Long}, {@code Short}, {@code Byte} or
 * {@code Float} the type is noted in a second attribute beside it, {@code java-type:NAME}. Everything else is serialized, and opaque to
 * other languages.
 */
final class AttributeCodec {

    /** Begins the name of an attribute that notes the Java type of another. */
    static final String TYPE_PREFIX = "java-type:";

    /** The most bytes of UTF-8 that the name of an attribute can have. */
    private static final int LONGEST_NAME = 256;

    /** Warnings are remembered so that each stands in the log once; beyond so many there are no more. */
    private static final int MOST_WARNINGS = 1_000;

    private static final String ADVICE = "its class is not allowed; list it in spring.session.sessiond.allowed-classes";

    private static final Log logger = LogFactory.getLog(AttributeCodec.class);

    private final AllowedClasses allowed;
    private final ClassLoader classLoader;
    private final Set<String> warned = ConcurrentHashMap.newKeySet();

    AttributeCodec(AllowedClasses allowed, ClassLoader classLoader) {
        this.allowed = allowed;
        this.classLoader = classLoader;
    }

    /** The name of the attribute that notes the Java type of another. */
    static String typeName(String name) {
        return TYPE_PREFIX + name;
    }

    static boolean isTypeName(String name) {
        return name.startsWith(TYPE_PREFIX);
    }

    /**
     * Adds an attribute to the values that are sent.
     *
     * @param set takes the values
     * @param remove takes the names of attributes that must not stay
     * @throws IllegalArgumentException if the value is not serializable
     */
    void encode(String name, Object value, Map<String, Object> set, Set<String> remove) {
        String typeName = typeName(name);
        NumberType type = NumberType.of(value);
        if (type != null && typeName.length() * 3 <= LONGEST_NAME) {
            set.put(name, type.neutral((Number) value));
            set.put(typeName, type.name());
            return;
        }
        if (value instanceof Integer) {
            // A note that another request made would turn it into something else.
            remove.add(typeName);
        }
        Optional<Object> neutral = NeutralValues.encode(value);
        set.put(name, neutral.isPresent() ? neutral.get() : serialize(name, value));
    }

    private Opaque serialize(String name, Object value) {
        if (!(value instanceof Serializable serializable)) {
            throw new IllegalArgumentException("The session attribute \"" + name + "\" can't be stored: "
                    + value.getClass().getName() + " is not Serializable");
        }
        if (!allowed.allows(value.getClass())) {
            warn(name, value.getClass().getName(), "will not be read back: " + ADVICE);
        }
        try {
            return JavaSerialization.encode(serializable);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "The session attribute \"" + name + "\" can't be stored: " + e.getMessage(), e);
        }
    }

    /**
     * Reads an attribute.
     *
     * @param stored the value as it came from the store; not null
     * @param type what the attribute {@code java-type:NAME} says, or null
     * @return the value; empty if it can't be read, which is logged once
     */
    Optional<Object> decode(String name, Object stored, Object type) {
        if (stored instanceof Opaque opaque) {
            return deserialize(name, opaque);
        }
        if (type instanceof String typed && stored instanceof Number number) {
            NumberType known = NumberType.named(typed);
            if (known != null && known.fits(number)) {
                return Optional.of(known.typed(number));
            }
        }
        return Optional.of(NeutralValues.decode(stored));
    }

    private Optional<Object> deserialize(String name, Opaque opaque) {
        if (!opaque.encoding().equals(JavaSerialization.ENCODING)) {
            warn(name, opaque.encoding(), "is left alone: it was stored by another language");
            return Optional.empty();
        }
        AtomicReference<String> refused = new AtomicReference<>();
        try {
            return Optional.ofNullable(JavaSerialization.decode(opaque, allowed.filter(refused::set), classLoader));
        } catch (IOException | ClassNotFoundException | RuntimeException | LinkageError e) {
            // The data is a stranger's as far as this code knows: whatever its reading throws is no fault of the
            // request.
            if (refused.get() != null) {
                warn(name, refused.get(), "counts as absent, and stays in the store: " + ADVICE);
            } else {
                warn(name, reason(e), "can't be read: it counts as absent, and stays in the store");
            }
            return Optional.empty();
        }
    }

    /** The kind of fault, and the class that it is about; other messages of Java can hold values. */
    private static String reason(Throwable e) {
        String kind = e.getClass().getSimpleName();
        boolean namesClass = e instanceof ClassNotFoundException || e instanceof InvalidClassException;
        return namesClass && e.getMessage() != null ? kind + ": " + e.getMessage() : kind;
    }

    private void warn(String name, String what, String problem) {
        if (warned.size() < MOST_WARNINGS && warned.add(name + '\n' + what)) {
            logger.warn("The session attribute \"" + name + "\" (" + what + ") " + problem + ".");
        }
    }
}
