package dev.sessiond.client;

/** What is known of an attempt that failed. */
enum Outcome {
    /** The server answered with an error. */
    ANSWERED,
    /** The call was not carried out. */
    NOT_CARRIED_OUT,
    /** It may have been carried out. */
    UNKNOWN,
    /** The fast lane can't be used; the call was not carried out. */
    REFUSED
}
