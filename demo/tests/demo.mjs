// The demo under test, and those who visit it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const DEMO = fileURLToPath(new URL("..", import.meta.url));
const SCREENSHOTS = join(DEMO, "screenshots");

/** The browser of the system; the variable CHROMIUM names another. */
export function browserOf() {
  const places = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome"];
  const executablePath = places.find((place) => place && existsSync(place));
  if (!executablePath) throw new Error("no chromium was found: install Debian's package chromium, or set CHROMIUM");
  // Root has no sandbox of Chromium's, and /dev/shm is small in containers.
  const args = ["--disable-dev-shm-usage", ...(process.getuid?.() === 0 ? ["--no-sandbox"] : [])];
  return chromium.launch({ executablePath, args });
}

/** demo/run with ports and data of its own. */
export class Demo {
  addresses = {};
  #process;
  /** Stays until the next run, with the logs. */
  #work = join(DEMO, ".work-of-test");

  static async start() {
    const demo = new Demo();
    rmSync(demo.#work, { recursive: true, force: true });
    const options = ["--port=0", `--work=${demo.#work}`, "--debug", "--require-all", "--until-eof"];
    demo.#process = spawn(join(DEMO, "run"), options, { stdio: ["pipe", "pipe", "inherit"] });
    for await (const line of createInterface({ input: demo.#process.stdout })) {
      console.log(line);
      if (line.startsWith("The demo is ready")) {
        demo.addresses = JSON.parse(readFileSync(join(demo.#work, "addresses.json"), "utf8"));
        // What it says later must not fill the pipe.
        demo.#process.stdout.resume();
        return demo;
      }
    }
    throw new Error(`the demo did not start: see ${demo.#work}/logs`);
  }

  async stop() {
    if (this.#process.exitCode === null) {
      this.#process.stdin.end();
      await once(this.#process, "exit");
    }
  }

  async visitor(browser, options) {
    const context = await browser.newContext({ viewport: { width: 1000, height: 700 }, ...options });
    return new Visitor(this, context, await context.newPage());
  }
}

/** A browser with cookies of its own, on one page at a time. */
class Visitor {
  constructor(demo, context, page) {
    this.demo = demo;
    this.context = context;
    this.page = page;
    page.setDefaultTimeout(20_000);
  }

  goto(url) {
    return this.page.goto(url);
  }

  async visit(site) {
    const response = await this.goto(`${this.demo.addresses[site]}/`);
    if (response.status() !== 200) throw new Error(`${site} answers ${response.status()}: ${await response.text()}`);
  }

  async status(site) {
    const response = await this.goto(`${this.demo.addresses[site]}/`);
    return response.status();
  }

  /** Clients connect again by themselves: the site may answer 503 for a moment after the server is back. */
  async untilUp(site) {
    const deadline = Date.now() + 20_000;
    while ((await this.status(site)) === 503 && Date.now() < deadline) await sleep(100);
  }

  /** Presses a button or follows a link, and waits for the page that comes. */
  async press(name) {
    const target = this.page.locator("button, a").filter({ hasText: new RegExp(`^${name}$`) });
    await Promise.all([this.page.waitForEvent("load"), target.first().click()]);
  }

  async text(selector) {
    const [text] = await this.#texts(selector);
    return text;
  }

  async #texts(selector) {
    // Pages are whole when they are loaded: nothing comes later.
    return (await this.page.locator(selector).allInnerTexts()).map(normal);
  }

  cart() {
    return this.#texts(".cart li:not(.soft)");
  }

  devices() {
    return this.#texts(".devices li");
  }

  cookies() {
    return this.context.cookies();
  }

  /** The shared cookie. */
  async cookie() {
    const { domain, path, httpOnly, sameSite, expires, value } = (await this.cookies()).find(
      (cookie) => cookie.name === "session" && cookie.domain === ".shop.localhost",
    );
    return { domain, path, httpOnly, sameSite, expires, value };
  }

  forget(domain) {
    return this.context.clearCookies({ domain });
  }

  /** The page's elements with their classes, without what a framework adds to forms. */
  outline() {
    return this.page.evaluate(() => {
      const line = (element, depth) =>
        `${" ".repeat(depth)}${element.localName}.${element.localName === "body" ? "" : element.className}`;
      const walk = (element, depth) => [
        line(element, depth),
        ...[...element.children].filter(({ type }) => type !== "hidden").flatMap((child) => walk(child, depth + 1)),
      ];
      return walk(document.body, 0).join("\n");
    });
  }

  /** Sends a form as this page's own scripts could, with its token; the status. */
  post(path, fields) {
    return this.page.evaluate(
      async ([to, more]) => {
        const form = new URLSearchParams(new FormData(document.querySelector("form")));
        for (const [name, value] of Object.entries(more)) form.set(name, value);
        return (await fetch(to, { method: "POST", body: form })).status;
      },
      [path, fields],
    );
  }

  /** Sends a form without a token; the status. */
  forge(path) {
    return this.page.evaluate(
      async (to) => (await fetch(to, { method: "POST", body: new URLSearchParams() })).status,
      path,
    );
  }

  shoot(name) {
    mkdirSync(SCREENSHOTS, { recursive: true });
    return this.page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
  }
}

function normal(text) {
  return text.replace(/\s+/g, " ").trim();
}
