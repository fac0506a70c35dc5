package sessiond

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"sessiond/internal/testserver"
)

// The watcher goes on by itself where it was when the server was killed: nothing is missing, and nothing comes twice.
func TestWatcherSurvivesRestarts(t *testing.T) {
	server := testserver.Start(t)
	client := clientOf(t, server, WithTimeout(5*time.Second))
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	events, ready := make(chan *Event, 100), make(chan struct{})
	isReady := sync.OnceFunc(func() { close(ready) })
	go func() {
		defer close(events)
		for event, err := range client.Watch(ctx, Watch{Checkpoints: true}) {
			switch {
			case err != nil:
				return
			case event.Kind != EventCheckpoint:
				events <- event
			default:
				isReady()
			}
		}
	}()
	<-ready
	for round := range 3 {
		if round > 0 {
			server.Kill(t)
			server.Restart(t)
		}
		var created *Created
		await(t, func() bool {
			var err error
			created, err = client.Create(ctx, NewSession{Principal: "ada"})
			return err == nil
		})
		event := <-events
		if event == nil || event.Kind != EventCreated || event.Session.Handle != created.Session.Handle || event.ResumeToken == "" {
			t.Fatalf("round %d: the event is %+v", round, event)
		}
	}
	cancel()
	for event := range events {
		t.Errorf("there is another event: %+v", event)
	}
}

func TestWatcherEnds(t *testing.T) {
	client := newClient(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for event, err := range client.Watch(ctx, Watch{Checkpoints: true, CheckpointInterval: 100 * time.Millisecond}) {
		if event != nil {
			cancel()
			continue
		}
		wantReason(t, err, ErrCanceled)
	}
	for _, watch := range []Watch{{ResumeToken: "anything at all"}, {Kinds: []EventKind{"born"}}, {CheckpointInterval: time.Millisecond}} {
		for _, err := range client.Watch(t.Context(), watch) {
			wantReason(t, err, ErrInvalidArgument)
		}
	}
	// Leaving the loop ends the stream.
	for range client.Watch(t.Context(), Watch{Checkpoints: true}) {
		break
	}
}

func TestWatcherResumes(t *testing.T) {
	client, ctx := newClient(t), t.Context()
	token := must[*Statistics](t)(client.Statistics(ctx)).ResumeToken
	created := must[*Created](t)(client.Create(ctx, NewSession{Attributes: map[string]any{"cart": 3}}))
	must[bool](t)(client.DeleteHandle(ctx, created.Session.Handle))
	kinds := []EventKind{EventDeleted, EventExpired}
	for event, err := range client.Watch(ctx, Watch{ResumeToken: token, Kinds: kinds, Attributes: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if event.Kind != EventDeleted || event.Session.Handle != created.Session.Handle || event.Session.Attributes["cart"] != int64(3) {
			t.Errorf("the event is %+v", event)
		}
		break
	}
}

func TestWatcherOfAServerThatIsDown(t *testing.T) {
	client, err := New("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	for _, err := range client.Watch(ctx, Watch{}) {
		if !errors.Is(err, ErrDeadlineExceeded) {
			t.Errorf("the error is %v", err)
		}
	}
}
