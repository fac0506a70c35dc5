// The console in a real browser: looking, finding, ending, watching; keys, colours and narrow windows; what goes wrong.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Operator, openBrowser, Server } from "./console.mjs";

const LAPTOP = { device: "Firefox on Linux", address: "192.0.2.10" };
const PHONE = { device: "Safari on iPhone", address: "198.51.100.23" };
const TABLET = { device: "Chrome on Android", address: "2001:db8::7" };
const NARROW = { viewport: { width: 360, height: 780 } };

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser?.close());

describe("with open access", () => {
  let server;
  let operator;
  let page;

  before(async () => {
    server = await Server.start();
    for (const [user, ...devices] of [
      ["edsger", LAPTOP],
      ["grace@example.com", LAPTOP, PHONE],
      ["ada", LAPTOP, PHONE, TABLET],
      ["barbara@example.com", TABLET],
      ["", {}],
    ]) {
      for (const labels of devices) server.create("shop", user, labels);
    }
    server.create("forum", "ada", LAPTOP);
  });
  after(() => server?.stop());

  async function open(options) {
    operator = await Operator.open(browser, server, options);
    page = operator.page;
    await page.getByRole("table").waitFor();
  }
  afterEach(async () => {
    const { faults = [] } = operator ?? {};
    await operator?.context.close();
    operator = undefined;
    assert.deepEqual(faults, [], "the page has faults");
  });

  /** Which users the rows are of. */
  const users = () => page.locator("td.user").allTextContents();
  const devices = () => page.locator("td.device strong").allTextContents();

  test("the sessions of the largest namespace are shown, and those of another on request", async () => {
    await open();
    assert.deepEqual((await users()).sort(), [
      "ada",
      "ada",
      "ada",
      "barbara@example.com",
      "edsger",
      "grace@example.com",
      "grace@example.com",
      "nobody",
    ]);
    assert.match(await page.locator("tbody tr").first().textContent(), /ago|now/);
    await operator.shoot("sessions-light");
    await page.getByLabel("Namespace").selectOption("forum");
    await page.getByText("The newest 1 in forum").waitFor();
    assert.deepEqual(await users(), ["ada"]);
    await page.goBack();
    await page.getByText("The newest 8 in shop").waitFor();
  });

  test("a user and a handle are found by the keyboard alone", async () => {
    await open();
    await page.keyboard.press("/");
    await page.keyboard.type("ada");
    await page.keyboard.press("Enter");
    await operator.heading("ada").waitFor();
    assert.deepEqual(
      await devices(),
      [TABLET, PHONE, LAPTOP].map(({ device }) => device),
    );
    const handle = await page.locator("td .handle").first().textContent();
    await operator.shoot("user-light");

    await page.keyboard.press("/");
    await page.keyboard.type(handle.toUpperCase());
    await page.keyboard.press("Enter");
    await operator.heading("One session").waitFor();
    assert.deepEqual(await users(), ["ada"]);
    await page.keyboard.press("Escape");
    await operator.heading("Sessions").waitFor();

    await page.keyboard.press("/");
    await page.keyboard.type("nobody@example.com");
    await page.keyboard.press("Enter");
    await operator.heading("Nobody is logged in by this name").waitFor();
    // From another view, the key leads to the search too.
    await operator.go("#/overview");
    await operator.heading("Overview").waitFor();
    await page.keyboard.press("/");
    await page.waitForFunction(() => document.activeElement.id === "search");
  });

  test("every control is reached with the tabulator, and it is seen where one is", async () => {
    await open();
    await page.locator("body").press("Tab");
    const seen = [];
    for (;;) {
      const { name, outline } = await page.evaluate(() => {
        const { activeElement: element } = document;
        return {
          name: element.id || element.getAttribute("aria-label") || element.textContent,
          outline: getComputedStyle(element).outlineStyle,
        };
      });
      assert.notEqual(outline, "none", name);
      seen.push(name);
      if (seen.length === 12) break;
      await page.keyboard.press("Tab");
    }
    const expected = [
      "Skip to the content",
      "sessiond console",
      "Sessions",
      "Events",
      "Overview",
      "namespace",
      "search",
      "Find",
      "Refresh",
    ];
    assert.deepEqual(seen.slice(0, expected.length), expected);
    assert.match(seen.at(-1), /^End the session of|@|^ada$/);
  });

  test("one session is ended, but only after a question", async () => {
    server.create("shop", "victim", LAPTOP);
    server.create("shop", "victim", PHONE);
    await open();
    await operator.go("#/sessions?namespace=shop&user=victim");
    await operator.heading("victim").waitFor();
    const end = operator.button(`End the session of victim, ${PHONE.device}`);
    await end.focus();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    // The focus is on what does no harm, and Escape ends nothing either.
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Cancel");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    assert.equal(await end.evaluate((element) => element === document.activeElement), true, "the focus goes back");
    await end.click();
    await page.keyboard.press("Enter");
    assert.equal(server.users("shop").filter((user) => user === "victim").length, 2);
    await end.click();
    await operator.button("End session").click();
    await page.getByText("1 session has ended.").waitFor();
    assert.deepEqual(await devices(), [LAPTOP.device]);
    assert.equal(server.users("shop").filter((user) => user === "victim").length, 1);
    await operator.button("End this session", { exact: true }).click();
    await operator.button("End all").click();
    await operator.heading("Nobody is logged in by this name").waitFor();
  });

  test("all other devices are ended, and then all of the user", async () => {
    for (const labels of [LAPTOP, PHONE, TABLET]) server.create("shop", "lost", labels);
    await open();
    await operator.go("#/sessions?namespace=shop&user=lost");
    await operator.button(`End all sessions but the one of lost, ${PHONE.device}`).click();
    await page.getByRole("dialog").getByText("End 2 sessions?").waitFor();
    await operator.shoot("confirm-light");
    await operator.button("End the others", { exact: true }).last().click();
    await page.getByText("2 sessions of lost ended.").waitFor();
    assert.deepEqual(await devices(), [PHONE.device]);

    for (const labels of [LAPTOP, TABLET]) server.create("shop", "lost", labels);
    await operator.button("Refresh").click();
    await page.getByText("3 devices in shop").waitFor();
    await operator.button("End all of this user").click();
    await page.getByRole("dialog").getByText("End 3 sessions?").waitFor();
    await operator.button("End all", { exact: true }).click();
    await page.getByText("3 sessions of lost ended.").waitFor();
    assert.deepEqual(
      server.users("shop").filter((user) => user === "lost"),
      [],
    );
    assert.ok(server.users("shop").includes("ada"), "others are not touched");
  });

  test("a user with more devices than a page has is ended to the last but one", async () => {
    for (let number = 0; number < 103; number += 1) server.create("many", "robot", { device: `Robot ${number}` });
    await open();
    await operator.go("#/sessions?namespace=many&user=robot");
    await page.getByText("100+ devices in many").waitFor();
    await operator.button("Show more").click();
    await page.getByText("103 devices in many").waitFor();
    await operator.button("End all sessions but the one of robot, Robot 50", { exact: true }).click();
    await page.getByRole("dialog").getByRole("button", { name: "End the others" }).click();
    await page.getByText("102 sessions of robot ended.").waitFor();
    assert.deepEqual(await devices(), ["Robot 50"]);
    await operator.button("End this session", { exact: true }).click();
    await operator.button("End all").click();
    await operator.heading("Nobody is logged in by this name").waitFor();
  });

  test("what a visitor has chosen is shown as it is, and does nothing", async () => {
    const evil = '<img src=x onerror="document.title=1">';
    server.create("evil", `${evil}\u202e`, { device: "<b>bold</b>", "<i>": evil });
    await open();
    await operator.go("#/sessions?namespace=evil");
    await page.getByText("The newest 1 in evil").waitFor();
    assert.deepEqual(await users(), [`${evil}\\u{202e}`]);
    assert.equal(await page.locator("td img, td b, td i").count(), 0);
    await page.locator("td.user a").click();
    await operator.heading(`${evil}\\u{202e}`).waitFor();
    assert.match(await page.title(), /console/);
  });

  test("events are shown as they come, and wait while the stream is paused", async () => {
    await open();
    await operator.go("#/events");
    await page.getByText("Live", { exact: true }).waitFor();
    await operator.heading("Nothing has happened yet").waitFor();
    server.create("shop", "grace@example.com", PHONE);
    const lines = page.locator(".stream li");
    await lines.first().waitFor();
    assert.match(await lines.first().textContent(), /created\s*grace@example.com in shop, Safari on iPhone/);
    await operator.button("Pause").click();
    server.create("forum", "edsger", LAPTOP);
    await page.getByText("Paused, 1 waiting").waitFor();
    assert.equal(await lines.count(), 1);
    await operator.button("Go on").click();
    await lines.nth(1).waitFor();
    await operator.shoot("events-light");
    await operator.button("revoked", { exact: true }).click();
    await page.getByText("Live", { exact: true }).waitFor();
    server.create("forum", "edsger", LAPTOP);
    await operator.heading("Nothing has happened yet").waitFor();
    await page.getByLabel("Namespace").fill("No such");
    await page.keyboard.press("Enter");
    await operator.heading("That is not possible").waitFor();
    operator.faults = operator.faults.filter((fault) => !fault.includes("status of 400"));
  });

  test("charts are drawn of what is measured", async () => {
    await open();
    await operator.go("#/overview");
    await page.getByRole("img", { name: /^Calls: all / }).waitFor();
    const load = server.load();
    // Half a dozen samples make a line.
    await page.waitForFunction(
      () => (document.querySelector(".chart path.two")?.getAttribute("d").match(/L/g) ?? []).length >= 5,
    );
    await page.getByRole("img", { name: /^Calls: all \d[\d,.]*, failed 0$/ }).waitFor();
    for (const title of ["Latency", "Sessions", "Disk", "Sweeper lag", "Memory"]) {
      assert.equal(await page.getByRole("img", { name: new RegExp(`^${title}: `) }).count(), 1, title);
    }
    await operator.shoot("overview-light");
    await page.emulateMedia({ colorScheme: "dark" });
    await operator.shoot("overview-dark");
    await load;
    await page.getByRole("link", { name: "forum" }).click();
    await page.getByLabel("Namespace").waitFor();
    assert.equal(await page.getByLabel("Namespace").inputValue(), "forum");
  });

  for (const [name, options] of [
    ["dark", { colorScheme: "dark" }],
    ["narrow", NARROW],
    ["narrow-dark", { ...NARROW, colorScheme: "dark" }],
  ]) {
    test(`every view fits, and can be read: ${name}`, async () => {
      await open(options);
      for (const [view, place, ready] of [
        ["sessions", "#/sessions?namespace=shop", "The newest"],
        ["user", "#/sessions?namespace=shop&user=ada", "devices in shop"],
        ["empty", "#/sessions?namespace=empty", "No sessions yet"],
        ["events", "#/events", "Live"],
        ["charts", "#/overview", "Sweeper lag"],
      ]) {
        await operator.go(place);
        await page.getByText(ready).first().waitFor();
        if (view === "events") {
          server.create("shop", "barbara@example.com", TABLET);
          await page.locator(".stream li").first().waitFor();
        }
        assert.equal(await operator.isTooWide(), false, view);
        assert.deepEqual(await faint(page), [], view);
        await operator.shoot(`${view}-${name}`);
      }
    });
  }

  test("a server that goes is told, and the page goes on when it is back", async () => {
    await open({ colorScheme: "dark" });
    await operator.go("#/events");
    await page.getByText("Live", { exact: true }).waitFor();
    await server.kill();
    await page.getByText("The server does not answer; trying again").waitFor();
    await operator.go("#/sessions?namespace=shop");
    await operator.heading("The server does not answer").waitFor();
    await operator.shoot("gone-dark");
    await server.launch();
    await page.getByRole("table").waitFor();
    operator.faults = operator.faults.filter((fault) => !/ERR_|Failed to load/.test(fault));
  });
});

describe("with rules of access", () => {
  let server;
  let operator;
  let page;

  before(async () => {
    server = await Server.start({ withRules: true });
    server.create("shop", "ada", LAPTOP);
    operator = await Operator.open(browser, server);
    page = operator.page;
  });
  after(() => server?.stop());

  test("a token is asked for, and a wrong one is refused with the reason", async () => {
    await page.getByRole("dialog").waitFor();
    await operator.shoot("token-light");
    await operator.signIn("sdt_wrong");
    await page.getByRole("alert").getByText("The token is unknown, revoked or expired.").waitFor();
    await page.keyboard.press("Escape");
    await operator.heading("Nobody is signed in").waitFor();
    await operator.button("Enter a token").click();
    await operator.signIn(server.tokens.support);
    await page.getByText("support", { exact: true }).waitFor();
  });

  test("what the caller may not do is told with the remedy, and the rest works", async () => {
    await operator.heading("This is not allowed").waitFor();
    await page.getByText("The caller support has no permission namespace in the namespace default.").waitFor();
    await operator.shoot("denied-light");
    await page.getByLabel("Namespace").fill("shop");
    await page.keyboard.press("Tab");
    await page.getByText("in the namespace shop.").waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("ada");
    await page.keyboard.press("Enter");
    await page.getByText("1 device in shop").waitFor();
    await operator.go("#/events");
    await page.getByText("The caller support has no permission watch in all namespaces.").waitFor();
    await operator.go("#/overview");
    await page.getByText("The caller support has no permission statistics in all namespaces.").waitFor();
    await operator.button("Use another token").click();
    await operator.signIn(server.tokens.ops);
    await page.getByRole("img", { name: /^Disk: / }).waitFor();
  });

  test("the token is kept nowhere, and is gone when the page is loaded again", async () => {
    const kept = await page.evaluate(() =>
      JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }, location.href, history.state]),
    );
    assert.ok(!kept.includes("sdt_"), kept);
    assert.deepEqual(await operator.context.cookies(), []);
    await page.reload();
    await page.getByRole("dialog").waitFor();
    await operator.signIn(server.tokens.ops);
    await page.getByText("ops", { exact: true }).waitFor();
    await operator.button("Sign out").click();
    await page.getByRole("dialog").waitFor();
    assert.equal(await page.getByText("ops", { exact: true }).count(), 0);
    await operator.context.close();
  });
});

describe("another site in the same browser", () => {
  test("can neither call the console, nor read it, nor show it in a frame", async () => {
    const server = await Server.start();
    server.create("shop", "ada", LAPTOP);
    const context = await browser.newContext();
    const page = await context.newPage();
    // Its name leads to this machine, as that of an attacker may after a while.
    await page.route("http://other.localhost:1/", (route) =>
      route.fulfill({ contentType: "text/html", body: "<title>other</title>" }),
    );
    await page.goto("http://other.localhost:1/");
    const found = await page.evaluate(async (console) => {
      const attempt = async (options) => {
        try {
          return (
            await fetch(`${console}api/RevokeSessions`, {
              method: "POST",
              body: '{"namespace":"shop","principal":"ada"}',
              ...options,
            })
          ).type;
        } catch {
          return "refused";
        }
      };
      const json = { "content-type": "application/json" };
      return [
        await attempt({}),
        await attempt({ mode: "no-cors" }),
        await attempt({ headers: json }),
        await attempt({ headers: { ...json, "sessiond-console": "1" } }),
      ];
    }, server.page);
    assert.deepEqual(
      found.filter((type) => type !== "refused" && type !== "opaque"),
      [],
    );
    assert.deepEqual(server.users("shop"), ["ada"]);
    await page.evaluate((address) => {
      const frame = document.createElement("iframe");
      frame.src = address;
      document.body.append(frame);
      return new Promise((resolve) => frame.addEventListener("load", resolve));
    }, server.page);
    assert.equal(await page.frames()[1].locator("header").count(), 0);
    await context.close();
    await server.stop();
  });
});

/** Texts that stand out too little from what is behind them (WCAG 2.2, 1.4.3), as far as colours without images tell. */
function faint(page) {
  return page.evaluate(() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const channels = (colour) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = ([red, green, blue]) => {
      const [r, g, b] = [red, green, blue].map((part) =>
        part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
      );
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      for (let place = element; place; place = place.parentElement) {
        const colour = channels(getComputedStyle(place).backgroundColor);
        if (colour[3] === 255) return colour;
      }
      return [255, 255, 255, 255];
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest(".hidden, option, noscript"))
        continue;
      const [one, other] = [channels(getComputedStyle(element).color), behind(element)]
        .map(luminance)
        .sort((a, b) => b - a);
      if ((one + 0.05) / (other + 0.05) < 4.5)
        found.push(`${walker.currentNode.data}: ${((one + 0.05) / (other + 0.05)).toFixed(2)}`);
    }
    return found;
  });
}
