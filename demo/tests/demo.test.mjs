// The demo in a real browser: one session in five frameworks, devices, a second domain, a server that is killed.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browserOf, Demo } from "./demo.mjs";

const SITES = ["Django", "Express", "Go", "Spring", "axum"];
const FIREFOX_ON_ANDROID = "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0";

let demo;
let browser;
let laptop;
let phone;

before(async () => {
  [demo, browser] = await Promise.all([Demo.start(), browserOf()]);
  laptop = await demo.visitor(browser, {});
  phone = await demo.visitor(browser, {
    userAgent: FIREFOX_ON_ANDROID,
    viewport: { width: 390, height: 844 },
    colorScheme: "dark",
  });
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** Each test goes on where the one before has left off, as a visitor does. */
describe("one visitor", () => {
  let ids;

  test("each site says who serves it, and looks the same", async () => {
    const outlines = new Set();
    for (const site of SITES) {
      await laptop.visit(site);
      assert.match(await laptop.text(".served"), new RegExp(site));
      assert.equal(await laptop.text("nav [aria-current]"), site);
      outlines.add(await laptop.outline());
    }
    assert.equal(outlines.size, 1, [...outlines].join("\n\n"));
  });

  test("what an anonymous visitor puts into the cart is there after the log-in", async () => {
    await laptop.visit("Express");
    await laptop.press("Add Cup");
    await laptop.visit("Django");
    assert.deepEqual(await laptop.cart(), ["Cup added at Express"]);
    const before_ = await laptop.cookie();
    await laptop.press("Ada Lovelace");
    assert.equal(await laptop.text("h1"), "Hello, Ada Lovelace");
    assert.deepEqual(await laptop.cart(), ["Cup added at Express"]);
    const { value, ...cookie } = await laptop.cookie();
    assert.notEqual(value, before_.value, "a log-in gives a new ID");
    assert.match(value, /^[\w-]{32,}$/);
    assert.deepEqual(cookie, { domain: ".shop.localhost", path: "/", httpOnly: true, sameSite: "Lax", expires: -1 });
  });

  test("a log-in at Django is one at all five", async () => {
    const handles = new Set();
    for (const site of SITES) {
      await laptop.visit(site);
      assert.equal(await laptop.text("h1"), "Hello, Ada Lovelace", site);
      assert.match(await laptop.text(".account .soft"), /You logged in at Django, with Chrome on Linux/, site);
      handles.add(await laptop.text(".session code"));
    }
    assert.equal(handles.size, 1, "it is one session");
    await laptop.shoot("home");
  });

  test("each site adds to the same cart", async () => {
    for (const site of SITES) {
      await laptop.visit(site);
      await laptop.press("Add Teapot");
    }
    const expected = ["Cup added at Express", ...SITES.map((site) => `Teapot added at ${site}`)];
    for (const site of SITES) {
      await laptop.visit(site);
      assert.deepEqual(await laptop.cart(), expected, site);
    }
    await laptop.shoot("cart");
    assert.equal(
      (await laptop.cookies()).filter(({ name }) => name === "session").length,
      1,
      "no site has made a cookie of its own",
    );
  });

  test("the forum, on another domain, takes the session over by a ticket", async () => {
    for (const site of SITES) {
      await laptop.forget("forum.localhost");
      await laptop.visit("Forum");
      assert.equal(await laptop.text("h1"), "Welcome to the forum");
      await laptop.press(`Sign on with ${site}`);
      assert.equal(new URL(laptop.page.url()).origin, demo.addresses.Forum, site);
      assert.equal(await laptop.text("h1"), "Hello, Ada Lovelace", site);
    }
    assert.equal((await laptop.cart()).length, 6);
    const at = Object.fromEntries(
      (await laptop.cookies()).filter(({ name }) => name === "session").map((one) => [one.domain, one.value]),
    );
    assert.deepEqual(Object.keys(at).sort(), [".shop.localhost", "forum.localhost"]);
    assert.notEqual(at["forum.localhost"], at[".shop.localhost"], "each domain has an ID of its own");
    await laptop.press("Add Green tea");
    await laptop.shoot("forum");
    await laptop.visit("Go");
    await laptop.press("To the forum, on another domain");
    assert.equal((await laptop.cart()).at(-1), "Green tea added at Forum");
  });

  test("a ticket opens nothing in a browser that did not ask for it, or a second time", async () => {
    const stranger = await demo.visitor(browser, {});
    await stranger.goto(`${demo.addresses.Forum}/return?ticket=stolen&state=made-up`);
    assert.match(await stranger.text("body"), /did not begin in this browser/);
    await stranger.context.close();
    const tickets = [];
    laptop.page.on("request", (request) => request.url().includes("/return?") && tickets.push(request.url()));
    await laptop.visit("axum");
    await laptop.press("To the forum, on another domain");
    assert.equal(tickets.length, 1);
    await laptop.goto(tickets[0]);
    assert.match(await laptop.text("body"), /did not begin in this browser|was used before/);
  });

  test("a second device is listed at every site, and ended from the first", async () => {
    ids = { laptop: (await laptop.cookie()).value };
    for (const [index, site] of SITES.entries()) {
      await phone.visit(site);
      await phone.press("Ada Lovelace");
      await laptop.visit(SITES[(index + 1) % SITES.length]);
      await laptop.press("Your devices");
      const devices = await laptop.devices();
      assert.equal(devices.length, 2, site);
      assert.match(devices[0], new RegExp(`^Firefox on Android logged in at ${site}, last active .* UTC Log it out$`));
      assert.match(devices[1], /^Chrome on Linux logged in at Django, last active .* UTC this one$/);
      if (site === "Spring") await Promise.all([laptop.shoot("devices"), phone.shoot("phone")]);
      await laptop.press("Log it out");
      assert.equal((await laptop.devices()).length, 1, site);
      await phone.visit(site);
      assert.equal(await phone.text("h1"), "Who are you?", site);
    }
    assert.equal((await laptop.cookie()).value, ids.laptop);
  });

  test("all other devices are ended at once", async () => {
    for (const site of SITES) {
      await phone.visit("Go");
      await phone.press("Ada Lovelace");
      await laptop.visit(site);
      await laptop.press("Your devices");
      assert.equal((await laptop.devices()).length, 2, site);
      await laptop.press("Log out the others");
      assert.equal((await laptop.devices()).length, 1, site);
      await phone.visit(site);
      assert.equal(await phone.text("h1"), "Who are you?", site);
    }
  });

  test("another user's devices are not to be seen or ended", async () => {
    await phone.visit("Django");
    await phone.press("Grace Hopper");
    const handle = await phone.text(".session code");
    for (const site of SITES) {
      await laptop.visit(site);
      await laptop.press("Your devices");
      assert.equal((await laptop.devices()).length, 1, site);
      await laptop.post("/devices/end", { handle: site === "Spring" ? `handle:${handle}` : handle });
      await phone.visit(site);
      assert.equal(await phone.text("h1"), "Hello, Grace Hopper", site);
    }
    await phone.press("Log out");
  });

  test("sessiond is killed and started again: still logged in", async () => {
    await laptop.goto(`${demo.addresses.portal}/`);
    await laptop.shoot("control");
    await laptop.press("Kill sessiond");
    assert.match(await laptop.text(".server"), /was killed/);
    for (const site of SITES) assert.equal(await laptop.status(site), 503, site);
    await laptop.goto(`${demo.addresses.portal}/`);
    await laptop.press("Start it again");
    assert.match(await laptop.text(".server"), /is running/);
    for (const site of [...SITES, "Forum"]) {
      await laptop.untilUp(site);
      assert.equal(await laptop.text("h1"), "Hello, Ada Lovelace", site);
      assert.equal((await laptop.cart()).length, 7, site);
    }
  });

  test("a forged form is refused by every site", async () => {
    for (const site of [...SITES, "Forum"]) {
      await laptop.visit(site);
      assert.equal(await laptop.forge("/log-out"), 403, site);
      await laptop.visit(site);
      assert.equal(await laptop.text("h1"), "Hello, Ada Lovelace", site);
    }
  });

  test("a log-out anywhere is one everywhere", async () => {
    for (const [index, site] of [...SITES, "Forum"].entries()) {
      await laptop.visit(site);
      await laptop.press("Log out");
      // Each site once tells of a log-out at itself, and of two elsewhere.
      for (const offset of [0, 1, 3]) {
        const other = SITES[(index + offset) % SITES.length];
        await laptop.visit(other);
        assert.equal(await laptop.text("h1"), "Who are you?", `${other} after ${site}`);
      }
      await laptop.visit("Forum");
      assert.equal(await laptop.text("h1"), "Welcome to the forum", site);
      await laptop.visit(site === "Forum" ? "Spring" : site);
      await laptop.press("Ada Lovelace");
      await laptop.visit("Forum");
      await laptop.press("Sign on with Express");
      assert.equal(await laptop.text("h1"), "Hello, Ada Lovelace", site);
    }
  });

  test("log out everywhere ends every device", async () => {
    for (const site of SITES) {
      await laptop.visit("Express");
      if ((await laptop.text("h1")) === "Who are you?") await laptop.press("Ada Lovelace");
      await phone.visit("axum");
      await phone.press("Ada Lovelace");
      await laptop.visit(site);
      await laptop.press("Your devices");
      await laptop.press("Log out everywhere");
      assert.equal(await laptop.text("h1"), "Who are you?", site);
      await phone.visit(site);
      assert.equal(await phone.text("h1"), "Who are you?", site);
    }
  });
});
