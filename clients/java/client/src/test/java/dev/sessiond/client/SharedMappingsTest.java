package dev.sessiond.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import com.google.protobuf.util.JsonFormat;
import dev.sessiond.v1.Value;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Values, IDs and addresses, as all clients map them. */
class SharedMappingsTest {
    @TestFactory
    Stream<DynamicTest> values() {
        return SharedFiles.objects("values.json")
                .map(found -> named(found, "name", () -> {
                    Value stored = Value.parseFrom(
                            Base64.getDecoder().decode(found.get("wire").getAsString()));
                    Value.Builder written = Value.newBuilder();
                    JsonFormat.parser().merge(found.get("value").toString(), written);
                    if (!found.get("name").getAsString().equals("double minus zero")) {
                        // The JSON parser of protobuf-java drops the sign of zero; the client doesn't.
                        assertThat(stored).isEqualTo(written.build());
                    }
                    assertThat(Values.encode(Values.decode(stored))).isEqualTo(stored);
                }));
    }

    @TestFactory
    Stream<DynamicTest> ids() {
        return SharedFiles.objects("ids.json")
                .map(found -> named(found, "name", () -> {
                    Optional<String> wanted = found.get("session_id").isJsonNull()
                            ? Optional.empty()
                            : Optional.of(found.get("session_id").getAsString());
                    assertThat(SessionIds.map(found.get("id").getAsString())).isEqualTo(wanted);
                }));
    }

    @Test
    void textThatIsNoUnicodeNamesNoSession() {
        assertThat(SessionIds.map("\ud83d0123456789abcdef")).isEmpty();
    }

    @TestFactory
    Stream<DynamicTest> addresses() {
        return SharedFiles.objects("addresses.json")
                .map(found -> named(found, "address", () -> {
                    String address = found.get("address").getAsString();
                    if (found.has("refused")) {
                        assertThatThrownBy(() -> Addresses.parse(address))
                                .hasMessage(found.get("refused").getAsString());
                    } else {
                        List<String> normal = new ArrayList<>();
                        found.getAsJsonArray("normal").forEach(item -> normal.add(item.getAsString()));
                        assertThat(Addresses.parse(address)).isEqualTo(normal);
                    }
                }));
    }

    private static DynamicTest named(JsonObject found, String name, org.junit.jupiter.api.function.Executable test) {
        return DynamicTest.dynamicTest(found.get(name).toString(), test);
    }

    @Test
    void addressOfTheEnvironment() {
        assertThat(Addresses.resolve("", "store:1")).containsExactly("store:1");
        assertThat(Addresses.resolve("other:1", "store:1")).containsExactly("other:1");
        assertThat(Addresses.resolve("", "")).containsExactly("127.0.0.1:50051");
        assertThatThrownBy(() -> Addresses.resolve("", "nothing"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("\"nothing\" is not an address: the port is missing;"
                        + " write HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH");
    }

    @Test
    void settingsOutOfBounds() {
        assertThatThrownBy(() -> SessiondClient.builder().timeout(Duration.ZERO).build())
                .hasMessageContaining("timeout");
        assertThatThrownBy(() -> new Retry(0, Duration.ZERO)).hasMessageContaining("attempts");
        assertThatThrownBy(() -> SessiondClient.builder()
                        .address("127.0.0.1:1,unix:/run/sessiond.sock")
                        .build())
                .hasMessageContaining("one kind");
    }

    @Test
    void valuesOfJava() {
        assertThat(comesBack(7)).isEqualTo(7L);
        assertThat(comesBack((short) -1)).isEqualTo(-1L);
        assertThat(comesBack(0.5f)).isEqualTo(0.5);
        assertThat(comesBack(new String[] {"a", null})).isEqualTo(Arrays.asList("a", null));
        assertThat(comesBack(Map.of("a", 1))).isEqualTo(Map.of("a", 1L));
        assertThat(comesBack(Opaque.of("node-v8", new byte[] {1}))).isEqualTo(Opaque.of("node-v8", new byte[] {1}));
    }

    private static Object comesBack(Object value) {
        return Values.decode(Values.encode(value));
    }

    @Test
    void valuesThatAreRefused() {
        List<Object> itself = new ArrayList<>();
        itself.add(itself);
        refuses("\ud83d", "not valid Unicode");
        refuses(Map.of(1, "a"), "not all strings");
        refuses(Duration.ZERO, "java.time.Duration");
        refuses(itself, "deeper than 30");
        refuses(Instant.parse("+10000-01-01T00:00:00Z"), "from 1 to 9999");
        assertThatThrownBy(() -> NewSession.builder().attribute("cart", new Object()))
                .hasMessageContaining("attribute \"cart\"");
    }

    private static void refuses(Object value, String why) {
        assertThatThrownBy(() -> Values.encode(value))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(why);
    }

    /** A kind that a later version of the contract adds passes through. */
    @Test
    void kindThatIsNotKnownYet() throws Exception {
        Value later = Value.parseFrom(new byte[] {(byte) 0xfa, 0x06, 0x01, 0x61});
        assertThat(Values.encode(Values.decode(later))).isEqualTo(later);
    }

    @Test
    void valuesThatOnlyJavaReads() throws Exception {
        Opaque opaque = JavaSerialization.encode(Duration.ofSeconds(3));
        ClassLoader loader = getClass().getClassLoader();
        assertThat(JavaSerialization.decode(opaque, info -> java.io.ObjectInputFilter.Status.ALLOWED, loader))
                .isEqualTo(Duration.ofSeconds(3));
        assertThatThrownBy(() ->
                        JavaSerialization.decode(opaque, info -> java.io.ObjectInputFilter.Status.UNDECIDED, loader))
                .isInstanceOf(java.io.InvalidClassException.class);
    }
}
