// The parts of a session, as they are shown.
import { h } from "./dom.js";
import { moment, relative, visible } from "./words.js";

/** A name as it is written, whichever way its letters run. */
export function name(text) {
  return h("bdi", { class: "name" }, visible(text));
}

/** The device in few words. */
export function deviceOf({ labels, handle }) {
  return visible(labels.device ?? Object.values(labels)[0] ?? `handle ${handle.slice(-12)}`);
}

/** What is known of the device: the labels that the application has given the session, and its handle. */
export function device(session) {
  const { device: title, ...others } = session.labels;
  const entries = Object.entries(others);
  return h(
    "div",
    { class: "about" },
    title && h("strong", {}, h("bdi", {}, visible(title))),
    entries.length > 0 &&
      h(
        "dl",
        {},
        entries.map(([label, value]) =>
          h("div", {}, h("dt", {}, visible(label)), h("dd", {}, h("bdi", {}, visible(value)))),
        ),
      ),
    h("code", { class: "handle", title: "The handle: it names the session, and lets nobody in" }, session.handle),
  );
}

/** A cell with a moment. */
export function time(label, value) {
  const shown = value
    ? h("time", { datetime: value, title: moment(value) }, relative(value))
    : h("span", { class: "soft" }, "–");
  return h("td", { class: "time", "data-label": label }, shown);
}
