// Starts the page: who is there, which view is shown, keys.
import { h, notice, openDialog, toast } from "./dom.js";
import { eventsView } from "./events.js";
import { overviewView } from "./overview.js";
import { call, hasToken, setToken } from "./server.js";
import { sessionsView } from "./sessions.js";
import { visible } from "./words.js";

const VIEWS = {
  sessions: ["Sessions", sessionsView],
  events: ["Events", eventsView],
  overview: ["Overview", overviewView],
};
const AGAIN_AFTER = 3_000;

const content = document.getElementById("content");
let leave = () => {};
let again;

/** What the address says: a view, and what it is to show. */
function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { view: Object.hasOwn(VIEWS, path) ? path : "sessions", query: new URLSearchParams(query) };
}

/** Goes to a view. It becomes part of the history of the browser. */
export function goTo(view, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  const text = new URLSearchParams(given).toString();
  location.hash = `#/${view}${text ? `?${text}` : ""}`;
}

function show() {
  leave();
  clearTimeout(again);
  const { view, query } = place();
  const [title, open] = VIEWS[view];
  document.title = `${title} – sessiond console`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const root = h("div", { class: "view" });
  content.replaceChildren(root);
  leave = open(root, query, { goTo, fail }) ?? (() => {});
}

/** Shows an error in the place of what could not be loaded, and tries again where that may help. */
function fail(error, root, retry) {
  if (error.kind === "token") return askForToken(error);
  const buttons = [h("button", { class: "primary", onclick: retry }, "Try again")];
  if (error.kind === "permission" && hasToken())
    buttons.push(h("button", { onclick: () => askForToken() }, "Use another token"));
  const box = notice(error.title ?? "The page has a fault", visible(error.message), ...buttons);
  box.classList.add("error");
  box.querySelector("p").after(h("p", { class: "soft" }, error.remedy ?? "Load it again."));
  root.replaceChildren(box);
  if (error.kind === "gone" || error.kind === "busy") {
    clearTimeout(again);
    again = setTimeout(() => box.isConnected && retry(), AGAIN_AFTER);
  }
}

/** Asks for a token until the server takes it. */
async function askForToken(error) {
  if (document.querySelector("dialog[open]")) return;
  leave();
  leave = () => {};
  content.replaceChildren();
  let problem = error && hasToken() ? `${error.title}. ${error.message}` : "";
  for (;;) {
    const entered = await openDialog((close) => tokenDialog(close, problem));
    if (entered === undefined) {
      content.replaceChildren(
        notice(
          "Nobody is signed in",
          "The rules of access-file ask who calls, so nothing is shown without a token.",
          h("button", { class: "primary", onclick: () => askForToken() }, "Enter a token"),
        ),
      );
      return;
    }
    setToken(entered);
    try {
      showCaller(await call("WhoAmI"));
      show();
      return;
    } catch (refused) {
      setToken("");
      problem = `${refused.title}. ${refused.message}`;
    }
  }
}

function tokenDialog(close, problem) {
  const input = h("input", {
    id: "token",
    type: "password",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    required: true,
    placeholder: "sdt_…",
    "aria-describedby": "token-help",
    "aria-invalid": problem !== "",
  });
  const submit = (event) => {
    event.preventDefault();
    if (input.value.trim()) close(input.value.trim());
  };
  return [
    h(
      "form",
      { onsubmit: submit },
      h("h2", { id: "dialog-title" }, "Who is there?"),
      problem && h("p", { class: "problem", role: "alert" }, problem),
      h("label", { for: "token" }, "Token"),
      input,
      h(
        "p",
        { class: "soft", id: "token-help" },
        "It stays in the memory of this page, and is gone when the page is closed or loaded again. ",
        h("code", {}, "sessiond token create"),
        " makes one.",
      ),
      h(
        "p",
        { class: "actions" },
        h("button", { type: "button", onclick: () => close() }, "Cancel"),
        h("button", { type: "submit", class: "primary" }, "Sign in"),
      ),
    ),
  ];
}

function showCaller({ caller, token_needed: isNeeded, version }) {
  const forget = () => {
    setToken("");
    showCaller({ caller: null, token_needed: true, version });
    toast("The token is forgotten.");
    askForToken();
  };
  document
    .getElementById("who")
    .replaceChildren(
      ...(caller && hasToken()
        ? [
            h("span", { title: "The caller, as access-file names it" }, caller),
            h("button", { class: "quiet", onclick: forget }, "Sign out"),
          ]
        : [
            h(
              "span",
              { class: "soft", title: isNeeded ? null : "There is no access-file, so nobody is asked who he is" },
              isNeeded ? "" : "open access",
            ),
          ]),
      h("span", { class: "soft version" }, version),
    );
}

function onKey(event) {
  if (document.querySelector("dialog[open]")) return;
  const isTyping = event.target.matches?.("input, select, textarea");
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    const focus = () => document.getElementById("search")?.select();
    if (place().view === "sessions") return focus();
    addEventListener("hashchange", () => setTimeout(focus), { once: true });
    goTo("sessions");
  } else if (event.key === "Escape") {
    const { view, query } = place();
    if (view === "sessions" && (query.has("user") || query.has("handle")))
      goTo("sessions", { namespace: query.get("namespace") });
    else if (isTyping) event.target.blur();
  }
}

async function start() {
  addEventListener("hashchange", show);
  addEventListener("keydown", onKey);
  document.querySelector(".skip").addEventListener("click", (event) => {
    // The address names the view, so the link must not change it.
    event.preventDefault();
    content.focus();
  });
  const root = h("div", { class: "view" });
  const load = async () => {
    try {
      showCaller(await call("WhoAmI"));
      show();
    } catch (error) {
      fail(error, root, load);
    }
  };
  content.replaceChildren(root);
  await load();
}

start();
