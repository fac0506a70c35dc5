package dev.sessiond.spring.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.sessiond.client.JavaSerialization;
import dev.sessiond.client.Opaque;
import dev.sessiond.client.SessiondClient;
import java.io.ObjectInputStream;
import java.io.Serializable;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.security.authentication.BadCredentialsException;
import org.springframework.security.web.csrf.DefaultCsrfToken;
import org.springframework.session.SaveMode;
import org.springframework.web.servlet.FlashMap;

@ExtendWith(OutputCaptureExtension.class)
class AttributesTest {

    private final SessiondClient client = SessiondServer.shared().client();
    private final SessiondIndexedSessionRepository repository = new SessiondIndexedSessionRepository(client);

    @AfterEach
    void close() {
        client.close();
    }

    static Stream<Object> values() {
        return Stream.of(
                "text",
                "",
                "Gr\u00fc\u00dfe \ud83d\ude80",
                "half \ud800",
                true,
                1,
                -1,
                0,
                Integer.MAX_VALUE,
                Integer.MIN_VALUE,
                1L,
                0L,
                -5L,
                Long.MAX_VALUE,
                1L << 31,
                (short) 3,
                (byte) 4,
                2.5f,
                Float.NaN,
                2.5,
                -0.0,
                Double.NaN,
                'x',
                new BigDecimal("1.10"),
                BigInteger.TEN,
                Instant.parse("2026-11-27T12:00:00.123456789Z"),
                Instant.MAX,
                Duration.ofSeconds(5),
                LocalDate.of(2026, 11, 27),
                new Date(5),
                UUID.randomUUID(),
                Locale.GERMANY,
                TimeUnit.DAYS,
                new ArrayList<>(Arrays.asList("a", 1, 2.5, null, true)),
                new ArrayList<>(List.of(1L)),
                new HashSet<>(Set.of("a", "b")),
                new LinkedHashMap<>(Map.of("a", 1)),
                new TreeMap<>(Map.of("b", 2)),
                new ConcurrentHashMap<>(Map.of("c", 3)),
                new HashMap<>(Map.of(1, "key that is no text")),
                new LinkedHashMap<>(Map.of("nested", new ArrayList<>(List.of(1)))),
                new DefaultCsrfToken("X-CSRF", "_csrf", "token").getHeaderName(),
                new FlashMap());
    }

    private Object back(Object value) {
        SessiondSession session = repository.createSession();
        session.setAttribute("name", value);
        repository.save(session);
        SessiondSession found = repository.findById(session.getId());
        assertThat(found.getAttributeNames()).containsExactly("name");
        return found.getAttribute("name");
    }

    @ParameterizedTest
    @MethodSource("values")
    void aValueComesBackAsItsOwnType(Object value) {
        assertThat(back(value)).isEqualTo(value).hasSameClassAs(value);
    }

    @Test
    void collectionsComeBackAsEqualOnes() {
        assertThat(back(new HashMap<>(Map.of("a", 1))))
                .isInstanceOf(HashMap.class)
                .isEqualTo(Map.of("a", 1));
        assertThat(back(List.of("a", "b"))).isEqualTo(List.of("a", "b"));
        assertThat(back(Map.of("a", List.of(1)))).isEqualTo(Map.of("a", List.of(1)));
        assertThat((byte[]) back(new byte[] {1, 2})).containsExactly(1, 2);
        assertThat((int[]) back(new int[] {1, 2})).containsExactly(1, 2);
        assertThat((Throwable) back(new BadCredentialsException("wrong")))
                .isInstanceOf(BadCredentialsException.class)
                .hasMessage("wrong");
    }

    @Test
    void otherLanguagesReadWhatIsNeutral() {
        SessiondSession session = repository.createSession();
        session.setAttribute("visits", 3);
        session.setAttribute("user", 42L);
        session.setAttribute("cart", new ArrayList<>(List.of(Map.of("sku", "A-1", "count", 2))));
        repository.save(session);
        Map<String, Object> stored = client.get(session.getId()).attributes();
        assertThat(stored).containsEntry("visits", 3L).containsEntry("user", 42L);
        assertThat(stored.get("cart")).isEqualTo(List.of(Map.of("sku", "A-1", "count", 2L)));
    }

    @Test
    void aNoteOfATypeDoesNotOutliveIt() {
        SessiondSession session = repository.createSession();
        session.setAttribute("n", 42L);
        repository.save(session);
        SessiondSession copy = repository.findById(session.getId());
        copy.setAttribute("n", 43);
        repository.save(copy);
        assertThat(repository.findById(session.getId()).<Object>getAttribute("n"))
                .isEqualTo(43);
        session.setAttribute("n", 44L);
        repository.save(session);
        client.update(session.getId(), change -> change.setAttribute("n", "another language was here"));
        assertThat(repository.findById(session.getId()).<Object>getAttribute("n"))
                .isEqualTo("another language was here");
        session.removeAttribute("n");
        repository.save(session);
        assertThat(client.get(session.getId()).attributes()).isEmpty();
        assertThatIllegalArgumentException().isThrownBy(() -> session.setAttribute("java-type:n", "LONG"));
    }

    @Test
    void whatIsNotSerializableIsRefusedByName() {
        SessiondSession session = repository.createSession();
        session.setAttribute("thread", new ArrayList<>(List.of(new Object())));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> repository.save(session))
                .withMessageContaining("thread");
        session.removeAttribute("thread");
        session.setAttribute("a", "b");
        repository.save(session);
        assertThat(repository.findById(session.getId()).<String>getAttribute("a"))
                .isEqualTo("b");
    }

    /** Whoever could have it read would run its code. */
    static final class Gadget implements Serializable {
        private static final long serialVersionUID = 1L;
        static volatile boolean run;

        private void readObject(ObjectInputStream in) {
            run = true;
        }
    }

    @Test
    void aClassThatIsNotAllowedIsNotRun(CapturedOutput output) {
        SessiondSession session = repository.createSession();
        session.setAttribute("gadget", new Gadget());
        session.setAttribute("nested", new ArrayList<>(List.of(new Gadget())));
        session.setAttribute("a", "b");
        repository.save(session);
        for (int i = 0; i < 3; i++) {
            SessiondSession found = repository.findById(session.getId());
            assertThat(found.getAttributeNames()).containsExactly("a");
            assertThat(found.<Object>getAttribute("gadget")).isNull();
            assertThat(found.<Object>getAttribute("nested")).isNull();
        }
        assertThat(Gadget.run).isFalse();
        // One line each, the first already when it was stored.
        assertThat(output.getAll()
                        .lines()
                        .filter(line -> line.contains("WARN") && line.contains(Gadget.class.getName())))
                .satisfiesExactlyInAnyOrder(
                        line -> assertThat(line).contains("\"gadget\"", "will not be read back"),
                        line -> assertThat(line).contains("\"nested\"", "counts as absent"));
        repository.setAllowedClasses(
                AllowedClasses.defaultsAnd(List.of(Gadget.class.getName())),
                getClass().getClassLoader());
        assertThat(repository.findById(session.getId()).<Object>getAttribute("gadget"))
                .isInstanceOf(Gadget.class);
        assertThat(Gadget.run).isTrue();
    }

    @Test
    void whatCannotBeReadIsAbsentAndStaysInTheStore(CapturedOutput output) {
        byte[] gone = JavaSerialization.encode(TimeUnit.DAYS).data();
        String text = new String(gone, java.nio.charset.StandardCharsets.ISO_8859_1).replace("TimeUnit", "TimeGone");
        Opaque removedClass = Opaque.of("java-serialized", text.getBytes(java.nio.charset.StandardCharsets.ISO_8859_1));
        Opaque ofPython = Opaque.of("python-pickle", new byte[] {1});
        repository.setSaveMode(SaveMode.ALWAYS);
        SessiondSession session = repository.createSession();
        session.setAttribute("a", "b");
        repository.save(session);
        client.update(
                session.getId(),
                change -> change.setAttribute("removed", removedClass)
                        .setAttribute("python", ofPython)
                        .setAttribute("damaged", Opaque.of("java-serialized", new byte[] {1, 2, 3})));
        SessiondSession found = repository.findById(session.getId());
        assertThat(found.getAttributeNames()).containsExactly("a");
        found.setAttribute("a", "c");
        found.changeSessionId();
        repository.save(found);
        assertThat(client.get(found.getId()).attributes())
                .containsEntry("removed", removedClass)
                .containsEntry("python", ofPython)
                .containsKey("damaged")
                .containsEntry("a", "c");
        assertThat(output.getAll())
                .contains("\"removed\"", "\"python\"", "\"damaged\"")
                .doesNotContain(found.getId());
    }

    @Test
    void namesOfClassesAreJudged() {
        assertThatIllegalArgumentException().isThrownBy(() -> AllowedClasses.defaultsAnd(List.of("!com.example.*")));
        assertThatIllegalArgumentException().isThrownBy(() -> AllowedClasses.defaultsAnd(List.of("*")));
        assertThat(AllowedClasses.defaults().allows(java.net.URL.class)).isFalse();
        assertThat(AllowedClasses.defaultsAnd(List.of("java.net.*")).allows(java.net.URL.class))
                .isTrue();
    }
}
