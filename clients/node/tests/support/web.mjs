// A site under test, and a browser that visits it.
import { once } from "node:events";
import { createServer } from "node:http";
import { SessiondStore } from "connect-sessiond";
import express from "express";
import session from "express-session";

/** Serves a handler on a free port until the test is over; its URL. */
export async function serve(t, handler) {
  const server = createServer(handler).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

let sites = 0;

/** An Express site with sessions; `routes(app)` adds its pages. */
export async function site(t, server, { store: storeOptions, session: sessionOptions, routes }) {
  const namespace = storeOptions?.namespace ?? `site-${process.pid}-${++sites}`;
  const options = { deadline: 10_000, ...storeOptions, namespace };
  const store = new SessiondStore(options.client ? options : { address: server.address, ...options });
  t.after(() => store.close());
  const app = express();
  app.use(express.urlencoded({ extended: false }), express.json());
  app.use(session({ store, secret: "not a secret", resave: false, saveUninitialized: false, ...sessionOptions }));
  routes(app);
  return { store, url: await serve(t, app), namespace };
}

/** Keeps cookies, as a browser does. */
export class Browser {
  cookies = new Map();

  constructor(url) {
    this.url = url;
  }

  async fetch(path, options = {}) {
    const url = path.startsWith("http") ? path : this.url + path;
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { ...options.headers, ...(cookie && { cookie }) };
    const response = await fetch(url, { redirect: "manual", ...options, headers });
    for (const line of response.headers.getSetCookie()) {
      const [pair] = line.split(";");
      const equals = pair.indexOf("=");
      const [name, value] = [pair.slice(0, equals), pair.slice(equals + 1)];
      if (/max-age=0|expires=thu, 01 jan 1970/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    // express-session saves before the last byte goes out, not before the headers do.
    const text = await response.text();
    const { status, headers: answered } = response;
    return { status, headers: answered, text: async () => text, json: async () => JSON.parse(text) };
  }

  async text(path, options) {
    const response = await this.fetch(path, options);
    return response.text();
  }

  async json(path, options) {
    const response = await this.fetch(path, options);
    try {
      return await response.json();
    } catch {
      throw new Error(`${response.status} ${await response.text()}`);
    }
  }

  post(path, fields = {}, headers = {}) {
    return this.fetch(path, { method: "POST", body: new URLSearchParams(fields), headers });
  }

  /** Another browser with the same cookies: a second tab that is slower. */
  copy() {
    const other = new Browser(this.url);
    other.cookies = new Map(this.cookies);
    return other;
  }
}

/** Runs the hooks of `before` in `after`: what a file's tests share. */
export function sharedHooks(after) {
  const hooks = [];
  after(async () => {
    for (const run of hooks.reverse()) await run();
  });
  return { after: (run) => hooks.push(run) };
}
