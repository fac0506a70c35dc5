/** Methods that answer by a callback or, without one, by a promise. */

export type Callback<T = void> = (error?: unknown, value?: T) => void;

/** Starts what is to be done; one of the two is called with its outcome. What it throws is the outcome, too. */
export type Run<T> = (resolve: (value: T) => void, reject: (error: unknown) => void) => void;

/**
 * Hands the outcome to the callback, or as a promise to the caller. What the callback throws is an uncaught exception, as in any
 * other store, and never a rejected promise; and it runs in the asynchronous context of its caller, which the promise keeps.
 */
export function settle<T>(run: Run<T>, callback: Callback<T> | undefined): Promise<T> | undefined {
  const outcome = new Promise<T>(run);
  if (typeof callback !== "function") return outcome;
  outcome.then(
    (value) => {
      try {
        if (value === undefined) callback(null);
        else callback(null, value);
      } catch (error) {
        throwLater(error);
      }
    },
    (error) => {
      try {
        callback(error);
      } catch (thrown) {
        throwLater(thrown);
      }
    },
  );
  return undefined;
}

function throwLater(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
