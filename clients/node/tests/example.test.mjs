// The example site, visited by browsers.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { SessiondClient } from "connect-sessiond";
import { makeApp } from "../example/app.mjs";
import { Server } from "./support/server.mjs";
import { Browser, serve, sharedHooks } from "./support/web.mjs";

const hooks = sharedHooks(after);
let server;
let url;
before(async () => {
  server = await Server.start(hooks);
  const client = new SessiondClient({ address: server.address, deadline: 10_000 });
  hooks.after(() => client.close());
  url = await serve(hooks, makeApp({ client }));
});

/** Opens a page, fills in its form and follows to where it leads. */
async function submit(browser, at, fields, action = at) {
  const [, token] = /name="_csrf" value="([^"]+)"/.exec(await browser.text(at));
  const answer = await browser.post(action, { ...fields, _csrf: token });
  return answer.status === 303 ? browser.text(answer.headers.get("location")) : answer.text();
}

const user = { name: "alice", password: "correct horse" };

test("sign up, log out, log in, and stay", async () => {
  const browser = new Browser(url);
  assert.match(await submit(browser, "/sign-up", { ...user, password: "short" }), /8 to 100 characters/);
  assert.match(await submit(browser, "/sign-up", user), /Welcome![\s\S]*Visits: 1/);
  assert.match(await submit(browser, "/sign-up", user), /This name is taken/);
  assert.doesNotMatch(await submit(browser, "/", {}, "/log-out"), /Log out/);
  assert.match(await submit(browser, "/log-in", { ...user, password: "wrong" }), /Name or password is wrong/);
  assert.match(await submit(browser, "/log-in", { ...user, stay: "month" }), /Hello, alice\./);
  assert.match(await browser.text("/"), /Log out alice/);
});

test("devices are shown, and the others ended", async () => {
  const [laptop, phone] = [new Browser(url), new Browser(url)];
  await submit(laptop, "/sign-up", { name: "bob", password: "correct horse" });
  await submit(phone, "/log-in", { name: "bob", password: "correct horse" });
  assert.equal((await laptop.text("/devices")).match(/<li>/g).length, 2);
  assert.match(await submit(laptop, "/devices", {}, "/devices/end-others"), /Ended: 1\./);
  assert.doesNotMatch(await phone.text("/"), /Log out/);
  assert.match(await laptop.text("/"), /Log out bob/);
  assert.match(
    await submit(laptop, "/devices", { handle: "01a219ec-0775-7f1f-87f6-f61079cf0fe8" }, "/devices/end"),
    /no such device/,
  );
  const stranger = new Browser(url);
  const sent = await stranger.fetch("/devices");
  assert.equal(sent.headers.get("location"), "/log-in");
});

test("preferences, messages and the guestbook", async () => {
  const browser = new Browser(url);
  assert.match(
    await submit(browser, "/preferences", { theme: "dark", language: "de", compact: "on" }),
    /Saved\.[\s\S]*value="dark" selected/,
  );
  assert.match(await browser.text("/"), /Theme: dark/);
  assert.match(await submit(browser, "/preferences", { theme: "pink", language: "de" }), /can&#39;t be chosen/);
  assert.match(await submit(browser, "/guestbook", { text: "<b>hi</b>" }), /Thanks for “&lt;b&gt;hi&lt;\/b&gt;”/);
  assert.match(await submit(browser, "/guestbook", { text: "again" }), /signed already/);
  assert.doesNotMatch(await browser.text("/guestbook"), /signed already/);
});

test("a form without its token is refused", async () => {
  const browser = new Browser(url);
  await browser.text("/guestbook");
  const answer = await browser.post("/guestbook", { text: "x" });
  assert.equal(answer.status, 403);
  assert.match(await answer.text(), /reload it/);
});

test("while the store is away, the site says so", async (t) => {
  t.mock.method(console, "error", () => {});
  const browser = new Browser(url);
  await browser.text("/");
  await server.kill();
  const answer = await browser.fetch("/");
  assert.equal(answer.status, 503);
  assert.match(await answer.text(), /session store can&#39;t be reached/);
  await server.start();
  assert.match(await browser.text("/"), /Visits: 2/);
});
