package dev.sessiond.client;

import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.List;
import java.util.Map;

/** Compares what a step led to with what its case expects. */
final class CaseMatcher {
    private static final List<String> MATCHERS = List.of("$present", "$absent", "$not", "$contains", "$near", "$after");

    private final CaseVariables variables;

    CaseMatcher(CaseVariables variables) {
        this.variables = variables;
    }

    /** Finds where an answer is not what is expected; more than that may stand in it. */
    void match(JsonElement wanted, JsonElement found, String path) {
        if (wanted.isJsonObject()) {
            matchObject(wanted.getAsJsonObject(), found, path);
        } else if (wanted.isJsonArray()) {
            check(found.isJsonArray(), path + " is " + found + ", no list");
            int size = wanted.getAsJsonArray().size();
            check(found.getAsJsonArray().size() == size, path + " has not " + size + " entries: " + found);
            for (int i = 0; i < size; i++) {
                match(wanted.getAsJsonArray().get(i), found.getAsJsonArray().get(i), path + "[" + i + "]");
            }
        } else if (isText(wanted)) {
            String text = variables.expandText(wanted.getAsString());
            check(isSame(text, found), path + " is " + found + ", not " + text);
        } else {
            check(isEqual(wanted, found), path + " is " + found + ", not " + wanted);
        }
    }

    private void matchObject(JsonObject wanted, JsonElement found, String path) {
        for (String matcher : MATCHERS) {
            if (wanted.has(matcher)) {
                matchSpecially(matcher, wanted, found, path);
                return;
            }
        }
        check(found.isJsonObject(), path + " is " + found + ", no object");
        JsonObject fields = found.getAsJsonObject();
        for (Map.Entry<String, JsonElement> want : wanted.entrySet()) {
            if (!want.getKey().equals("$only")) {
                JsonElement field = fields.has(want.getKey()) ? fields.get(want.getKey()) : JsonNull.INSTANCE;
                match(want.getValue(), field, path + "." + want.getKey());
            }
        }
        if (wanted.has("$only")) {
            fields.keySet().forEach(name -> check(wanted.has(name), path + "." + name + " is there"));
        }
    }

    private void matchSpecially(String matcher, JsonObject wanted, JsonElement found, String path) {
        JsonElement want = wanted.get(matcher);
        switch (matcher) {
            case "$present" -> check(!found.isJsonNull(), path + " is missing");
            case "$absent" -> check(found.isJsonNull(), path + " is there: " + found);
            case "$not" -> check(!matches(want, found), path + " is " + found);
            case "$contains" -> {
                boolean contains = false;
                if (found.isJsonArray()) {
                    for (JsonElement item : found.getAsJsonArray()) {
                        contains |= matches(want, item);
                    }
                }
                check(contains, path + " does not contain " + want + ": " + found);
            }
            case "$after" ->
                check(
                        time(found, path).isAfter(Instant.parse(variables.expandText(want.getAsString()))),
                        path + " is " + found + ", not after " + want);
            default -> {
                Duration distance =
                        Duration.between(Instant.parse(variables.expandText(want.getAsString())), time(found, path));
                Duration within = CaseVariables.duration(wanted.get("within").getAsString());
                check(distance.abs().compareTo(within) <= 0, path + " is " + distance + " from " + want);
            }
        }
    }

    private boolean matches(JsonElement wanted, JsonElement found) {
        try {
            match(wanted, found, "");
            return true;
        } catch (CaseFault e) {
            return false;
        }
    }

    private static Instant time(JsonElement found, String path) {
        Instant time = isText(found) ? parse(found.getAsString()) : null;
        check(time != null, path + " is no time: " + found);
        return time;
    }

    private static Instant parse(String text) {
        try {
            return Instant.parse(text);
        } catch (DateTimeParseException e) {
            return null;
        }
    }

    private static boolean isText(JsonElement element) {
        return element.isJsonPrimitive() && element.getAsJsonPrimitive().isString();
    }

    /** Compares texts, and times as times: they can be written in several ways. */
    private static boolean isSame(String wanted, JsonElement found) {
        if (!isText(found)) {
            return false;
        }
        Instant one = parse(wanted);
        return wanted.equals(found.getAsString()) || one != null && one.equals(parse(found.getAsString()));
    }

    private static boolean isEqual(JsonElement wanted, JsonElement found) {
        if (wanted instanceof JsonPrimitive one
                && found instanceof JsonPrimitive other
                && one.isNumber()
                && other.isNumber()) {
            // JSON has one kind of number.
            return one.getAsDouble() == other.getAsDouble();
        }
        return wanted.equals(found);
    }

    /** Compares an error: by its reason, and by its code, fields and metadata where the case names them. */
    void matchError(JsonElement wanted, SessiondException found) {
        JsonObject want = new JsonObject();
        if (wanted.isJsonObject()) {
            want = wanted.getAsJsonObject();
        } else {
            want.add("reason", wanted);
        }
        String reason = want.get("reason").getAsString();
        check(
                reason.equals(found.reasonName())
                        && reason.equals(found.reason().name()),
                "the reason is " + found.reasonName() + ", not " + reason);
        if (want.has("code")) {
            check(want.get("code").getAsString().equals(found.code().name()), "the code is " + found.code());
        }
        if (want.has("fields")) {
            want.getAsJsonArray("fields")
                    .forEach(field -> check(
                            found.fields().stream()
                                    .anyMatch(violation -> violation.field().equals(field.getAsString())
                                            && !violation.problem().isEmpty()),
                            "the fields are " + found.fields() + ", not " + field));
        }
        if (want.has("metadata")) {
            JsonObject metadata = new JsonObject();
            found.metadata().forEach(metadata::addProperty);
            match(want.get("metadata"), metadata, "metadata");
        }
    }

    private static void check(boolean holds, String fault) {
        if (!holds) {
            throw new CaseFault(fault);
        }
    }
}
