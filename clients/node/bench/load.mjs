// Visitors of a site: each has a connection and a session of its own, and asks again as soon as it is answered.
import { Agent, get } from "node:http";

const [url, connections, seconds] = process.argv.slice(2);

function visit(agent, cookie) {
  return new Promise((resolve, reject) => {
    get(url, { agent, headers: cookie ? { cookie } : {} }, (response) => {
      response.resume();
      response.on("end", () => {
        if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
        else resolve(response.headers["set-cookie"]?.[0].split(";")[0] ?? cookie);
      });
    }).on("error", reject);
  });
}

const times = [];
let isMeasured = false;
let isOver = false;
const visitors = Array.from({ length: Number(connections) }, async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let cookie;
  while (!isOver) {
    const start = performance.now();
    cookie = await visit(agent, cookie);
    if (isMeasured) times.push(performance.now() - start);
  }
});
const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
await pause(1_500);
isMeasured = true;
const start = performance.now();
await pause(Number(seconds) * 1_000);
const took = performance.now() - start;
isMeasured = false;
isOver = true;
await Promise.all(visitors);
times.sort((a, b) => a - b);
const at = (share) => times[Math.floor(times.length * share)] * 1_000;
process.stdout.write(
  `${JSON.stringify({ perSecond: times.length / (took / 1_000), p50: at(0.5), p99: at(0.99) })}\n`,
  () => process.exit(),
);
