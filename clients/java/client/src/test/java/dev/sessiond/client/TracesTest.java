package dev.sessiond.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The server sees the trace that the caller's function tells, over both lanes. */
class TracesTest {
    private static TestServer server;

    @BeforeAll
    static void start() {
        server = TestServer.create("--access-log", "--log-format", "json");
    }

    @AfterAll
    static void close() {
        server.close();
    }

    @TestFactory
    Stream<DynamicTest> overTheFastLane() {
        return cases(true);
    }

    @TestFactory
    Stream<DynamicTest> unary() {
        return cases(false);
    }

    private static Stream<DynamicTest> cases(boolean fastLane) {
        return SharedFiles.objects("traces.json")
                .map(found -> DynamicTest.dynamicTest(found.get("name").getAsString(), () -> {
                    Map<String, String> carrier = new HashMap<>();
                    carrier.put("traceparent", found.get("traceparent").getAsString());
                    carrier.put("tracestate", found.get("tracestate").getAsString());
                    JsonElement wanted = found.get("trace_id");
                    assertThat(traceIdSeen(fastLane, () -> carrier))
                            .isEqualTo(wanted.isJsonNull() ? Optional.empty() : Optional.of(wanted.getAsString()));
                }));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void noCallFailsForBeingTraced(boolean fastLane) {
        assertThat(traceIdSeen(fastLane, () -> null)).isEmpty();
        assertThat(traceIdSeen(fastLane, Map::of)).isEmpty();
        assertThat(traceIdSeen(fastLane, () -> {
                    throw new IllegalStateException("no tracing today");
                }))
                .isEmpty();
    }

    /** The trace of the access line of one call. */
    private static Optional<String> traceIdSeen(boolean fastLane, Supplier<Map<String, String>> current) {
        String namespace = TestServer.namespace();
        try (SessiondClient client = server.client()
                .namespace(namespace)
                .fastLane(fastLane)
                .traceContext(current)
                .build()) {
            assertThatThrownBy(() -> client.get("no-such-session-0000")).isInstanceOf(SessionNotFoundException.class);
        }
        Await.until(() -> lines(namespace).findAny().isPresent());
        JsonObject line = lines(namespace).findFirst().orElseThrow();
        assertThat(line.get("lane").getAsString()).isEqualTo(fastLane ? "stream" : "unary");
        return Optional.ofNullable(line.get("trace_id")).map(JsonElement::getAsString);
    }

    private static Stream<JsonObject> lines(String namespace) {
        try {
            return server.readLog()
                    .lines()
                    .filter(line -> line.endsWith("}") && line.contains("\"namespace\":\"" + namespace + "\""))
                    .map(line -> JsonParser.parseString(line).getAsJsonObject())
                    .filter(line -> line.get("target").getAsString().equals("sessiond::access"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
