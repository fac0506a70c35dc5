// CPU for each call beside connect-redis, on a machine that is busy with other things: one process has both stores, and they take
// turns of a quarter of a second. Both meet the same load, so that the ratio holds where times do not.
//
//   npm run bench:pairs
import { execFileSync } from "node:child_process";
import { RedisStore } from "connect-redis";
import { SessiondStore } from "connect-sessiond";
import { createClient } from "redis";
import { checkTools, startServer } from "./servers.mjs";
import { DAY, data } from "./session.mjs";

const SESSIONS = 1_000;
const TURN = 250;
const ROUNDS = 40;
/** While the engine still compiles. */
const WARM_UP = 6;

checkTools();
execFileSync("taskset", ["-pc", "1", String(process.pid)], { stdio: "ignore" });
const servers = { redis: await startServer("redis"), sessiond: await startServer("sessiond") };
const client = createClient({ url: `redis://127.0.0.1:${servers.redis.port}` });
await client.connect();
const stores = {
  redis: new RedisStore({ client }),
  sessiond: new SessiondStore({ address: `127.0.0.1:${servers.sessiond.port}`, deadline: 10_000 }),
};

const idOf = (n) => `bench-session-of-some-length-${n % SESSIONS}`;
const called = (run) =>
  new Promise((resolve, reject) => run((error, value) => (error ? reject(error) : resolve(value))));
for (const store of Object.values(stores)) {
  for (let n = 0; n < SESSIONS; n++) await called((done) => store.set(idOf(n), data(n), done));
}

const load = (store, n) => called((done) => store.get(idOf(n), done));
const WORK = {
  load,
  async touch(store, n) {
    const found = await load(store, n);
    found.cookie.expires = new Date(Date.now() + DAY);
    await called((done) => store.touch(idOf(n), found, done));
  },
  async save(store, n) {
    const found = await load(store, n);
    found.cookie.expires = new Date(Date.now() + DAY);
    found.views++;
    await called((done) => store.set(idOf(n), found, done));
  },
};

/** One turn: microseconds of CPU for each, and how many in a second. */
async function turn(store, work, inFlight) {
  const end = performance.now() + TURN;
  let count = 0;
  const loop = async () => {
    while (performance.now() < end) await work(store, count++ * 7919);
  };
  const [cpu, start] = [process.cpuUsage(), performance.now()];
  await Promise.all(Array.from({ length: inFlight }, loop));
  const { user, system } = process.cpuUsage(cpu);
  return { cpu: (user + system) / count, perSecond: (count / (performance.now() - start)) * 1_000 };
}

const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
const row = (...cells) => console.log(cells.map((cell) => String(cell).padStart(12)).join(""));
row("what", "in flight", "redis CPU", "sessiond CPU", "ratio", "throughput");
for (const [name, work] of Object.entries(WORK)) {
  for (const inFlight of [1, 32]) {
    const turns = [];
    for (let round = 0; round < ROUNDS; round++) {
      const redis = await turn(stores.redis, work, inFlight);
      const sessiond = await turn(stores.sessiond, work, inFlight);
      if (round >= WARM_UP) turns.push({ redis, sessiond });
    }
    const of = (pick) => median(turns.map(pick));
    row(
      name,
      inFlight,
      of(({ redis }) => redis.cpu).toFixed(1),
      of(({ sessiond }) => sessiond.cpu).toFixed(1),
      of(({ redis, sessiond }) => sessiond.cpu / redis.cpu).toFixed(2),
      of(({ redis, sessiond }) => sessiond.perSecond / redis.perSecond).toFixed(2),
    );
  }
}
stores.sessiond.close();
client.destroy();
for (const server of Object.values(servers)) await server.stop();
