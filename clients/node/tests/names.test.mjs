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

test("addresses of every form are understood", () => {
  for (const address of [
    "127.0.0.1:50051",
    "localhost:1",
    "[::1]:50051",
    "http://store.internal:50051",
    "unix:/run/sessiond.sock",
    "unix:sessiond.sock",
    "a.example:1,b.example:2",
    "a.example:1, unix:/run/b.sock",
  ]) {
    assert.equal(new SessiondClient(address).address.replaceAll(" ", ""), address.replaceAll(" ", ""));
  }
});

test("a wrong address is refused with the reason", () => {
  for (const [address, reason] of [
    ["", "it is empty"],
    ["localhost", "the port is missing"],
    ["localhost:", "the port is not a number"],
    ["localhost:0", "the port is not a number"],
    ["localhost:70000", "the port is not a number"],
    ["localhost:5x", "the port is not a number"],
    [":50051", "the host is missing"],
    ["::1:50051", "in brackets"],
    ["[store]:50051", "no IPv6 address"],
    ["store/path:50051", "not a host name"],
    ["user@store:50051", "not a host name"],
    ["sto re:50051", "not a host name"],
    ["https://store:50051", "TLS is not supported"],
    ["dns://store:50051", "dns is not a known scheme"],
    ["unix:", "the path is missing"],
    ["a.example:1,,b.example:2", "it is empty"],
  ]) {
    assert.throws(
      () => new SessiondClient(address),
      (error) => error.name === "AddressError" && error.message.includes(reason),
    );
  }
});

test("the shared addresses are judged as in every language", { skip: !existsSync(shared("addresses.json")) }, () => {
  const cases = JSON.parse(readFileSync(shared("addresses.json"), "utf8"));
  assert.ok(cases.length > 0);
});

test("the environment names the address", () => {
  process.env.SESSIOND_ADDR = "store.example:7";
  try {
    assert.equal(new SessiondClient().address, "store.example:7");
  } finally {
    delete process.env.SESSIOND_ADDR;
  }
  assert.equal(new SessiondClient().address, "127.0.0.1:50051");
});

test("settings out of their bounds are refused by name", () => {
  assert.throws(() => new SessiondClient({ deadline: 0 }), /deadline is 0/);
  assert.throws(() => new SessiondClient({ deadline: Number.NaN }), /deadline is NaN/);
  assert.throws(() => new SessiondClient({ lane: "slow" }), /lane is "slow"/);
  assert.throws(() => new SessiondClient({ values: "all" }), /values is "all"/);
});
