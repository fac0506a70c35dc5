// The sessions of a namespace, or the devices of one user.
import { h, notice, toast } from "./dom.js";
import { endAll, endOne, endOthers } from "./ending.js";
import { call } from "./server.js";
import { device, deviceOf, name, time } from "./session.js";
import { count, relative, visible } from "./words.js";

const HANDLE = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const TIMES_EVERY = 10_000;
const PAGE_SIZE = 100;

/** Opens the view. Returns what ends it. */
export function sessionsView(root, query, page) {
  const view = new SessionsView(root, query, page);
  view.load();
  const timer = setInterval(() => view.renewTimes(), TIMES_EVERY);
  return () => clearInterval(timer);
}

class SessionsView {
  constructor(root, query, page) {
    this.page = page;
    this.namespace = query.get("namespace") ?? "";
    this.user = query.get("user") ?? "";
    this.handle = query.get("handle") ?? "";
    this.sessions = [];
    this.next = "";
    this.list = h("div", { class: "list", "aria-busy": "true" }, h("p", { class: "soft loading" }, "Loading …"));
    this.place = h("div", { class: "place" });
    root.append(this.searchBar(), this.list);
  }

  searchBar() {
    const search = h("input", {
      id: "search",
      type: "search",
      value: this.user || this.handle,
      placeholder: "User or handle",
      "aria-label": "Find a user or a handle",
      autocomplete: "off",
      autocapitalize: "none",
      spellcheck: "false",
      "aria-keyshortcuts": "/",
    });
    const find = (event) => {
      event.preventDefault();
      const text = search.value.trim();
      if (HANDLE.test(text)) this.goTo({ handle: text.toLowerCase() });
      else this.goTo({ user: text });
    };
    return h(
      "div",
      { class: "bar" },
      this.place,
      h(
        "form",
        { class: "search", role: "search", onsubmit: find },
        search,
        h("kbd", { "aria-hidden": "true", title: "The key / leads here" }, "/"),
        h("button", { type: "submit" }, "Find"),
      ),
    );
  }

  goTo(query) {
    this.page.goTo("sessions", { namespace: this.namespace, ...query });
  }

  async load() {
    try {
      await this.loadNamespaces();
      await this.loadSessions();
    } catch (error) {
      this.list.removeAttribute("aria-busy");
      if (error.kind === "permission" && !this.user && !this.handle) {
        error.remedy = `Find a user or a handle, for which the permission principals is enough. ${error.remedy}`;
      }
      this.page.fail(error, this.list, () => this.load());
    }
  }

  /** Which namespaces there are is part of the statistics, which not every caller may read; then the name has to be typed. */
  async loadNamespaces() {
    let namespaces;
    try {
      ({ namespaces } = await call("GetStatistics"));
    } catch (error) {
      if (error.kind !== "permission") throw error;
    }
    const change = (event) => this.page.goTo("sessions", { namespace: event.target.value.trim() });
    if (!namespaces) {
      this.namespace ||= "default";
      const input = h("input", {
        id: "namespace",
        value: this.namespace,
        onchange: change,
        autocomplete: "off",
        autocapitalize: "none",
        spellcheck: "false",
      });
      this.place.replaceChildren(h("label", { for: "namespace" }, "Namespace"), input);
      return;
    }
    this.namespace ||= namespaces.toSorted((one, other) => other.sessions - one.sessions)[0]?.namespace ?? "default";
    if (!namespaces.some(({ namespace }) => namespace === this.namespace))
      namespaces.unshift({ namespace: this.namespace, sessions: 0 });
    const options = namespaces.map(({ namespace, sessions }) =>
      h("option", { value: namespace, selected: namespace === this.namespace }, `${namespace} (${count(sessions)})`),
    );
    this.place.replaceChildren(
      h("label", { for: "namespace" }, "Namespace"),
      h("select", { id: "namespace", onchange: change }, options),
    );
  }

  async loadSessions() {
    const request = { namespace: this.namespace };
    if (this.handle) request.handles = [this.handle];
    else Object.assign(request, { principal: this.user, page_size: this.user ? PAGE_SIZE : 0, page_token: this.next });
    const found = await call("ListSessions", request);
    this.sessions.push(...found.sessions);
    this.next = found.next_page_token;
    this.render();
  }

  render() {
    this.list.removeAttribute("aria-busy");
    const { user, handle, sessions } = this;
    const parts = [this.heading()];
    if (sessions.length > 0) parts.push(this.table());
    else if (handle) parts.push(notice("No such session", "It has ended, or it is in another namespace."));
    else if (user)
      parts.push(
        notice(
          "Nobody is logged in by this name",
          "The name must be written as the application writes it, with capital and small letters.",
        ),
      );
    else
      parts.push(notice("No sessions yet", "They appear here as soon as an application makes some in this namespace."));
    if (this.next)
      parts.push(h("p", { class: "more" }, h("button", { onclick: (event) => this.more(event.target) }, "Show more")));
    this.list.replaceChildren(...parts);
  }

  heading() {
    const { user, handle, sessions } = this;
    const number = `${count(sessions.length)}${this.next ? "+" : ""}`;
    const title = user
      ? h("h1", { tabindex: "-1" }, name(user))
      : h("h1", { tabindex: "-1" }, handle ? "One session" : "Sessions");
    const about = user
      ? `${number} ${sessions.length === 1 ? "device" : "devices"} in ${this.namespace}`
      : handle
        ? `in ${this.namespace}`
        : sessions.length > 0 && `The newest ${number} in ${this.namespace}`;
    const back = (user || handle) && h("button", { class: "quiet", onclick: () => this.goTo({}) }, "← All sessions");
    const all =
      user &&
      sessions.length > 0 &&
      h(
        "button",
        {
          class: "danger",
          onclick: () => this.end(endAll(this.namespace, user, this.next ? undefined : sessions.length)),
        },
        sessions.length > 1 || this.next ? "End all of this user" : "End this session",
      );
    const refresh = h("button", { onclick: () => this.refresh() }, "Refresh");
    return h(
      "div",
      { class: "heading" },
      h("div", {}, back, title, h("p", { class: "soft" }, about)),
      h("div", { class: "actions" }, refresh, all),
    );
  }

  table() {
    const columns = ["User", "Device", "Created", "Last seen", "Expires"];
    const head = h(
      "tr",
      {},
      columns.slice(this.user ? 1 : 0).map((column) => h("th", { scope: "col" }, column)),
      h("th", { scope: "col" }, h("span", { class: "hidden" }, "End")),
    );
    const caption = this.user ? "The devices of this user" : "Sessions";
    return h(
      "table",
      {},
      h("caption", { class: "hidden" }, caption),
      h("thead", {}, head),
      h(
        "tbody",
        {},
        this.sessions.map((session) => this.row(session)),
      ),
    );
  }

  row(session) {
    const who = session.principal
      ? h(
          "a",
          { href: `#/sessions?${new URLSearchParams({ namespace: session.namespace, user: session.principal })}` },
          name(session.principal),
        )
      : h("span", { class: "soft" }, "nobody");
    const about = `of ${session.principal ? visible(session.principal) : "nobody"}, ${deviceOf(session)}`;
    const others =
      this.user &&
      (this.sessions.length > 1 || this.next) &&
      h(
        "button",
        {
          class: "quiet",
          onclick: () => this.end(endOthers(session, this.next ? undefined : this.sessions.length - 1)),
          "aria-label": `End all sessions but the one ${about}`,
        },
        "End the others",
      );
    return h(
      "tr",
      {},
      !this.user && h("td", { class: "user", "data-label": "User" }, who),
      h("td", { class: "device", "data-label": "Device" }, device(session)),
      time("Created", session.create_time),
      time("Last seen", session.last_access_time),
      time("Expires", session.expire_time),
      h(
        "td",
        { class: "end" },
        others,
        h(
          "button",
          { class: "danger", onclick: () => this.end(endOne(session)), "aria-label": `End the session ${about}` },
          "End",
        ),
      ),
    );
  }

  renewTimes() {
    for (const element of this.list.querySelectorAll("time")) element.textContent = relative(element.dateTime);
  }

  async more(button) {
    button.disabled = true;
    const before = this.sessions.length;
    await this.tried(() => this.loadSessions());
    this.list.querySelectorAll("tbody tr")[before]?.querySelector("a, button")?.focus();
  }

  async refresh() {
    [this.sessions, this.next] = [[], ""];
    await this.load();
    this.list.querySelector("h1")?.focus();
  }

  /** Ends something, shows what there is now, and says what was done. */
  async end(action) {
    await this.tried(async () => {
      const said = await action;
      if (!said) return;
      await this.refresh();
      toast(said);
    });
  }

  async tried(action) {
    try {
      await action();
    } catch (error) {
      this.page.fail(error, this.list, () => this.refresh());
    }
  }
}
