// The messages that are written by hand, beside those that protobufjs makes from the contract itself.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import protobuf from "protobufjs";
import { decodeStatistics } from "../dist/proto/admin.js";
import * as calls from "../dist/proto/calls.js";
import { Reader } from "../dist/proto/reader.js";
import * as store from "../dist/proto/store.js";
import { decodeValue } from "../dist/values/index.js";

const protos = new URL("../../../proto/", import.meta.url).pathname;
const root = new protobuf.Root();
root.resolvePath = (_origin, target) => (target.startsWith("sessiond/") ? protos + target : target);
for (const name of readdirSync(`${protos}sessiond/v1`)) root.loadSync(`${protos}sessiond/v1/${name}`);
root.resolveAll();
const type = (name) => root.lookupType(`sessiond.v1.${name}`);

/** What protobufjs reads in bytes of ours. */
function read(name, request) {
  const message = type(name).decode(calls.bytesOf(request));
  return type(name).toObject(message, { longs: Number, enums: String, bytes: Array });
}

/** Bytes of protobufjs, read by ours. */
function write(name, object) {
  const problem = type(name).verify(object);
  assert.equal(problem, null, problem);
  return new Reader(Buffer.from(type(name).encode(type(name).fromObject(object)).finish()));
}

const ms = (millis) => ({ seconds: Math.floor(millis / 1000), nanos: (millis % 1000) * 1e6 });
const same = (actual, expected) =>
  assert.deepEqual(JSON.parse(JSON.stringify(actual)), JSON.parse(JSON.stringify(expected)));

const change = {
  set: { a: "x", n: -5, "": true },
  remove: ["b"],
  clear: true,
  principal: "",
  setLabels: { device: "d" },
  removeLabels: ["e"],
  timeouts: { idleTimeout: 1_500, absoluteExpireTime: new Date(9_000) },
};
const changeRead = {
  setAttributes: { a: { stringValue: "x" }, n: { intValue: -5 }, "": { boolValue: true } },
  removeAttributes: ["b"],
  clearAttributes: true,
  principal: "",
  setLabels: { device: "d" },
  removeLabels: ["e"],
  timeouts: { idleTimeout: ms(1_500), absoluteExpireTime: { seconds: 9 } },
};

test("requests on single sessions", () => {
  const create = calls.encodeCreate("ns", {
    sessionId: "id",
    attributes: { a: null },
    principal: "p",
    labels: { l: "v" },
    timeouts: { absoluteTimeout: 60_000 },
    createTime: new Date(1_000),
    lastAccessTime: new Date(2_345),
  });
  same(read("CreateSessionRequest", create), {
    namespace: "ns",
    sessionId: "id",
    attributes: { a: { nullValue: "NULL_VALUE" } },
    principal: "p",
    labels: { l: "v" },
    timeouts: { absoluteTimeout: { seconds: 60 } },
    createTime: { seconds: 1 },
    lastAccessTime: ms(2_345),
  });
  same(
    read("GetSessionRequest", calls.encodeGet("ns", "id", { touch: false, ifVersionNot: 7, omitAttributes: true })),
    {
      namespace: "ns",
      sessionId: "id",
      access: "ACCESS_PEEK",
      ifVersionNot: 7,
      omitAttributes: true,
    },
  );
  assert.equal(read("GetSessionRequest", calls.encodeGet("", "id", {})).access, "ACCESS_TOUCH");
  const options = { expectedVersion: 3, upsert: true, lockToken: "t", unlock: true };
  same(read("UpdateSessionRequest", calls.encodeUpdate("ns", "id", change, options)), {
    namespace: "ns",
    sessionId: "id",
    change: changeRead,
    expectedVersion: 3,
    upsert: true,
    lockToken: "t",
    unlock: true,
  });
  same(read("TouchSessionRequest", calls.encodeTouch("ns", "id")), { namespace: "ns", sessionId: "id" });
  const rotate = calls.encodeRotate("ns", "id", { newSessionId: "next", grace: 500, change, expectedVersion: 300 });
  same(read("RotateSessionRequest", rotate), {
    namespace: "ns",
    sessionId: "id",
    newSessionId: "next",
    grace: { nanos: 5e8 },
    change: changeRead,
    expectedVersion: 300,
  });
  same(read("DeleteSessionRequest", calls.encodeDelete("ns", { sessionId: "id" }, {})), {
    namespace: "ns",
    sessionId: "id",
    allowMissing: true,
  });
  same(read("DeleteSessionRequest", calls.encodeDelete("", { handle: "h" }, { allowMissing: false })), { handle: "h" });
});

const session = {
  handle: "h",
  namespace: "ns",
  version: 2 ** 40,
  attributes: { a: { stringValue: "ü" } },
  principal: "p",
  labels: { l: "v" },
  createTime: ms(1_001),
  lastAccessTime: ms(2_002),
  updateTime: ms(3_003),
  idleTimeout: ms(4_004),
  absoluteExpireTime: ms(5_005),
  expireTime: ms(6_006),
  sealed: true,
};

function isTheSession(raw) {
  const { attributes, ...rest } = raw;
  assert.deepEqual(decodeValue(bytesOf(attributes.get("a"))), "ü");
  assert.deepEqual(rest, {
    handle: "h",
    namespace: "ns",
    version: 2 ** 40,
    principal: "p",
    labels: { l: "v" },
    createTime: 1_001,
    lastAccessTime: 2_002,
    updateTime: 3_003,
    idleTimeout: 4_004,
    absoluteExpireTime: 5_005,
    expireTime: 6_006,
    sealed: true,
  });
}

const bytesOf = (slice) => {
  const r = slice.reader();
  return r.bytes.subarray(r.position, r.end);
};

test("answers on single sessions", () => {
  const created = calls.create.decode(write("CreateSessionResponse", { sessionId: "id", session }));
  assert.equal(created.sessionId, "id");
  isTheSession(created.session);
  const got = calls.get.decode(write("GetSessionResponse", { session, notModified: true }));
  assert.equal(got.notModified, true);
  isTheSession(got.session);
  const updated = calls.update.decode(write("UpdateSessionResponse", { session, created: true }));
  assert.equal(updated.created, true);
  isTheSession(updated.session);
  const touched = calls.touch.decode(write("TouchSessionResponse", { expireTime: ms(7_007), version: 9 }));
  assert.deepEqual(touched, { expireTime: 7_007, version: 9 });
  isTheSession(calls.rotate.decode(write("RotateSessionResponse", { sessionId: "next", session })).session);
  assert.equal(calls.remove.decode(write("DeleteSessionResponse", { deleted: true })), true);
});

test("each call stands in the field of the lane that is named for it", () => {
  const fields = {
    create: calls.create,
    get: calls.get,
    update: calls.update,
    touch: calls.touch,
    rotate: calls.rotate,
    delete: calls.remove,
  };
  for (const [name, { tag, path }] of Object.entries(fields)) {
    assert.equal(type("Call").fields[name].id, tag >>> 3);
    assert.equal(type("Reply").fields[name].id, tag >>> 3);
    const method = root.lookupService("sessiond.v1.SessionStore").methods[path.split("/").pop()];
    assert.equal(`${method.name}Request`, type("Call").fields[name].type);
  }
});

test("the other requests", () => {
  const list = { principal: "p", handles: ["h"], pageSize: 9, pageToken: "t", attributes: true };
  same(read("ListSessionsRequest", store.encodeList("ns", list)), {
    namespace: "ns",
    principal: "p",
    pageSize: 9,
    pageToken: "t",
    view: "SESSION_VIEW_FULL",
    handles: ["h"],
  });
  same(read("CountSessionsRequest", store.encodeCount("ns", "p")), { namespace: "ns", principal: "p" });
  same(read("RevokeSessionsRequest", store.encodeRevoke("ns", { principal: "p", exceptSessionId: "id" })), {
    namespace: "ns",
    principal: { principal: "p", exceptSessionId: "id" },
  });
  same(read("RevokeSessionsRequest", store.encodeRevoke("", { handles: ["a", "b"] })), {
    handles: { handles: ["a", "b"] },
  });
  same(read("RevokeSessionsRequest", store.encodeRevoke("", { wholeNamespace: true })), { wholeNamespace: {} });
  same(read("BatchGetSessionsRequest", store.encodeBatchGet("ns", ["a"], 2)), {
    namespace: "ns",
    sessionIds: ["a"],
    access: "ACCESS_PEEK",
  });
  same(read("BatchDeleteSessionsRequest", store.encodeBatchDelete("ns", ["a"])), {
    namespace: "ns",
    sessionIds: ["a"],
  });
  const watch = { principal: "p", kinds: [1, 6], includeAttributes: true, checkpointInterval: 2_500, resumeToken: "r" };
  same(read("WatchSessionsRequest", store.encodeWatch("ns", watch)), {
    namespace: "ns",
    principal: "p",
    kinds: ["EVENT_KIND_CREATED", "EVENT_KIND_REVOKED"],
    includeAttributes: true,
    checkpointInterval: ms(2_500),
    resumeToken: "r",
  });
  same(read("WatchSessionsRequest", store.encodeWatch("ns", { allNamespaces: true })), { allNamespaces: true });
  const lock = { lease: 1_000, wait: 2_000, lockToken: "t", includeSession: true };
  same(read("LockSessionRequest", store.encodeLock("ns", "id", lock)), {
    namespace: "ns",
    sessionId: "id",
    lease: { seconds: 1 },
    wait: { seconds: 2 },
    lockToken: "t",
    includeSession: true,
  });
  same(read("UnlockSessionRequest", store.encodeNamed("ns", "id", "t")), {
    namespace: "ns",
    sessionId: "id",
    lockToken: "t",
  });
  same(read("IssueHandoffRequest", store.encodeNamed("ns", "id", "aud", 3_000)), {
    namespace: "ns",
    sessionId: "id",
    audience: "aud",
    lifetime: { seconds: 3 },
  });
  same(read("RedeemHandoffRequest", store.encodeRedeem("ns", "t", "aud", "next")), {
    namespace: "ns",
    ticket: "t",
    audience: "aud",
    newSessionId: "next",
  });
  same(read("IssueCsrfTokenRequest", store.encodeNamed("ns", "id")), { namespace: "ns", sessionId: "id" });
  same(read("VerifyCsrfTokenRequest", store.encodeNamed("ns", "id", "t")), {
    namespace: "ns",
    sessionId: "id",
    token: "t",
  });
});

test("the other answers", () => {
  const page = store.decodeList(write("ListSessionsResponse", { sessions: [session], nextPageToken: "t" }));
  isTheSession(page.sessions[0]);
  assert.equal(page.nextPageToken, "t");
  assert.equal(store.decodeNumber(write("CountSessionsResponse", { count: 300 })), 300);
  assert.equal(store.decodeNumber(write("RevokeSessionsResponse", { revoked: 2 })), 2);
  assert.equal(store.decodeNumber(write("SweepNowResponse", { removed: 4 })), 4);
  assert.equal(store.decodeBool(write("UnlockSessionResponse", { released: true })), true);
  assert.equal(store.decodeBool(write("VerifyCsrfTokenResponse", { valid: true })), true);
  assert.equal(store.decodeText(write("IssueCsrfTokenResponse", { token: "t" })), "t");
  const error = { reason: "R", message: "m" };
  const [got, failed] = store.decodeBatch(write("BatchGetSessionsResponse", { results: [{ session }, { error }] }));
  isTheSession(got.session);
  assert.deepEqual(failed.error, error);
  const deleted = store.decodeBatch(write("BatchDeleteSessionsResponse", { results: [{ deleted: true }, { error }] }));
  assert.deepEqual(deleted, [{ deleted: true }, { deleted: false, error }]);
  const event = { kind: 6, eventTime: ms(1_234), session, resumeToken: "r" };
  const seen = store.decodeWatch(write("WatchSessionsResponse", { event }));
  isTheSession(seen.session);
  assert.deepEqual([seen.kind, seen.eventTime, seen.resumeToken], [6, 1_234, "r"]);
  assert.equal(
    store.decodeWatch(write("WatchSessionsResponse", { checkpoint: { resumeToken: "c" } })).resumeToken,
    "c",
  );
  const lock = store.decodeSecret(write("LockSessionResponse", { lockToken: "t", expireTime: ms(8_008), session }));
  assert.deepEqual([lock.secret, lock.expireTime], ["t", 8_008]);
  isTheSession(lock.session);
  const ticket = store.decodeSecret(write("IssueHandoffResponse", { ticket: "t", expireTime: ms(9_009) }));
  assert.deepEqual([ticket.secret, ticket.expireTime], ["t", 9_009]);
  isTheSession(calls.readIdAndSession(write("RedeemHandoffResponse", { sessionId: "id", session })).session);
});

test("every number of the statistics has its name", () => {
  const { fields } = type("GetStatisticsResponse");
  const encryption = { key: "a", olderKeys: ["b", "c"], partlyPlain: true, sessionsChecked: 7, sessionsExpected: 9 };
  const given = {};
  for (const { name, type: kind, id } of Object.values(fields)) {
    if (name === "namespaces") given[name] = [{ namespace: "ns", sessions: 5 }];
    else if (name === "encryption") given[name] = encryption;
    else if (kind === "string") given[name] = `text ${id}`;
    else if (kind === "google.protobuf.Timestamp" || kind === "google.protobuf.Duration")
      given[name] = ms(id * 1_000 + 1);
    else given[name] = id;
  }
  const read_ = decodeStatistics(write("GetStatisticsResponse", given));
  assert.deepEqual(Object.keys(read_).sort(), Object.keys(given).sort());
  for (const { name, type: kind, id } of Object.values(fields)) {
    const value = read_[name];
    if (name === "namespaces") assert.deepEqual(value, { ns: 5 });
    else if (name === "encryption") assert.deepEqual(value, encryption);
    else if (kind === "string") assert.equal(value, `text ${id}`);
    else if (kind.startsWith("google")) assert.equal(Number(value), id * 1_000 + 1, name);
    else assert.equal(value, id, name);
  }
});
