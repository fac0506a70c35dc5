/** The deadlines of all calls on one timer: a timer for each would cost more than the call. */

/**
 * A call that has a deadline. It is a link of the list itself: a Set that so many calls go through leaves its old tables, and
 * with them the calls, to the slow part of the garbage collector.
 */
export interface Timed {
  readonly deadlineAt: number;
  previous: Timed | undefined;
  next: Timed | undefined;
  expire(now: number): void;
}

export class Deadlines {
  private first: Timed | undefined;
  private timer: NodeJS.Timeout | undefined;
  private wakeAt = Number.POSITIVE_INFINITY;

  add(call: Timed): void {
    call.next = this.first;
    if (this.first) this.first.previous = call;
    this.first = call;
    if (call.deadlineAt < this.wakeAt) this.wake(call.deadlineAt);
  }

  /** Takes a call out; once is enough, and more does no harm. */
  delete(call: Timed): void {
    const { previous, next } = call;
    if (previous) previous.next = next;
    else if (this.first === call) this.first = next;
    if (next) next.previous = previous;
    call.previous = undefined;
    call.next = undefined;
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
    let earliest = Number.POSITIVE_INFINITY;
    const due: Timed[] = [];
    for (let call = this.first; call; call = call.next) {
      if (call.deadlineAt <= now) due.push(call);
      else if (call.deadlineAt < earliest) earliest = call.deadlineAt;
    }
    for (const call of due) {
      this.delete(call);
      call.expire(now);
    }
    if (earliest < this.wakeAt) this.wake(earliest);
  };
}
