package dev.sessiond.client;

import java.util.List;

/**
 * A page of a list of sessions.
 *
 * @param sessions the sessions, newest first; a page may be empty and not the last
 * @param nextPageToken asks for the next page; empty if this is the last
 */
public record SessionPage(List<Session> sessions, String nextPageToken) {
    /**
     * Makes a page.
     *
     * @param sessions the sessions
     * @param nextPageToken the token of the next page, or an empty text
     */
    public SessionPage {
        sessions = List.copyOf(sessions);
    }

    /**
     * Tells whether another page follows.
     *
     * @return whether this is not the last page
     */
    public boolean hasNext() {
        return !nextPageToken.isEmpty();
    }
}
