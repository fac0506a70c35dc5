/** A bound for the repetitions of all calls of a client together. */

/** The budget is counted in tenths of a token. */
const TOKEN = 10;

/** The reserve: a thousand tokens. */
const FULL = 1_000 * TOKEN;

/**
 * What the repetition costs after one answer of a server. If it was the end of a stream, all calls on it share the charge, and with
 * it whether it was paid: they are repeated together.
 */
export class Charge {
  isPaid: boolean | undefined;
}

/**
 * How much more a server that is reached, but can't be used, gets to do by repetitions. Each answer UNAVAILABLE takes a token
 * before its call is repeated, and each call that succeeds gives a tenth of one back: in the long run, repetitions are at most a
 * tenth of the calls that succeed. A server that is not there has nothing to bear, so its absence takes none; one
 * that starts or stops (NOT_READY) soon ends or serves, refuses at little cost, and asks for the repetition.
 */
export class RetryBudget {
  private tenths = FULL;

  /** A call has succeeded. */
  noteSuccess(): void {
    if (this.tenths < FULL) this.tenths++;
  }

  /** Whether there is a token for what was answered. */
  pays(charge: Charge): boolean {
    if (charge.isPaid === undefined) {
      charge.isPaid = this.tenths >= TOKEN;
      if (charge.isPaid) this.tenths -= TOKEN;
    }
    return charge.isPaid;
  }
}
