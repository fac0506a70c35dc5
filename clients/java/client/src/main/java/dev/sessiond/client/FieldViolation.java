package dev.sessiond.client;

/**
 * A part of a request that is out of its bounds.
 *
 * @param field the path of the field, such as {@code change.set_labels}
 * @param problem names the bound, for people
 */
public record FieldViolation(String field, String problem) {}
