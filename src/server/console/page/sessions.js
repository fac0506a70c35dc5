// The sessions of a namespace, or the devices of one user, and how they are ended.
import { h, notice, openDialog, toast } from "./dom.js";
import { call } from "./server.js";
import { count, moment, relative, sessions as sessionsIn, visible } from "./words.js";

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
    const search = h("input", { id: "search", type: "search", value: this.user || this.handle, placeholder: "User or handle", "aria-label": "Find a user or a handle", autocomplete: "off", autocapitalize: "none", spellcheck: "false", "aria-keyshortcuts": "/" });
    const find = (event) => {
      event.preventDefault();
      const text = search.value.trim();
      if (HANDLE.test(text)) this.goTo({ handle: text.toLowerCase() });
      else this.goTo({ user: text });
    };
    return h("div", { class: "bar" },
      this.place,
      h("form", { class: "search", role: "search", onsubmit: find }, search, h("kbd", { "aria-hidden": "true", title: "The key / leads here" }, "/"), h("button", { type: "submit" }, "Find")));
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
      const input = h("input", { id: "namespace", value: this.namespace, onchange: change, autocomplete: "off", autocapitalize: "none", spellcheck: "false" });
      this.place.replaceChildren(h("label", { for: "namespace" }, "Namespace"), input);
      return;
    }
    this.namespace ||= (namespaces.toSorted((one, other) => other.sessions - one.sessions)[0]?.namespace ?? "default");
    if (!namespaces.some(({ namespace }) => namespace === this.namespace)) namespaces.unshift({ namespace: this.namespace, sessions: 0 });
    const options = namespaces.map(({ namespace, sessions }) => h("option", { value: namespace, selected: namespace === this.namespace }, `${namespace} (${count(sessions)})`));
    this.place.replaceChildren(h("label", { for: "namespace" }, "Namespace"), h("select", { id: "namespace", onchange: change }, options));
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
    else if (user) parts.push(notice("Nobody is logged in by this name", "The name must be written as the application writes it, with capital and small letters."));
    else parts.push(notice("No sessions yet", "They appear here as soon as an application makes some in this namespace."));
    if (this.next) parts.push(h("p", { class: "more" }, h("button", { onclick: (event) => this.more(event.target) }, "Show more")));
    this.list.replaceChildren(...parts);
  }

  heading() {
    const { user, handle, sessions } = this;
    const number = `${count(sessions.length)}${this.next ? "+" : ""}`;
    const title = user ? h("h1", { tabindex: "-1" }, name(user)) : h("h1", { tabindex: "-1" }, handle ? "One session" : "Sessions");
    const about = user ? `${number} ${sessions.length === 1 ? "device" : "devices"} in ${this.namespace}` : handle ? `in ${this.namespace}` : sessions.length > 0 && `The newest ${number} in ${this.namespace}`;
    const back = (user || handle) && h("button", { class: "quiet", onclick: () => this.goTo({}) }, "← All sessions");
    const endAll = user && sessions.length > 0 && h("button", { class: "danger", onclick: () => this.endAll() }, sessions.length > 1 || this.next ? "End all of this user" : "End this session");
    const refresh = h("button", { onclick: () => this.refresh() }, "Refresh");
    return h("div", { class: "heading" }, h("div", {}, back, title, h("p", { class: "soft" }, about)), h("div", { class: "actions" }, refresh, endAll));
  }

  table() {
    const columns = ["User", "Device", "Created", "Last seen", "Expires"];
    const head = h("tr", {}, columns.slice(this.user ? 1 : 0).map((column) => h("th", { scope: "col" }, column)), h("th", { scope: "col" }, h("span", { class: "hidden" }, "End")));
    const caption = this.user ? "The devices of this user" : "Sessions";
    return h("table", {}, h("caption", { class: "hidden" }, caption), h("thead", {}, head), h("tbody", {}, this.sessions.map((session) => this.row(session))));
  }

  row(session) {
    const who = session.principal
      ? h("a", { href: `#/sessions?${new URLSearchParams({ namespace: session.namespace, user: session.principal })}` }, name(session.principal))
      : h("span", { class: "soft" }, "nobody");
    const about = `of ${session.principal ? visible(session.principal) : "nobody"}, ${deviceOf(session)}`;
    const others = this.user && (this.sessions.length > 1 || this.next) && h("button", { class: "quiet", onclick: () => this.endOthers(session), "aria-label": `End all sessions but the one ${about}` }, "End the others");
    return h("tr", {},
      !this.user && h("td", { class: "user", "data-label": "User" }, who),
      h("td", { class: "device", "data-label": "Device" }, device(session)),
      time("Created", session.create_time), time("Last seen", session.last_access_time), time("Expires", session.expire_time),
      h("td", { class: "end" }, others, h("button", { class: "danger", onclick: () => this.endOne(session), "aria-label": `End the session ${about}` }, "End")));
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

  async endOne(session) {
    const whose = session.principal ? ["The device of ", name(session.principal), " is logged out"] : ["The visitor loses what this session holds"];
    if (!(await confirmed("End this session?", [h("p", {}, ...whose, " with its next request. That can't be undone."), device(session)], "End session"))) return;
    await this.tried(async () => {
      const { revoked } = await call("RevokeSessions", { namespace: session.namespace, handles: [session.handle] });
      toast(revoked === 1 ? "1 session has ended." : "That session had ended already.");
      await this.refresh();
    });
  }

  async endOthers(kept) {
    const number = this.next ? "all other sessions" : sessionsIn(this.sessions.length - 1);
    const text = [h("p", {}, "All devices of ", name(this.user), " but this one are logged out with their next request. That can't be undone."), device(kept)];
    if (!(await confirmed(`End ${number}?`, text, "End the others"))) return;
    await this.tried(async () => {
      toast(`${capital(sessionsIn(await this.endAllBut(kept.handle)))} of ${visible(this.user)} ended.`);
      await this.refresh();
    });
  }

  /** Ends page by page, until the list has no other session than this one. */
  async endAllBut(kept) {
    let [ended, token] = [0, ""];
    do {
      const list = await call("ListSessions", { namespace: this.namespace, principal: this.user, page_size: PAGE_SIZE, page_token: token });
      const handles = list.sessions.map(({ handle }) => handle).filter((handle) => handle !== kept);
      if (handles.length > 0) ended += (await call("RevokeSessions", { namespace: this.namespace, handles })).revoked;
      token = list.next_page_token;
    } while (token);
    return ended;
  }

  async endAll() {
    const number = this.next ? "all sessions" : sessionsIn(this.sessions.length);
    const text = [h("p", {}, "Every device of ", name(this.user), " is logged out with its next request. That can't be undone.")];
    if (!(await confirmed(`End ${number}?`, text, "End all"))) return;
    await this.tried(async () => {
      const { revoked } = await call("RevokeSessions", { namespace: this.namespace, principal: this.user });
      toast(`${capital(sessionsIn(revoked))} of ${visible(this.user)} ended.`);
      await this.refresh();
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

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function name(text) {
  return h("bdi", { class: "name" }, visible(text));
}

function deviceOf({ labels, handle }) {
  return visible(labels.device ?? Object.values(labels)[0] ?? `handle ${handle.slice(-12)}`);
}

/** What is known of the device: the labels that the application has given the session, and its handle. */
function device(session) {
  const { device: title, ...others } = session.labels;
  const entries = Object.entries(others);
  return h("div", { class: "about" },
    title && h("strong", {}, h("bdi", {}, visible(title))),
    entries.length > 0 && h("dl", {}, entries.map(([label, value]) => h("div", {}, h("dt", {}, visible(label)), h("dd", {}, h("bdi", {}, visible(value)))))),
    h("code", { class: "handle", title: "The handle: it names the session, and lets nobody in" }, session.handle));
}

function time(label, value) {
  const shown = value ? h("time", { datetime: value, title: moment(value) }, relative(value)) : h("span", { class: "soft" }, "–");
  return h("td", { class: "time", "data-label": label }, shown);
}

/** Asks before something is ended. Whoever presses Enter at once has not ended anything. */
async function confirmed(title, text, action) {
  const answer = await openDialog((close) => [
    h("h2", { id: "dialog-title" }, title),
    ...text,
    h("p", { class: "actions" }, h("button", { autofocus: true, onclick: () => close(false) }, "Cancel"), h("button", { class: "danger solid", onclick: () => close(true) }, action)),
  ]);
  return answer === true;
}
