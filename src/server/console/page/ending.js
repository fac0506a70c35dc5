// Ends sessions, after a question. Each function resolves with what to say; with nothing if nothing was done.
import { h, openDialog } from "./dom.js";
import { call } from "./server.js";
import { device, name } from "./session.js";
import { sessions as sessionsIn, visible } from "./words.js";

const PAGE_SIZE = 100;
const NEVERMIND = "with the next request. That can't be undone.";

/** Ends one session. */
export async function endOne(session) {
  const { namespace, principal, handle } = session;
  const whose = principal
    ? ["The device of ", name(principal), " is logged out "]
    : ["The visitor loses what this session holds "];
  const text = [h("p", {}, ...whose, NEVERMIND), device(session)];
  if (!(await isConfirmed("End this session?", text, "End session"))) return;
  const { revoked } = await call("RevokeSessions", { namespace, handles: [handle] });
  return revoked === 1 ? "1 session has ended." : "That session had ended already.";
}

/** Ends all sessions of a user but one. How many there are is a guess where there are more than are shown. */
export async function endOthers(kept, others) {
  const { namespace, principal, handle } = kept;
  const text = [
    h("p", {}, "All devices of ", name(principal), " but this one are logged out ", NEVERMIND),
    device(kept),
  ];
  const title = `End ${others === undefined ? "all other sessions" : sessionsIn(others)}?`;
  if (!(await isConfirmed(title, text, "End the others"))) return;
  let [ended, token] = [0, ""];
  do {
    const request = { namespace, principal, page_size: PAGE_SIZE, page_token: token };
    const list = await call("ListSessions", request);
    const handles = list.sessions.map((session) => session.handle).filter((other) => other !== handle);
    if (handles.length > 0) ended += (await call("RevokeSessions", { namespace, handles })).revoked;
    token = list.next_page_token;
  } while (token);
  return told(ended, principal);
}

/** Ends all sessions of a user. */
export async function endAll(namespace, principal, count) {
  const text = [h("p", {}, "Every device of ", name(principal), " is logged out ", NEVERMIND)];
  const title = `End ${count === undefined ? "all sessions" : sessionsIn(count)}?`;
  if (!(await isConfirmed(title, text, "End all"))) return;
  const { revoked } = await call("RevokeSessions", { namespace, principal });
  return told(revoked, principal);
}

function told(ended, principal) {
  return `${sessionsIn(ended)} of ${visible(principal)} ended.`;
}

/** Asks before something is ended. Whoever presses Enter at once has not ended anything. */
async function isConfirmed(title, text, action) {
  const answer = await openDialog((close) => [
    h("h2", { id: "dialog-title" }, title),
    ...text,
    h(
      "p",
      { class: "actions" },
      h("button", { autofocus: true, onclick: () => close(false) }, "Cancel"),
      h("button", { class: "danger solid", onclick: () => close(true) }, action),
    ),
  ]);
  return answer === true;
}
