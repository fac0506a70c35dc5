// A process of its own: what it does when it is idle, forked, or left alone with errors.
import cluster from "node:cluster";
import { SessiondClient } from "connect-sessiond/client";

const [mode, address] = process.argv.slice(2);

if (mode === "idle") {
  // Nothing closes the client, and yet the process ends.
  const client = new SessiondClient(address);
  const { sessionId } = await client.create({ attributes: { a: 1 } });
  await client.get(sessionId);
  console.log("done");
} else if (mode === "idle-unary") {
  const client = new SessiondClient({ address, lane: "unary" });
  await client.create();
  console.log("done");
} else if (mode === "waiting") {
  // A call in flight keeps the process alive until its answer.
  new SessiondClient({ address, deadline: 500 })
    .get("nobody-nobody-nobody")
    .catch((error) => console.log(error.reason));
} else if (mode === "cluster") {
  const client = new SessiondClient(address);
  const { sessionId } = await client.create({ attributes: { of: cluster.isPrimary ? "primary" : "worker" } });
  const { attributes } = await client.get(sessionId);
  if (cluster.isPrimary) {
    // The primary is connected before it forks.
    const results = [attributes.of];
    for (let n = 0; n < 3; n++) cluster.fork();
    cluster.on("message", (_worker, message) => results.push(message));
    let exited = 0;
    cluster.on("exit", async () => {
      if (++exited === 3) console.log([...results, (await client.get(sessionId)).attributes.of].join(" "));
    });
  } else process.send(attributes.of, () => process.disconnect());
}
