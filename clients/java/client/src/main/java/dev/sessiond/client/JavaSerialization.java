package dev.sessiond.client;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.ObjectInputFilter;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.ObjectStreamClass;
import java.io.Serializable;
import java.util.Objects;

/** Java serialisation, for values that no other language can read. They are stored as {@link Opaque}. */
public final class JavaSerialization {
    /** The name of this encoding among those of opaque values. */
    public static final String ENCODING = "java-serialized";

    private JavaSerialization() {}

    /**
     * Makes a value opaque.
     *
     * @param value the value
     * @return its serialised form
     * @throws IllegalArgumentException if the value, or something that it holds, can't be serialised
     */
    public static Opaque encode(Serializable value) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (ObjectOutputStream objects = new ObjectOutputStream(out)) {
            objects.writeObject(value);
        } catch (IOException e) {
            throw new IllegalArgumentException(
                    "a " + value.getClass().getName() + " can't be serialised: " + e.getMessage(), e);
        }
        return Opaque.of(ENCODING, out.toByteArray());
    }

    /**
     * Reads what {@link #encode} has made. Whoever can write to the store could otherwise have any class of the program
     * instantiated, so a filter must say which classes may be.
     *
     * @param opaque the serialised form
     * @param filter which classes may be instantiated; what it leaves undecided is refused
     * @param loader finds the classes
     * @return the value
     * @throws IOException if the data is damaged, or the filter refuses a class ({@link java.io.InvalidClassException})
     * @throws ClassNotFoundException if a class is not there
     * @throws IllegalArgumentException if the encoding is another
     */
    public static Object decode(Opaque opaque, ObjectInputFilter filter, ClassLoader loader)
            throws IOException, ClassNotFoundException {
        Objects.requireNonNull(filter, "filter");
        if (!opaque.encoding().equals(ENCODING)) {
            throw new IllegalArgumentException("it is encoded as " + opaque.encoding() + ", not as " + ENCODING);
        }
        try (ObjectInputStream objects = new LoadingStream(new ByteArrayInputStream(opaque.data()), loader)) {
            objects.setObjectInputFilter(new Strict(filter));
            return objects.readObject();
        }
    }

    /** Refuses classes that a filter leaves undecided. */
    private record Strict(ObjectInputFilter filter) implements ObjectInputFilter {
        @Override
        public Status checkInput(FilterInfo info) {
            Status status = filter.checkInput(info);
            return status == Status.UNDECIDED && info.serialClass() != null ? Status.REJECTED : status;
        }
    }

    private static final class LoadingStream extends ObjectInputStream {
        private final ClassLoader loader;

        LoadingStream(InputStream in, ClassLoader loader) throws IOException {
            super(in);
            this.loader = loader;
        }

        @Override
        protected Class<?> resolveClass(ObjectStreamClass description) throws IOException, ClassNotFoundException {
            try {
                return Class.forName(description.getName(), false, loader);
            } catch (ClassNotFoundException e) {
                // The names of primitive types are no names of classes.
                return super.resolveClass(description);
            }
        }
    }
}
