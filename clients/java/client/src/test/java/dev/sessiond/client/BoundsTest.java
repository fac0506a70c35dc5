package dev.sessiond.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Every bound of a request, and the error beyond it. */
class BoundsTest {
    @TestFactory
    Stream<DynamicTest> fastLane() {
        return bounds(true);
    }

    @TestFactory
    Stream<DynamicTest> unary() {
        return bounds(false);
    }

    private static Stream<DynamicTest> bounds(boolean fastLane) {
        // IDs of the cases can be made once, so each way has a server of its own.
        TestServer server = TestServer.create();
        SessiondClient client = server.client().fastLane(fastLane).build();
        return SharedFiles.objects("bounds.json")
                .map(row -> DynamicTest.dynamicTest(row.get("bound").getAsString(), () -> judge(client, row)))
                .onClose(() -> {
                    client.close();
                    server.close();
                });
    }

    private static void judge(SessiondClient client, JsonObject row) {
        for (JsonElement refused : list(row, "refused")) {
            judgeRefusal(client, row, refused.getAsJsonObject());
        }
        for (JsonElement allowed : list(row, "allowed_cases")) {
            try (CaseRun run = run(client)) {
                run.step(step(allowed.getAsJsonObject()));
            }
        }
    }

    private static JsonArray list(JsonObject row, String name) {
        return row.has(name) ? row.getAsJsonArray(name) : new JsonArray();
    }

    private static CaseRun run(SessiondClient client) {
        CaseRun run = new CaseRun(client);
        run.variables().set("namespace", "");
        return run;
    }

    private static JsonObject step(JsonObject found) {
        JsonObject step = new JsonObject();
        if (found.get("method").getAsString().equals("WatchSessions")) {
            step.addProperty("watch", "watch");
        } else {
            step.add("call", found.get("method"));
        }
        step.add("request", found.get("request"));
        return step;
    }

    private static void judgeRefusal(SessiondClient client, JsonObject row, JsonObject refused) {
        try (CaseRun run = run(client)) {
            CaseFault.CallFailed failed =
                    catchThrowableOfType(CaseFault.CallFailed.class, () -> run.step(step(refused)));
            assertThat(failed).as("the refusal of %s", refused.get("method")).isNotNull();
            JsonObject want = new JsonObject();
            want.add("reason", row.get("reason"));
            want.add("code", row.get("code"));
            run.matcher().matchError(want, failed.error());
            if (refused.has("field")) {
                assertThat(failed.error().fields().get(0).field())
                        .isEqualTo(refused.get("field").getAsString());
            } else {
                assertThat(Figures.read(failed.error().metadata(), "actual"))
                        .isGreaterThan(Figures.read(failed.error().metadata(), "limit"));
            }
        }
    }
}
