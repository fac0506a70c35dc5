/** Methods that answer by a callback or, without one, by a promise. */

export type Callback<T = void> = (error?: unknown, value?: T) => void;

/**
 * Hands the outcome to the callback, or the promise itself to the caller. What the callback throws is an uncaught exception,
 * as in any other store, and never a rejected promise; and it runs in the asynchronous context of its caller.
 */
export function settle<T>(outcome: Promise<T>, callback: Callback<T> | undefined): Promise<T> | undefined {
  if (typeof callback !== "function") return outcome;
  outcome.then(
    (value) => guarded(() => (value === undefined ? callback(null) : callback(null, value))),
    (error) => guarded(() => callback(error)),
  );
  return undefined;
}

function guarded(run: () => void): void {
  try {
    run();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}
