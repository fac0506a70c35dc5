// A server with access rules, its tokens, and the files of its clients.
import { execFileSync } from "node:child_process";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SessiondClient } from "connect-sessiond";
import { Server, until } from "./server.mjs";

const NOWHERE = "no-such-session-0000";

/** Its caller "shop" may work in the namespaces that are named. */
export async function guardedServer(t, namespaces = ["shop"]) {
  const folder = mkdtempSync(join(tmpdir(), "sessiond-access-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const rules = `[caller.shop]\nallow = [{ namespaces = ${JSON.stringify(namespaces)}, may = ["application"] }]\n`;
  writeFileSync(join(folder, "access.toml"), rules);
  const tokens = join(folder, "tokens");
  writeFileSync(tokens, "");
  const flags = ["--access-file", join(folder, "access.toml"), "--access-tokens", tokens];
  const server = await Server.start(t, { flags });
  const command = (name, argument) =>
    execFileSync(process.env.SESSIOND_BIN, ["token", name, "--access-tokens", tokens, argument], { encoding: "utf8" });

  const isValid = async (token) => {
    const client = new SessiondClient({ address: server.address, namespace: namespaces[0], token, deadline: 20_000 });
    try {
      return (await client.get(NOWHERE)) === null;
    } catch (error) {
      if (error.reason !== "UNAUTHENTICATED") throw error;
      return false;
    } finally {
      client.close();
    }
  };

  return {
    server,
    address: server.address,
    file: (name) => join(folder, name),
    /** A new token, which the server knows. */
    async token() {
      const token = command("create", "shop").trim();
      await until(() => isValid(token), "that the server knows the token");
      return token;
    },
    /** Ends a token; the server knows. */
    async revoke(token) {
      command("revoke", token.split("_")[1]);
      await until(async () => !(await isValid(token)), "that the server forgets the token");
    },
    /** The file of a client, which gets this text at once. */
    write(text, name = "client-token") {
      writeFileSync(join(folder, "new"), text);
      renameSync(join(folder, "new"), join(folder, name));
      return join(folder, name);
    },
  };
}
