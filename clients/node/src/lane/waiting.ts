/** Who waits for which reply. */

/** Calls of one stream that may be in flight: with more the server reads no further. */
const CALLS_IN_FLIGHT = 1_024;

/** The calls in flight of one stream, by tag. A tag is free again when its reply has come, also if the caller has gone. */
export class Waiting<T> {
  /** From 1 on: a tag of 0 would not be written, nor come back. */
  private readonly calls: (T | undefined)[] = [undefined];
  private readonly free: number[] = [];

  get hasRoom(): boolean {
    return this.free.length > 0 || this.calls.length <= CALLS_IN_FLIGHT;
  }

  /** Takes in a call; its tag. */
  enter(call: T): number {
    const tag = this.free.pop() ?? this.calls.length;
    this.calls[tag] = call;
    return tag;
  }

  /** The call that waits for this tag, which is free again. */
  take(tag: number): T | undefined {
    const call = this.calls[tag];
    if (call !== undefined) {
      this.calls[tag] = undefined;
      this.free.push(tag);
    }
    return call;
  }

  /** Everybody who still waits. */
  drain(): T[] {
    const calls = this.calls.filter((call) => call !== undefined) as T[];
    this.calls.length = 1;
    this.free.length = 0;
    return calls;
  }
}
