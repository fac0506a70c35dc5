package dev.sessiond.spring.session;

import java.io.ObjectInputFilter;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.function.Consumer;
import java.util.regex.Pattern;

/**
 * The classes whose serialized objects are read from a session.
 *
 * <p>Deserialization runs code of the classes that the data names, so whoever can write to the store could run any class of the
 * class path. Only what stands here is read: values and collections of {@code java.base}, the classes that Spring Security and
 * Spring MVC keep in a session, and what the application lists.
 */
public final class AllowedClasses {

    /** How a class, a package or a package with all below it is written. */
    private static final Pattern NAME =
            Pattern.compile("[\\p{L}_$][\\p{L}\\p{N}_$]*(\\.[\\p{L}_$][\\p{L}\\p{N}_$]*)*(\\.\\*{1,2})?");

    /** Bounds on one attribute: what the store takes is far smaller. */
    private static final String BOUNDS = "maxdepth=100;maxrefs=1000000;maxbytes=67108864;maxarray=67108864";

    private static final List<String> JAVA = List.of(
            "!java.lang.Class",
            "java.lang.*",
            "java.math.*",
            "java.time.*",
            "java.time.chrono.*",
            "java.net.URI",
            "java.util.*",
            "java.util.concurrent.*",
            "java.util.concurrent.atomic.*",
            "java.util.concurrent.locks.*",
            "sun.util.calendar.ZoneInfo");

    private static final List<String> SPRING = List.of(
            "org.springframework.security.**",
            "org.springframework.web.servlet.FlashMap",
            "org.springframework.util.LinkedMultiValueMap",
            "org.springframework.util.MultiValueMapAdapter",
            "org.springframework.util.LinkedCaseInsensitiveMap*");

    private final ObjectInputFilter filter;

    private AllowedClasses(Collection<String> more) {
        List<String> patterns = new ArrayList<>(JAVA);
        patterns.addAll(SPRING);
        patterns.addAll(more);
        patterns.add("!*");
        this.filter = ObjectInputFilter.Config.createFilter(BOUNDS + ";" + String.join(";", patterns));
    }

    /**
     * What is always allowed, and nothing else.
     *
     * @return the classes of Java and Spring named above
     */
    public static AllowedClasses defaults() {
        return new AllowedClasses(List.of());
    }

    /**
     * What is always allowed, and more.
     *
     * @param names classes ({@code com.example.Cart}), packages ({@code com.example.*}) or packages with all below them ({@code
     *     com.example.**})
     * @return the classes
     * @throws IllegalArgumentException if a name has another form
     */
    public static AllowedClasses defaultsAnd(Collection<String> names) {
        List<String> patterns = new ArrayList<>();
        for (String name : names) {
            if (!NAME.matcher(name).matches()) {
                throw new IllegalArgumentException(
                        "\"" + name + "\" names no class: write com.example.Cart, com.example.* or com.example.**");
            }
            patterns.add(name);
            if (!name.endsWith("*")) {
                patterns.add(name + "$*");
            }
        }
        return new AllowedClasses(patterns);
    }

    /**
     * The filter for a stream of one attribute; it leaves no class undecided.
     *
     * @param refused told the name of a class that is not allowed
     */
    ObjectInputFilter filter(Consumer<String> refused) {
        return info -> {
            ObjectInputFilter.Status status = filter.checkInput(info);
            Class<?> type = info.serialClass();
            if (type == null) {
                return status;
            }
            if (status == ObjectInputFilter.Status.REJECTED) {
                refused.accept(type.getName());
                return status;
            }
            // Only arrays of primitive types are left undecided.
            return ObjectInputFilter.Status.ALLOWED;
        };
    }

    /**
     * Whether objects of a class are read. What they hold is judged by itself, when they are.
     *
     * @param type any class
     * @return true if they are read
     */
    public boolean allows(Class<?> type) {
        return filter.checkInput(new OneClass(type)) != ObjectInputFilter.Status.REJECTED;
    }

    /** What a filter is asked about a class. */
    private record OneClass(Class<?> serialClass) implements ObjectInputFilter.FilterInfo {
        @Override
        public long arrayLength() {
            return -1;
        }

        @Override
        public long depth() {
            return 1;
        }

        @Override
        public long references() {
            return 1;
        }

        @Override
        public long streamBytes() {
            return 0;
        }
    }
}
