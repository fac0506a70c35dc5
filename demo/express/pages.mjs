// The pages as HTML. Everything that comes from outside is escaped.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { version } = JSON.parse(readFileSync(createRequire(import.meta.url).resolve("express/package.json"), "utf8"));
const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escaped = (text) => String(text).replace(/[&<>"']/g, (char) => ESCAPES[char]);

class Html {
  constructor(text) {
    this.text = text;
  }
}

/** A template whose values are escaped, unless they are HTML themselves. */
function html(parts, ...values) {
  const shown = (value) => {
    if (Array.isArray(value)) return value.map(shown).join("");
    return value instanceof Html ? value.text : value === undefined || value === false ? "" : escaped(value);
  };
  return new Html(parts.reduce((text, part, index) => text + shown(values[index - 1]) + part));
}

const field = (token) => html`<input type="hidden" name="_csrf" value="${token}">`;
const moment = (date) => `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;

function page({ site, sites, portal }, content) {
  const shown = html`<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${site} · sessiond demo</title>
  <link rel="stylesheet" href="${portal}/style.css">
</head>
<body class="${site}">
<header>
  <a class="brand" href="${portal}/">sessiond <span>demo</span></a>
  <nav aria-label="Sites">${sites.map(([name, url]) => html`<a href="${url}/"${name === site && html` aria-current="page"`}>${name}</a>`)}</nav>
</header>
<main>
  <p class="served">This page is served by <strong>Express ${version}</strong></p>
  ${content}
</main>
</body>
</html>`;
  return shown.text;
}

export function homePage(common, { principal, name, device, cart, users, products, token, handle }) {
  const { site, forum } = common;
  const visitor = html`<h1>Who are you?</h1>
  <p class="soft">There are no passwords here: choose somebody.</p>
  <form class="actions" method="post" action="/log-in">${field(token)}
    ${[...users].map(([user, full]) => html`<button class="primary" name="user" value="${user}">${full}</button>\n`)}
  </form>`;
  const member = html`<h1>Hello, ${name}</h1>
  <p class="soft">You logged in at ${device?.labels.site}, with ${device?.labels.device}. Every site knows you.</p>
  <div class="actions">
    <a class="button" href="/devices">Your devices</a>
    ${forum && html`<a class="button" href="${forum}/sign-on?via=${site}">To the forum, on another domain</a>`}
    <form method="post" action="/log-out">${field(token)}<button class="danger">Log out</button></form>
  </div>`;
  const lines = cart.map((line) => html`<li>${line.product} <small>added at ${line.site}</small></li>`);
  return page(
    common,
    html`<section class="card account">${principal ? member : visitor}</section>
<section class="card half cart">
  <h2>Cart <span class="count">${cart.length}</span></h2>
  <ul class="rows">${lines.length > 0 ? lines : html`<li class="soft">Nothing yet.</li>`}</ul>
  <form class="actions" method="post" action="/cart">${field(token)}
    ${products.map((product) => html`<button name="product" value="${product}">Add ${product}</button>\n`)}
  </form>
</section>
<section class="card half session">
  <h2>The session</h2>
  <dl>
    <dt>Handle</dt><dd><code>${handle ?? "none yet"}</code></dd>
    <dt>Belongs to</dt><dd>${principal ?? "nobody"}</dd>
    ${device && html`<dt>Since</dt><dd>${moment(device.createTime)}</dd>`}
  </dl>
</section>`,
  );
}

export function devicesPage(common, { devices, token }) {
  const rows = devices.map(
    ({ handle, isCurrent, labels, lastAccessTime }) => html`<li>
      <span>${labels.device ?? "Unknown device"} <small>logged in at ${labels.site ?? "an unknown site"}, last active ${moment(lastAccessTime)}</small></span>
      ${
        isCurrent
          ? html`<span class="tag">this one</span>`
          : html`<form method="post" action="/devices/end">${field(token)}<button class="danger" name="handle" value="${handle}">Log it out</button></form>`
      }
    </li>`,
  );
  return page(
    common,
    html`<section class="card devices">
  <h1>Your devices</h1>
  <p class="soft">Every session of yours, whichever site it began at.</p>
  <ul class="rows">${rows}</ul>
  <div class="actions">
    <form method="post" action="/devices/end-others">${field(token)}<button>Log out the others</button></form>
    <form method="post" action="/devices/end-all">${field(token)}<button class="danger">Log out everywhere</button></form>
    <a class="button" href="/">Back</a>
  </div>
</section>`,
  );
}

export function unavailablePage(common) {
  return page(
    common,
    html`<section class="card">
  <h1>One moment, please</h1>
  <p>The store of sessions is out of reach. Load this page again when it is back: you will still be logged in.</p>
</section>`,
  );
}
