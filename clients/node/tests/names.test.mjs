// Names: session IDs that frameworks choose, and addresses.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { SessiondClient, toSessionId } from "connect-sessiond/client";

const shared = (name) => new URL(`../../conformance/${name}`, import.meta.url);

test("an ID that a framework chose is mapped as in every language", () => {
  for (const { name, id, session_id } of JSON.parse(readFileSync(shared("ids.json"), "utf8"))) {
    assert.equal(toSessionId(id) ?? null, session_id, name);
  }
});

test("what is no text, or no valid Unicode, names no session", () => {
  for (const id of [undefined, null, 7, {}, "", "\ud800 is half a character"]) assert.equal(toSessionId(id), undefined);
});

test("addresses are taken in their normal form", () => {
  for (const [address, normal] of [
    ["127.0.0.1:50051", "127.0.0.1:50051"],
    ["Store_1.Internal.:65535", "store_1.internal.:65535"],
    ["[FE80::1]:50051", "[fe80::1]:50051"],
    ["http://store.internal:50051/", "store.internal:50051"],
    ["https://Store.internal:50051/", "https://store.internal:50051"],
    ["https://a:1, https://[::1]:2", "https://a:1,https://[::1]:2"],
    [" 127.0.0.1:50051\n", "127.0.0.1:50051"],
    ["unix:///run/sessiond.sock", "unix:/run/sessiond.sock"],
    ["unix:sessiond.sock", "unix:sessiond.sock"],
    ["a:1, http://b:2/ ,unix:/run/c.sock,[::1]:4", "a:1,b:2,unix:/run/c.sock,[::1]:4"],
  ]) {
    assert.equal(new SessiondClient(address).address, normal);
  }
});

test("a wrong address is refused with the reason", () => {
  for (const [address, reason] of [
    ["", "it is empty"],
    ["a:1,,b:1", "an address of the list is empty"],
    ["localhost", "the port is missing"],
    ["[::1]", "the port is missing"],
    ["localhost:", "the port is not a number from 1 to 65535"],
    ["localhost:0", "the port is not a number from 1 to 65535"],
    ["localhost:01", "the port is not a number from 1 to 65535"],
    ["localhost:65536", "the port is not a number from 1 to 65535"],
    [":50051", "the host is missing"],
    ["::1:50051", "an IPv6 address stands in brackets"],
    ["[fe80::1%eth0]:50051", "what stands in brackets is not an IPv6 address"],
    ["store/path:50051", "the host holds a character that no host name has"],
    ["user@store:50051", "the host holds a character that no host name has"],
    ["http://store:50051/path", "it has a path"],
    ["https://store:50051/path", "it has a path"],
    ["https://a:1,b:2", "https:// stands before all addresses or before none"],
    ["HTTPS://store:50051", "it begins with something else than http://, https:// or unix:"],
    ["dns:///store:50051", "it begins with something else than http://, https:// or unix:"],
    ["unix:", "the path is missing"],
    ["unix://run/s.sock", "the path after unix:// does not begin with a slash"],
    ["unix:/run/with space.sock", "the path holds a character other than"],
    [`unix:/${"x".repeat(107)}`, "the path is longer than 107 bytes"],
  ]) {
    const isSo = (error) => error.name === "AddressError" && error.message.includes(`is not an address: ${reason}`);
    assert.throws(() => new SessiondClient(address), isSo, address);
  }
});

const addresses = shared("addresses.json");
test("addresses are what they are in every client", {
  skip: !existsSync(addresses) && "there are no shared cases",
}, () => {
  for (const { address, normal, refused } of JSON.parse(readFileSync(addresses, "utf8"))) {
    if (refused === undefined) assert.equal(new SessiondClient({ address }).address, normal.join(","));
    else {
      const forms = "write HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH";
      const message = `${JSON.stringify(address)} is not an address: ${refused}; ${forms}`;
      assert.throws(() => new SessiondClient({ address }), { message });
    }
  }
});

test("the environment names the address", () => {
  process.env.SESSIOND_ADDR = "store.example:7";
  try {
    assert.equal(new SessiondClient().address, "store.example:7");
  } finally {
    process.env.SESSIOND_ADDR = "";
  }
  assert.equal(new SessiondClient().address, "127.0.0.1:50051");
});

test("settings out of their bounds are refused by name", () => {
  assert.throws(() => new SessiondClient({ deadline: 0 }), /deadline is 0/);
  assert.throws(() => new SessiondClient({ deadline: Number.NaN }), /deadline is NaN/);
  assert.throws(() => new SessiondClient({ lane: "slow" }), /lane is "slow"/);
  assert.throws(() => new SessiondClient({ values: "all" }), /values is "all"/);
});
