package dev.sessiond.client;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/** The variables of a case; fills in what its templates leave open. */
final class CaseVariables {
    private static final Pattern PLACEHOLDER = Pattern.compile("\\$\\{([a-z]\\w*)([+-][0-9.]+s)?\\}");

    private final Map<String, String> values = new ConcurrentHashMap<>();
    private final Supplier<String> newSession;

    /** The supplier makes a session in the namespace "default", for {@code {"$session": true}}. */
    CaseVariables(Supplier<String> newSession) {
        this.newSession = newSession;
    }

    /** The same variables, with an index, for one of several parallel steps. */
    CaseVariables withIndex(int index) {
        CaseVariables copy = new CaseVariables(newSession);
        copy.values.putAll(values);
        copy.set("index", "" + index);
        return copy;
    }

    void set(String name, String value) {
        values.put(name, value);
    }

    String get(String name) {
        String value = name.equals("now") ? Instant.now().toString() : values.get(name);
        if (value == null) {
            throw new CaseFault("${" + name + "} is not set");
        }
        return value;
    }

    String expandText(String text) {
        return PLACEHOLDER.matcher(text).replaceAll(found -> quoted(value(found)));
    }

    private static String quoted(String value) {
        return java.util.regex.Matcher.quoteReplacement(value);
    }

    private String value(MatchResult found) {
        String value = get(found.group(1));
        return found.group(2) == null
                ? value
                : Instant.parse(value).plus(duration(found.group(2))).toString();
    }

    /** Reads a duration such as "0.300s" or "-2s". */
    static Duration duration(String text) {
        return text.startsWith("-")
                ? duration(text.substring(1)).negated()
                : Duration.parse("PT" + text.replace("+", ""));
    }

    JsonElement expand(JsonElement template) {
        if (template.isJsonArray()) {
            JsonArray out = new JsonArray();
            template.getAsJsonArray().forEach(item -> out.add(expand(item)));
            return out;
        }
        if (template.isJsonObject()) {
            return expandObject(template.getAsJsonObject());
        }
        if (template.isJsonPrimitive() && template.getAsJsonPrimitive().isString()) {
            return new JsonPrimitive(expandText(template.getAsString()));
        }
        return template;
    }

    /** What is too long to write down is described by an object with one of these names. */
    private JsonElement expandObject(JsonObject template) {
        if (template.has("$session")) {
            return new JsonPrimitive(newSession.get());
        }
        if (template.has("$repeat")) {
            return new JsonPrimitive(template.get("$repeat")
                    .getAsString()
                    .repeat(template.get("times").getAsInt()));
        }
        if (template.has("$bytes")) {
            return new JsonPrimitive(Base64.getEncoder()
                    .encodeToString(new byte[template.get("$bytes").getAsInt()]));
        }
        if (template.has("$nested")) {
            return nested(template.get("$nested").getAsInt());
        }
        if (template.has("$list")) {
            return list(template.get("$list").getAsInt(), expand(template.get("of")));
        }
        if (template.has("$map")) {
            return map(template.get("$map").getAsInt(), template);
        }
        JsonObject out = new JsonObject();
        template.entrySet().forEach(entry -> out.add(expandText(entry.getKey()), expand(entry.getValue())));
        return out;
    }

    private static JsonObject nested(int levels) {
        JsonObject value = new JsonObject();
        value.addProperty("boolValue", true);
        for (int i = 1; i < levels; i++) {
            JsonObject list = new JsonObject();
            list.add("items", list(1, value));
            value = new JsonObject();
            value.add("listValue", list);
        }
        return value;
    }

    private static JsonArray list(int count, JsonElement item) {
        JsonArray out = new JsonArray();
        for (int i = 0; i < count; i++) {
            out.add(item);
        }
        return out;
    }

    private JsonObject map(int count, JsonObject template) {
        String prefix = expand(template.get("prefix")).getAsString();
        JsonElement value = expand(template.get("value"));
        JsonObject out = new JsonObject();
        for (int i = 0; i < count; i++) {
            out.add(prefix + i, value);
        }
        return out;
    }
}
