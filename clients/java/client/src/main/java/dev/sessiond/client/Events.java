package dev.sessiond.client;

import dev.sessiond.v1.WatchSessionsResponse;

/** Events as the contract has them. */
final class Events {
    private Events() {}

    static dev.sessiond.v1.EventKind kind(EventKind kind) {
        return switch (kind) {
            case CREATED -> dev.sessiond.v1.EventKind.EVENT_KIND_CREATED;
            case UPDATED -> dev.sessiond.v1.EventKind.EVENT_KIND_UPDATED;
            case ROTATED -> dev.sessiond.v1.EventKind.EVENT_KIND_ROTATED;
            case DELETED -> dev.sessiond.v1.EventKind.EVENT_KIND_DELETED;
            case EXPIRED -> dev.sessiond.v1.EventKind.EVENT_KIND_EXPIRED;
            case REVOKED -> dev.sessiond.v1.EventKind.EVENT_KIND_REVOKED;
            case UNRECOGNIZED -> throw new IllegalArgumentException("there are no events of the kind UNRECOGNIZED");
        };
    }

    private static EventKind kind(dev.sessiond.v1.EventKind kind) {
        return switch (kind) {
            case EVENT_KIND_CREATED -> EventKind.CREATED;
            case EVENT_KIND_UPDATED -> EventKind.UPDATED;
            case EVENT_KIND_ROTATED -> EventKind.ROTATED;
            case EVENT_KIND_DELETED -> EventKind.DELETED;
            case EVENT_KIND_EXPIRED -> EventKind.EXPIRED;
            case EVENT_KIND_REVOKED -> EventKind.REVOKED;
            case EVENT_KIND_UNSPECIFIED, UNRECOGNIZED -> EventKind.UNRECOGNIZED;
        };
    }

    static SessionEvent event(dev.sessiond.v1.SessionEvent event) {
        return new SessionEvent(
                kind(event.getKind()),
                Times.instant(event.getEventTime()),
                new Session(event.getSession(), event.getSession().getAttributesCount() > 0),
                event.getResumeToken());
    }

    /** The point that a message leads to. */
    static String resumeToken(WatchSessionsResponse message) {
        return message.hasEvent()
                ? message.getEvent().getResumeToken()
                : message.getCheckpoint().getResumeToken();
    }
}
