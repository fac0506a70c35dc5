// The stream of events, as it comes.
import { h, notice } from "./dom.js";
import { stream } from "./server.js";
import { moment, visible } from "./words.js";

const KINDS = ["created", "updated", "rotated", "deleted", "expired", "revoked"];
const SHOWN = 200;
const AGAIN_AFTER = 2_000;

/** Opens the view. Returns what ends it. */
export function eventsView(root, query, page) {
  const view = new EventsView(root, query, page);
  view.follow();
  return () => view.stop();
}

class EventsView {
  constructor(root, query, page) {
    this.page = page;
    this.namespace = query.get("namespace") ?? "";
    this.kinds =
      query
        .get("kinds")
        ?.split(",")
        .filter((kind) => KINDS.includes(kind)) ?? [];
    this.waiting = [];
    this.isPaused = false;
    this.state = h("span", { class: "state", role: "status" }, "Connecting …");
    this.pause = h("button", { "aria-pressed": "false", onclick: () => this.togglePause() }, "Pause");
    this.lines = h("ol", { class: "stream", "aria-label": "Events, the newest first" });
    this.body = h(
      "div",
      {},
      notice("Nothing has happened yet", "Each session that is made, changed or ended from now on is shown here."),
    );
    root.append(this.heading(), this.filters(), this.body);
  }

  heading() {
    return h(
      "div",
      { class: "heading" },
      h("div", {}, h("h1", { tabindex: "-1" }, "Events"), this.state),
      h("div", { class: "actions" }, this.pause),
    );
  }

  filters() {
    const input = h("input", {
      id: "event-namespace",
      value: this.namespace,
      placeholder: "all",
      autocomplete: "off",
      autocapitalize: "none",
      spellcheck: "false",
      onchange: (event) => this.goTo({ namespace: event.target.value.trim() }),
    });
    const chip = (kind) =>
      h(
        "button",
        {
          type: "button",
          class: `chip ${kind}`,
          "aria-pressed": String(this.kinds.includes(kind)),
          onclick: () => this.goTo({ kinds: toggled(this.kinds, kind).join(",") }),
        },
        kind,
      );
    return h(
      "div",
      { class: "bar" },
      h("div", { class: "place" }, h("label", { for: "event-namespace" }, "Namespace"), input),
      h("div", { class: "chips", role: "group", "aria-label": "Kinds of events; none means all" }, KINDS.map(chip)),
    );
  }

  goTo(change) {
    this.page.goTo("events", { namespace: this.namespace, kinds: this.kinds.join(","), ...change });
  }

  /** Follows until the view is left. What happens while the server is gone is caught up with, as far as its history goes. */
  async follow() {
    let token = "";
    this.ending = new AbortController();
    const { signal } = this.ending;
    while (!signal.aborted) {
      const place = this.namespace ? { namespace: this.namespace } : { all_namespaces: true };
      try {
        for await (const { event, checkpoint } of stream(
          "WatchSessions",
          { ...place, kinds: this.kinds, resume_token: token },
          signal,
        )) {
          token = (event ?? checkpoint).resume_token;
          if (event) this.add(event);
          this.say("live", "Live");
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error.kind !== "gone" && error.kind !== "busy") {
          if (error.reason !== "EVENTS_GONE") return this.refuse(error);
          token = "";
        }
        this.say(
          "lost",
          error.kind === "gone" ? "The server does not answer; trying again" : `${error.title}; trying again`,
        );
        await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER));
      }
    }
  }

  stop() {
    this.ending.abort();
  }

  refuse(error) {
    this.say("lost", "Stopped");
    this.page.fail(error, this.body, () => {
      this.body.replaceChildren();
      this.follow();
    });
  }

  say(state, text) {
    if (this.isPaused && state === "live") [state, text] = ["paused", this.pausedText()];
    if (this.state.textContent === text) return;
    this.state.className = `state ${state}`;
    this.state.textContent = text;
  }

  pausedText() {
    const number = this.waiting.length;
    return number === 0 ? "Paused" : `Paused, ${number === SHOWN ? `${SHOWN} or more` : number} waiting`;
  }

  togglePause() {
    this.isPaused = !this.isPaused;
    this.pause.setAttribute("aria-pressed", String(this.isPaused));
    this.pause.textContent = this.isPaused ? "Go on" : "Pause";
    if (!this.isPaused) for (const event of this.waiting.splice(0)) this.add(event);
    this.say("live", "Live");
  }

  add(event) {
    if (this.isPaused) {
      this.waiting.push(event);
      if (this.waiting.length > SHOWN) this.waiting.shift();
      return;
    }
    if (!this.lines.isConnected) this.body.replaceChildren(this.lines);
    this.lines.prepend(line(event));
    while (this.lines.childElementCount > SHOWN) this.lines.lastElementChild.remove();
  }
}

function toggled(list, item) {
  return list.includes(item) ? list.filter((other) => other !== item) : [...list, item];
}

function line({ kind, event_time: at, session }) {
  const { principal, namespace, handle, labels } = session;
  const who = principal
    ? h(
        "a",
        { href: `#/sessions?${new URLSearchParams({ namespace, user: principal })}` },
        h("bdi", { class: "name" }, visible(principal)),
      )
    : h("span", { class: "soft" }, "nobody");
  return h(
    "li",
    {},
    h("time", { datetime: at, title: moment(at) }, new Date(at).toLocaleTimeString("en-GB")),
    h("span", { class: `kind ${kind}` }, kind),
    h(
      "span",
      { class: "whose" },
      who,
      " ",
      h("span", { class: "soft" }, "in ", namespace, labels.device && [", ", h("bdi", {}, visible(labels.device))]),
    ),
    h(
      "a",
      {
        class: "handle",
        href: `#/sessions?${new URLSearchParams({ namespace, handle })}`,
        title: `Session ${handle}`,
        "aria-label": `Session ${handle}`,
      },
      `…${handle.slice(-12)}`,
    ),
  );
}
