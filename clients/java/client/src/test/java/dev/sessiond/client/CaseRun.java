package dev.sessiond.client;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.protobuf.Message;
import dev.sessiond.v1.ExchangeResponse;
import dev.sessiond.v1.Reply;
import dev.sessiond.v1.WatchSessionsResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** One case being run, in a namespace of its own; {@code clients/conformance/README.md} describes the steps. */
final class CaseRun implements AutoCloseable {
    private final SessiondClient client;
    private final CaseVariables variables;
    private final CaseMatcher matcher;
    private final CaseCalls calls;
    private final Map<String, CaseCalls.CaseStream> streams = new HashMap<>();
    private final Map<String, CompletableFuture<Void>> started = new HashMap<>();
    private final ExecutorService threads = Executors.newCachedThreadPool();

    CaseRun(SessiondClient client) {
        this(
                client,
                new CaseVariables(
                        () -> client.withNamespace("default").create().id().value()));
        variables.set("namespace", TestServer.namespace());
    }

    private CaseRun(SessiondClient client, CaseVariables variables) {
        this.client = client;
        this.variables = variables;
        matcher = new CaseMatcher(variables);
        calls = new CaseCalls(client.caller(), variables);
    }

    CaseVariables variables() {
        return variables;
    }

    CaseMatcher matcher() {
        return matcher;
    }

    /** Makes a step; throws {@link CaseFault} if it does not lead to what it expects. */
    void step(JsonObject step) {
        if (step.has("wait")) {
            pause(CaseVariables.duration(step.get("wait").getAsString()));
        } else if (step.has("parallel")) {
            parallel(step);
        } else if (step.has("start")) {
            JsonObject inner = step.getAsJsonObject("step");
            started.put(text(step, "start"), CompletableFuture.runAsync(() -> step(inner), threads));
        } else if (step.has("finish")) {
            join(started.get(text(step, "finish")));
        } else if (step.has("watch")) {
            watch(step);
        } else if (step.has("next")) {
            judgeNext(step, streams.get(text(step, "next")), step.has("checkpoints"));
        } else if (step.has("close")) {
            streams.get(text(step, "close")).cancel();
        } else if (step.has("exchange")) {
            exchange(step);
        } else if (step.has("within")) {
            eventually(step);
        } else if (step.has("call")) {
            call(step);
        } else {
            throw new CaseFault("the step is of no kind: " + step);
        }
    }

    private static String text(JsonObject step, String name) {
        return step.get(name).getAsString();
    }

    private static void pause(Duration pause) {
        try {
            Thread.sleep(pause.toMillis());
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static void join(CompletableFuture<Void> step) {
        try {
            step.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof Error fault) {
                throw fault;
            }
            throw e;
        }
    }

    /** Makes a step many times at once. With succeed, so many meet the expectation and all others the error. */
    private void parallel(JsonObject step) {
        JsonObject inner = step.getAsJsonObject("step").deepCopy();
        JsonElement error = step.has("succeed") ? inner.remove("error") : null;
        List<CompletableFuture<Boolean>> all = new ArrayList<>();
        for (int i = 0; i < step.get("parallel").getAsInt(); i++) {
            CaseRun run = new CaseRun(client, variables.withIndex(i));
            all.add(CompletableFuture.supplyAsync(() -> run.succeeds(inner, error), threads));
        }
        long succeeded = all.stream().filter(CompletableFuture::join).count();
        if (step.has("succeed") && succeeded != step.get("succeed").getAsInt()) {
            throw new CaseFault(succeeded + " succeeded, not " + step.get("succeed"));
        }
    }

    private boolean succeeds(JsonObject step, JsonElement error) {
        try (this) {
            step(step);
            return true;
        } catch (CaseFault.CallFailed e) {
            if (error == null) {
                throw e;
            }
            matcher.matchError(error, e.error());
            return false;
        }
    }

    private void eventually(JsonObject step) {
        long deadline =
                System.nanoTime() + CaseVariables.duration(text(step, "within")).toNanos();
        while (true) {
            try {
                call(step);
                return;
            } catch (CaseFault e) {
                if (System.nanoTime() - deadline > 0) {
                    throw e;
                }
                pause(Duration.ofMillis(20));
            }
        }
    }

    private void call(JsonObject step) {
        List<JsonElement> requests = new ArrayList<>();
        if (step.has("messages")) {
            step.getAsJsonArray("messages").forEach(requests::add);
        } else {
            requests.add(step.get("request"));
        }
        JsonElement answer;
        try {
            answer = calls.call(text(step, "call"), requests);
        } catch (SessiondException e) {
            judge(step, JsonNull.INSTANCE, e);
            return;
        }
        judge(step, answer, null);
    }

    /** Opens a stream of events; its first message is judged. */
    private void watch(JsonObject step) {
        CaseCalls.CaseStream stream = calls.open("WatchSessions");
        streams.put(text(step, "watch"), stream);
        stream.send(calls.request(CaseCalls.descriptor("WatchSessions"), step.get("request")));
        stream.endRequests();
        judgeNext(step, stream, true);
    }

    private void judgeNext(JsonObject step, CaseCalls.CaseStream stream, boolean checkpoints) {
        try {
            Message message = stream.next();
            while (!checkpoints && ((WatchSessionsResponse) message).hasCheckpoint()) {
                message = stream.next();
            }
            judge(step, CaseCalls.json(message), null);
        } catch (SessiondException e) {
            judge(step, JsonNull.INSTANCE, e);
        }
    }

    /** Sends all messages over one stream, ends it, and judges the replies. */
    private void exchange(JsonObject step) {
        CaseCalls.CaseStream stream = calls.open("Exchange");
        for (JsonElement template : step.getAsJsonArray("exchange")) {
            stream.send(calls.request(CaseCalls.descriptor("Exchange"), template));
        }
        stream.endRequests();
        JsonObject wanted = step.getAsJsonObject("replies").deepCopy();
        for (Message message = stream.next(); message != null; message = stream.next()) {
            for (Reply reply : ((ExchangeResponse) message).getRepliesList()) {
                JsonElement want = wanted.remove(Long.toUnsignedString(reply.getTag()));
                if (want == null) {
                    throw new CaseFault("nobody asked for a reply with the tag " + reply.getTag());
                }
                judgeReply(want.getAsJsonObject(), reply);
            }
        }
        if (wanted.size() > 0) {
            throw new CaseFault("replies are missing: " + wanted.keySet());
        }
    }

    private void judgeReply(JsonObject want, Reply reply) {
        if (reply.hasError()) {
            judge(want, JsonNull.INSTANCE, SessiondException.of(ErrorDetails.of(reply.getError())));
        } else {
            judge(want, CaseCalls.json(reply), null);
        }
    }

    /** Compares what a call led to with what the step wants, and saves what it says. */
    private void judge(JsonObject step, JsonElement answer, SessiondException failed) {
        if (step.has("error")) {
            if (failed == null) {
                throw new CaseFault("the call succeeded; it was to fail with " + step.get("error"));
            }
            matcher.matchError(step.get("error"), failed);
            return;
        }
        if (failed != null) {
            throw new CaseFault.CallFailed(failed);
        }
        if (step.has("expect")) {
            matcher.match(step.get("expect"), answer, "answer");
        }
        if (step.has("save")) {
            step.getAsJsonObject("save")
                    .entrySet()
                    .forEach(entry -> save(entry.getKey(), entry.getValue().getAsString(), answer));
        }
    }

    private void save(String name, String path, JsonElement answer) {
        JsonElement value = answer;
        for (String part : path.split("\\.")) {
            value = value != null && value.isJsonObject()
                    ? value.getAsJsonObject().get(part)
                    : null;
        }
        if (value == null) {
            throw new CaseFault("the answer has no " + path + " to save");
        }
        variables.set(name, value.getAsString());
    }

    /** Runs the steps of a case. */
    void all(JsonArray steps) {
        for (int i = 0; i < steps.size(); i++) {
            try {
                step(steps.get(i).getAsJsonObject());
            } catch (CaseFault | RuntimeException e) {
                throw new AssertionError("step " + (i + 1) + ": " + e.getMessage(), e);
            }
        }
    }

    @Override
    public void close() {
        streams.values().forEach(CaseCalls.CaseStream::cancel);
        threads.shutdownNow();
    }
}
