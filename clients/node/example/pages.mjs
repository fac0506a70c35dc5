// The pages as HTML. Everything that comes from outside goes through `escaped`.
const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escaped = (text) => String(text).replace(/[&<>"']/g, (char) => ESCAPES[char]);

class Html {
  constructor(text) {
    this.text = text;
  }
}

/** A template whose values are escaped, unless they are HTML themselves. */
export function html(parts, ...values) {
  const shown = (value) => {
    if (Array.isArray(value)) return value.map(shown).join("");
    return value instanceof Html ? value.text : value === undefined || value === false ? "" : escaped(value);
  };
  return new Html(parts.reduce((text, part, index) => text + shown(values[index - 1]) + part));
}

export function page({ title, user, messages, token, body }) {
  const shown = html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<nav><a href="/">Home</a> <a href="/preferences">Preferences</a> <a href="/guestbook">Guestbook</a>
${user ? html`<a href="/devices">Devices</a> ${button("/log-out", `Log out ${user}`, token)}` : html`<a href="/log-in">Log in</a> <a href="/sign-up">Sign up</a>`}</nav>
<h1>${title}</h1>
${messages.map(({ kind, text }) => html`<p class="${kind}">${text}</p>`)}
${body}
</html>`;
  return shown.text;
}

export const field = (token) => html`<input type="hidden" name="_csrf" value="${token}">`;

export function button(action, label, token, hidden = {}) {
  const inputs = Object.entries(hidden).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`,
  );
  return html`<form method="post" action="${action}">${field(token)}${inputs}<button>${label}</button></form>`;
}

export function credentials(action, token, more) {
  return html`<form method="post" action="${action}">${field(token)}
<label>Name <input name="name" autocomplete="username" required></label>
<label>Password <input name="password" type="password" required></label>${more}
<button>Go on</button></form>`;
}

export function choice(name, options, chosen) {
  const items = options.map(
    ([value, label]) => html`<option value="${value}"${value === chosen && html` selected`}>${label}</option>`,
  );
  return html`<select name="${name}">${items}</select>`;
}
