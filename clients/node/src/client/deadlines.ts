/** The deadlines of all calls on one timer: a timer for each would cost more than the call. */

interface Timed {
  readonly deadlineAt: number;
  expire(now: number): void;
}

export class Deadlines {
  private readonly calls = new Set<Timed>();
  private timer: NodeJS.Timeout | undefined;
  private wakeAt = Number.POSITIVE_INFINITY;

  add(call: Timed): void {
    this.calls.add(call);
    if (call.deadlineAt < this.wakeAt) this.wake(call.deadlineAt);
  }

  delete(call: Timed): void {
    this.calls.delete(call);
  }

  private wake(at: number): void {
    clearTimeout(this.timer);
    this.wakeAt = at;
    // The connection keeps the process alive while a call is in flight.
    this.timer = setTimeout(this.look, Math.max(at - performance.now(), 0)).unref();
  }

  private readonly look = (): void => {
    const now = performance.now();
    this.wakeAt = Number.POSITIVE_INFINITY;
    let next = Number.POSITIVE_INFINITY;
    for (const call of this.calls) {
      if (call.deadlineAt <= now) {
        this.calls.delete(call);
        call.expire(now);
      } else if (call.deadlineAt < next) next = call.deadlineAt;
    }
    if (next < this.wakeAt) this.wake(next);
  };
}
