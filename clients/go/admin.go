package sessiond

import (
	"context"
	"time"

	pb "sessiond/gen/sessiond/v1"
)

var (
	getStatistics = method{pb.Admin_GetStatistics_FullMethodName, true}
	sweepNow      = method{pb.Admin_SweepNow_FullMethodName, false}
)

// Statistics is what the server holds and does. Figures since the start of the server are totals.
type Statistics struct {
	// Sessions counts those in store, also those that have expired but are not swept yet.
	Sessions uint64
	// Namespaces has the same for each namespace that has any, at most 1,000.
	Namespaces map[string]uint64
	// Created and Expired count sessions since the start.
	Created, Expired uint64
	// CreatedPerSecond and ExpiredPerSecond are over the last 10 s.
	CreatedPerSecond, ExpiredPerSecond float64
	// DiskBytes is the size of the data folder, MemoryBytes the resident memory of the process.
	DiskBytes, MemoryBytes uint64
	// SweeperLag is how long the session that waits longest for the sweeper has been expired.
	SweeperLag time.Duration
	// StartTime is when the server started.
	StartTime time.Time
	// CPUTime is what the process has used since then.
	CPUTime time.Duration
	// Watchers are the watch streams that are open.
	Watchers uint64
	// RefusedForSpace and MetDamage count requests since the start that found the disk full, or a session damaged.
	RefusedForSpace, MetDamage uint64
	// StorageStalls is how often since the start the storage made no progress for too long.
	StorageStalls uint64
	// ClockSteps is how often since the start the system's clock was set by more than a second.
	ClockSteps uint64
	// ClockAhead is what the time of sessions is ahead of the system's clock; negative if it is behind.
	ClockAhead time.Duration
	// CurrentTime is the present moment in the time of sessions, by which they end.
	CurrentTime time.Time
	// ResumeToken is where a watcher that starts now begins.
	ResumeToken string
	// EventsKept are the events that watchers can still get when they resume.
	EventsKept uint64
}

// Statistics asks the server what it holds and does, in all namespaces.
func (c *Client) Statistics(ctx context.Context) (*Statistics, error) {
	answer, err := call(ctx, c, getStatistics, new(pb.GetStatisticsRequest), new(pb.GetStatisticsResponse))
	if err != nil {
		return nil, err
	}
	namespaces := make(map[string]uint64, len(answer.GetNamespaces()))
	for _, namespace := range answer.GetNamespaces() {
		namespaces[namespace.GetNamespace()] = namespace.GetSessions()
	}
	return &Statistics{
		Sessions:         answer.GetSessions(),
		Namespaces:       namespaces,
		Created:          answer.GetCreated(),
		Expired:          answer.GetExpired(),
		CreatedPerSecond: answer.GetCreatedPerSecond(),
		ExpiredPerSecond: answer.GetExpiredPerSecond(),
		DiskBytes:        answer.GetDiskBytes(),
		MemoryBytes:      answer.GetMemoryBytes(),
		SweeperLag:       answer.GetSweeperLag().AsDuration(),
		StartTime:        moment(answer.GetStartTime()),
		CPUTime:          answer.GetCpuTime().AsDuration(),
		Watchers:         answer.GetWatchers(),
		RefusedForSpace:  answer.GetRefusedForSpace(),
		MetDamage:        answer.GetMetDamage(),
		StorageStalls:    answer.GetStorageStalls(),
		ClockSteps:       answer.GetClockSteps(),
		ClockAhead:       answer.GetClockAhead().AsDuration(),
		CurrentTime:      moment(answer.GetCurrentTime()),
		ResumeToken:      answer.GetResumeToken(),
		EventsKept:       answer.GetEventsKept(),
	}, nil
}

// SweepNow removes every session that has expired by now instead of waiting for the sweeper; it answers how many. A
// deadline of the context can be later than the client's timeout.
func (c *Client) SweepNow(ctx context.Context) (removed uint64, err error) {
	answer, err := slowCall(ctx, c, sweepNow, new(pb.SweepNowRequest), new(pb.SweepNowResponse))
	return answer.GetRemoved(), err
}
