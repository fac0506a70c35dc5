// The measured process: one store, one workload.
import { RedisStore } from "connect-redis";
import { SessiondStore } from "connect-sessiond";
import express from "express";
import session from "express-session";
import { createClient } from "redis";
import { DAY, data } from "./session.mjs";

const { kind, workload, inFlight, seconds, port } = JSON.parse(process.argv[2]);
const SESSIONS = 1_000;

async function makeStore() {
  if (kind === "sessiond") return new SessiondStore({ address: `127.0.0.1:${port}`, deadline: 10_000 });
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  await client.connect();
  return new RedisStore({ client });
}

const store = await makeStore();
const idOf = (n) => `bench-session-of-some-length-${n}`;

const called = (run) =>
  new Promise((resolve, reject) => run((error, value) => (error ? reject(error) : resolve(value))));

if (workload === "express") {
  const app = express();
  app.use(session({ store, secret: "bench", resave: false, saveUninitialized: false, cookie: { maxAge: DAY } }));
  app.get("/", (req, res) => {
    req.session.views = (req.session.views ?? 0) + 1;
    if (req.session.views === 1) Object.assign(req.session, { ...data(1), cookie: req.session.cookie });
    res.json({ views: req.session.views });
  });
  const server = app.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
} else {
  for (let n = 0; n < SESSIONS; n++) await called((done) => store.set(idOf(n), data(n), done));
  const steps = {
    get: (n) => called((done) => store.get(idOf(n), done)),
    async web(n, turn) {
      const found = await called((done) => store.get(idOf(n), done));
      found.cookie.expires = new Date(Date.now() + DAY);
      if (turn % 10 !== 0) return called((done) => store.touch(idOf(n), found, done));
      found.views++;
      return called((done) => store.set(idOf(n), found, done));
    },
  };
  const step = steps[workload];
  const times = [];
  let isMeasured = false;
  let isOver = false;
  const loops = Array.from({ length: inFlight }, async (_, loop) => {
    for (let turn = loop; !isOver; turn++) {
      const start = performance.now();
      await step((turn * 7919) % SESSIONS, turn);
      if (isMeasured) times.push(performance.now() - start);
    }
  });
  const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
  await pause(1_000);
  isMeasured = true;
  const [before, start] = [process.cpuUsage(), performance.now()];
  await pause(seconds * 1_000);
  const [cpu, took] = [process.cpuUsage(before), performance.now() - start];
  isMeasured = false;
  isOver = true;
  await Promise.all(loops);
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.floor(times.length * share)] * 1_000;
  const figures = {
    perSecond: times.length / (took / 1_000),
    p50: at(0.5),
    p99: at(0.99),
    cpu: (cpu.user + cpu.system) / times.length,
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit());
}
