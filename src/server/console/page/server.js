// Calls the server. The token of the operator is a variable of this module: it is in no cookie and in no storage, so that
// closing or reloading the page forgets it.

let token = "";

export function setToken(value) {
  token = value;
}

export function hasToken() {
  return token !== "";
}

/** An error, with what to do about it. `kind` is one of gone, token, permission, busy, other. */
export class CallError extends Error {
  constructor(kind, title, message, remedy, reason = "") {
    super(message);
    Object.assign(this, { kind, title, remedy, reason });
  }
}

async function request(method, body, signal) {
  const headers = { "content-type": "application/json", "sessiond-console": "1" };
  if (token) headers.authorization = `Bearer ${token}`;
  let response;
  try {
    const options = { method: "POST", headers, body: JSON.stringify(body), signal };
    response = await fetch(`/api/${method}`, {
      ...options,
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
  } catch (error) {
    throw error.name === "AbortError" ? error : gone();
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

/** Makes a call with one answer. */
export async function call(method, body = {}) {
  const response = await request(method, body);
  try {
    return await response.json();
  } catch {
    throw gone();
  }
}

/** Reads a stream of answers, one in each line. Ends with an error when the server ends it. */
export async function* stream(method, body, signal) {
  const response = await request(method, body, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch (error) {
      throw error.name === "AbortError" ? error : gone();
    }
    if (part.done) throw gone();
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const message = JSON.parse(line);
      if (message.error) throw explained(message.error);
      yield message;
    }
  }
}

function gone() {
  return new CallError(
    "gone",
    "The server does not answer",
    "It may have been stopped, or the network is gone.",
    "This page tries again by itself. If that does not help, look at the log of sessiond.",
  );
}

async function errorOf(response) {
  try {
    return explained((await response.json()).error);
  } catch {
    return new CallError(
      "other",
      "The answer can't be read",
      `HTTP status ${response.status}.`,
      "A proxy may be in the way; reload the page.",
    );
  }
}

function explained({ code, reason, message }) {
  const sentence = `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
  const of = (kind, title, remedy) => new CallError(kind, title, sentence, remedy, reason);
  switch (code) {
    case "UNAUTHENTICATED":
      return of(
        "token",
        hasToken() ? "The token was refused" : "A token is needed",
        "Enter one that sessiond token create has made for a caller of access-file.",
      );
    case "PERMISSION_DENIED":
      return reason === "PERMISSION_DENIED"
        ? of(
            "permission",
            "This is not allowed",
            "Use the token of another caller, or add the permission to this one in access-file; the page need not be loaded again.",
          )
        : of("other", "The console refuses this", "Load the page again, from the address where the console listens.");
    case "UNAVAILABLE":
      return of(
        "busy",
        "The server is not ready",
        "It is starting, restoring a backup or stopping; this page tries again by itself.",
      );
    case "RESOURCE_EXHAUSTED":
      return of("busy", "That is too much at a time", "This page tries again in a while.");
    case "DEADLINE_EXCEEDED":
      return of(
        "busy",
        "The server takes too long",
        "It is busy, or its disk is slow; this page tries again in a while.",
      );
    case "INVALID_ARGUMENT":
      return of("other", "That is not possible", "Correct it, and try again.");
    default:
      return of("other", "The server could not do this", "Its log says more.");
  }
}
