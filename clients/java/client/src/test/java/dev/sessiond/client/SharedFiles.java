package dev.sessiond.client;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** The cases that all clients share. */
final class SharedFiles {
    /** Where they are, from the folder of this module. */
    static final Path FOLDER = Path.of("../../conformance");

    private SharedFiles() {}

    static Stream<JsonObject> objects(String name) {
        return objects(FOLDER.resolve(name));
    }

    private static Stream<JsonObject> objects(Path path) {
        try {
            JsonArray array = JsonParser.parseString(Files.readString(path)).getAsJsonArray();
            return StreamSupport.stream(array.spliterator(), false).map(JsonElement::getAsJsonObject);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static List<JsonObject> behaviours() {
        try (Stream<Path> paths = Files.list(FOLDER.resolve("cases"))) {
            List<JsonObject> cases = paths.filter(path -> path.toString().endsWith(".json"))
                    .sorted()
                    .flatMap(SharedFiles::objects)
                    .toList();
            if (cases.isEmpty()) {
                throw new IllegalStateException("there are no cases");
            }
            return cases;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
