// Makes elements. Text is only ever added as text, so that nothing a visitor has chosen becomes part of the page's code.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children. An attribute `onclick` is a listener; `null`, `false` and `undefined` are left out. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Says something that is read aloud, and goes away. */
export function toast(text) {
  const element = h("p", { class: "toast" }, text);
  document.getElementById("toasts").replaceChildren(element);
  setTimeout(() => element.remove(), 8_000);
}

/** A box that says what is wrong or missing and what to do. */
export function notice(title, text, ...actions) {
  return h(
    "div",
    { class: "notice" },
    h("h2", {}, title),
    h("p", {}, text),
    actions.length > 0 && h("p", { class: "actions" }, actions),
  );
}

/** Opens a dialog over the page. Resolves when it is closed, with what `close` was called with; with nothing after Escape. */
export function openDialog(build) {
  return new Promise((resolve) => {
    let result;
    const before = document.activeElement;
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" });
    const close = (value) => {
      result = value;
      dialog.close();
    };
    dialog.append(...build(close));
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before?.isConnected) before.focus();
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
