package dev.sessiond.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The behaviour that all clients share, over the fast lane and with unary calls. */
@Execution(ExecutionMode.CONCURRENT)
class ConformanceTest {
    /** The cases that Java can't meet, and why. */
    private static final Map<String, String> EXCEPTIONS = Map.of();

    // Each way has a server of its own: a check of the data is one at a time, and some cases watch every namespace.
    private static List<TestServer> servers;
    private static List<SessiondClient> clients;

    @BeforeAll
    static void start() {
        String config =
                SharedFiles.FOLDER.resolve("server.toml").toAbsolutePath().toString();
        servers = List.of(TestServer.create("--config", config), TestServer.create("--config", config));
        // As long as a lock may make a call wait.
        Duration timeout = Duration.ofSeconds(20);
        clients = List.of(
                servers.get(0).client().timeout(timeout).build(),
                servers.get(1).client().timeout(timeout).fastLane(false).build());
    }

    @AfterAll
    static void stop() {
        clients.forEach(SessiondClient::close);
        servers.forEach(TestServer::close);
    }

    @TestFactory
    Stream<DynamicNode> fastLane() {
        return behaviours(clients.get(0));
    }

    @TestFactory
    Stream<DynamicNode> unary() {
        return behaviours(clients.get(1));
    }

    private static Stream<DynamicNode> behaviours(SessiondClient client) {
        return SharedFiles.behaviours().stream()
                .map(found -> DynamicTest.dynamicTest(found.get("name").getAsString(), () -> run(found, client)));
    }

    private static void run(JsonObject found, SessiondClient client) {
        String exception = EXCEPTIONS.get(found.get("name").getAsString());
        Assumptions.assumeTrue(exception == null, exception);
        try (CaseRun run = new CaseRun(client)) {
            run.all(found.getAsJsonArray("steps"));
        }
    }

    @Test
    void exceptionsAreFewAndNameCases() {
        List<String> names = SharedFiles.behaviours().stream()
                .map(found -> found.get("name").getAsString())
                .toList();
        assertThat(names).containsAll(EXCEPTIONS.keySet()).hasSizeGreaterThan(20 * EXCEPTIONS.size());
    }

    /** A runner that finds no fault would let every client pass. */
    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "{\"a\": 1}; {}",
                "{\"a\": 1}; {\"a\": 2}",
                "{\"a\": \"1\"}; {\"a\": 1}",
                "{\"a\": {\"$present\": true}}; {}",
                "{\"a\": {\"$absent\": true}}; {\"a\": false}",
                "{\"a\": 1, \"$only\": true}; {\"a\": 1, \"b\": 2}",
                "[1]; [1, 2]",
                "[{\"a\": 1}]; [{\"a\": 2}]",
                "{\"$not\": 1}; 1",
                "{\"$contains\": 1}; [2]",
                "{\"$near\": \"${then}\", \"within\": \"1s\"}; \"2026-01-01T00:00:02Z\"",
                "{\"$after\": \"${then}\"}; \"2026-01-01T00:00:00.000Z\"",
                "\"${then+1s}\"; \"2026-01-01T00:00:00Z\"",
                "\"${unknown}\"; \"${unknown}\"",
            })
    void matcherFindsFault(String wanted, String found) {
        try (CaseRun run = new CaseRun(clients.get(0))) {
            run.variables().set("then", "2026-01-01T00:00:00Z");
            assertThatThrownBy(() -> run.matcher()
                            .match(JsonParser.parseString(wanted), JsonParser.parseString(found), "answer"))
                    .isInstanceOf(CaseFault.class);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'call': 'GetSession', 'request': {'sessionId': 'no-such-session-0'}}",
                "{'call': 'CreateSession', 'error': 'SESSION_NOT_FOUND'}",
                "{'call': 'GetSession', 'request': {'sessionId': 'short'}, 'error': 'SESSION_NOT_FOUND'}",
                "{'call': 'GetSession', 'request': {'sessionId': 'short'},"
                        + " 'error': {'reason': 'INVALID_ARGUMENT', 'fields': ['namespace']}}",
                "{'call': 'GetSession', 'request': {'sessionId': 'short'},"
                        + " 'error': {'reason': 'INVALID_ARGUMENT', 'code': 'NOT_FOUND'}}",
                "{'call': 'CreateSession', 'save': {'a': 'session.nothing'}}",
                "{'exchange': [{'calls': [{'tag': '1', 'touch': {'sessionId': 'no-such-session-0'}}]}], 'replies': {}}",
                "{'exchange': [], 'replies': {'1': {}}}",
                "{'parallel': 2, 'succeed': 1, 'step': {'call': 'CreateSession', 'error': 'SESSION_ID_TAKEN'}}",
                "{'parallel': 2, 'step': {'call': 'GetSession', 'request': {'sessionId': 'no-such-session-0'}}}",
            })
    void runnerFindsFault(String step) {
        try (CaseRun run = new CaseRun(clients.get(0))) {
            assertThatThrownBy(() -> run.step(JsonParser.parseString(step).getAsJsonObject()))
                    .satisfiesAnyOf(
                            fault -> assertThat(fault).isInstanceOf(CaseFault.class),
                            fault -> assertThat(fault).hasCauseInstanceOf(CaseFault.class));
        }
    }
}
