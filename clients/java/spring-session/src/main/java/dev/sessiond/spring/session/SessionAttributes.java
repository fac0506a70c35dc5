package dev.sessiond.spring.session;

import dev.sessiond.client.Opaque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.springframework.session.SaveMode;
import org.springframework.util.function.SingletonSupplier;

/**
 * The attributes of a session: as they were loaded, each decoded when it is first asked for, and what has changed since.
 *
 * <p>An attribute that can't be read counts as absent. It is not sent, and so stays as it is in the store.
 */
final class SessionAttributes {

    private final AttributeCodec codec;
    private final SaveMode saveMode;
    private final Supplier<Map<String, Object>> stored;

    /** Values in Java, by name; null for one that was removed or can't be read. */
    private final Map<String, @Nullable Object> values = new HashMap<>();

    /** What is to be saved, by name; null for an attribute to be removed. */
    private Map<String, @Nullable Object> changes = new LinkedHashMap<>();

    private final Set<String> noted = new HashSet<>();

    SessionAttributes(SessionSettings settings, Supplier<Map<String, Object>> stored) {
        this.codec = settings.codec;
        this.saveMode = settings.saveMode;
        this.stored = SingletonSupplier.of(stored);
    }

    @Nullable
    Object get(String name) {
        Object value = values.containsKey(name) ? values.get(name) : load(name);
        if (value != null && saveMode == SaveMode.ON_GET_ATTRIBUTE) {
            changes.put(name, value);
        }
        return value;
    }

    private @Nullable Object load(String name) {
        Object found = AttributeCodec.isTypeName(name) ? null : stored.get().get(name);
        Object value = found == null
                ? null
                : codec.decode(name, found, stored.get().get(AttributeCodec.typeName(name)))
                        .orElse(null);
        values.put(name, value);
        return value;
    }

    void set(String name, @Nullable Object value) {
        if (AttributeCodec.isTypeName(name)) {
            throw new IllegalArgumentException(
                    "The name of a session attribute must not begin with \"" + AttributeCodec.TYPE_PREFIX + "\"");
        }
        values.put(name, value);
        changes.put(name, value);
    }

    /** The names of attributes that can be read. */
    Set<String> names() {
        Set<String> names = new HashSet<>();
        stored.get().forEach((name, value) -> {
            boolean readable = value instanceof Opaque || values.containsKey(name) ? peek(name) != null : value != null;
            if (readable && !AttributeCodec.isTypeName(name)) {
                names.add(name);
            }
        });
        values.forEach((name, value) -> {
            if (value != null) {
                names.add(name);
            }
        });
        return names;
    }

    private @Nullable Object peek(String name) {
        return values.containsKey(name) ? values.get(name) : load(name);
    }

    boolean isChanged() {
        return !changes.isEmpty();
    }

    boolean isSetTo(String name, Object value) {
        return value.equals(changes.get(name));
    }

    /** What is to be saved now. It counts as saved from here on, unless it is {@linkplain #restore put back}. */
    Map<String, @Nullable Object> take() {
        if (saveMode == SaveMode.ALWAYS) {
            names().forEach(name -> changes.putIfAbsent(name, peek(name)));
        }
        Map<String, @Nullable Object> taken = changes;
        changes = new LinkedHashMap<>();
        return taken;
    }

    /** Puts back what could not be saved; what was changed since is newer. */
    void restore(Map<String, @Nullable Object> taken) {
        taken.forEach((name, value) -> {
            if (!changes.containsKey(name)) {
                changes.put(name, value);
            }
        });
    }

    /**
     * Turns changes into values of the store.
     *
     * @param set takes the values to set
     * @param remove takes the names to remove
     */
    void encode(Map<String, @Nullable Object> taken, Map<String, Object> set, Set<String> remove) {
        taken.forEach((name, value) -> {
            String typeName = AttributeCodec.typeName(name);
            if (value != null) {
                codec.encode(name, value, set, remove);
                if (set.containsKey(typeName)) {
                    noted.add(typeName);
                }
                return;
            }
            remove.add(name);
            if (noted.contains(typeName) || stored.get().containsKey(typeName)) {
                remove.add(typeName);
            }
        });
    }
}
