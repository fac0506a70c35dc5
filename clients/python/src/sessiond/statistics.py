"""What a server holds and does."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sessiond.times import to_datetime, to_timedelta


@dataclass(frozen=True)
class Statistics:
    """The answer of GetStatistics: what the server holds, and what it has done since it started."""

    # In store, also those that have expired but are not swept yet; and for each namespace that has any, at most 1,000.
    sessions: int
    namespaces: dict[str, int]
    # Sessions made, and swept once they had expired, since the start.
    created: int
    expired: int
    # The same per second, over the last 10 s.
    created_per_second: float
    expired_per_second: float
    # Bytes of the data folder, 0 for the engine in memory; resident memory of the process in bytes.
    disk_bytes: int
    memory_bytes: int
    # How long the session that waits longest for the sweeper has been expired.
    sweeper_lag: timedelta
    # Groups of changes committed since the start, the transactions in them, and the largest group.
    groups: int
    grouped_transactions: int
    largest_group: int
    start_time: datetime
    # Watches that are open.
    watchers: int
    # What the process has used since the start, all threads together.
    cpu_time: timedelta
    # Requests since the start that were refused for lack of disk space, and that met damaged data.
    refused_for_space: int
    met_damage: int
    # How often since the start the storage made no progress for too long.
    storage_stalls: int
    # Where a watch that starts now begins, and how many events are kept for those that resume.
    resume_token: str
    events_kept: int
    # How often since the start the system's clock was set by more than a second, and what the time of sessions is ahead
    # of it now; negative if it is behind.
    clock_steps: int
    clock_ahead: timedelta
    # The present moment in the time of sessions, by which they end.
    current_time: datetime


def from_plain(answer: dict[str, Any]) -> Statistics:
    return Statistics(
        sessions=answer["sessions"],
        namespaces={found["namespace"]: found["sessions"] for found in answer["namespaces"]},
        created=answer["created"],
        expired=answer["expired"],
        created_per_second=answer["created_per_second"],
        expired_per_second=answer["expired_per_second"],
        disk_bytes=answer["disk_bytes"],
        memory_bytes=answer["memory_bytes"],
        # The server leaves out what is zero.
        sweeper_lag=to_timedelta(answer.get("sweeper_lag", 0)),
        groups=answer["groups"],
        grouped_transactions=answer["grouped_transactions"],
        largest_group=answer["largest_group"],
        start_time=to_datetime(answer.get("start_time", 0)),
        watchers=answer["watchers"],
        cpu_time=to_timedelta(answer.get("cpu_time", 0)),
        refused_for_space=answer["refused_for_space"],
        met_damage=answer["met_damage"],
        storage_stalls=answer["storage_stalls"],
        resume_token=answer["resume_token"],
        events_kept=answer["events_kept"],
        clock_steps=answer["clock_steps"],
        clock_ahead=to_timedelta(answer.get("clock_ahead", 0)),
        current_time=to_datetime(answer.get("current_time", 0)),
    )
