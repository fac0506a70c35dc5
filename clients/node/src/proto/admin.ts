/** What the server holds and does: `GetStatistics` on the wire. */

import type { Reader } from "./reader.js";
import { each } from "./store.js";

/** How data at rest is encrypted. Keys are named by their numbers, 8 hex digits, which are no secrets. */
export interface EncryptionStatistics {
  /** The key that encrypts; empty while what was encrypted is being turned into plain. */
  key: string;
  /** The other keys under which something may still be encrypted. */
  olderKeys: string[];
  /** Whether something may still be in plain that is to be encrypted. */
  partlyPlain: boolean;
  /** Sessions of which this run of the server has seen how they are encrypted. */
  sessionsChecked: number;
  /** About how many sessions there were at the start. */
  sessionsExpected: number;
}

/** What the server holds and does. */
export interface Statistics {
  /** Sessions in store, counting those that have expired but are not swept yet. */
  sessions: number;
  /** The same for each namespace that has any; at most 1,000. */
  namespaces: { [namespace: string]: number };
  /** Sessions made since the server started. */
  created: number;
  /** Sessions whose expiry was swept since the server started. */
  expired: number;
  createdPerSecond: number;
  expiredPerSecond: number;
  diskBytes: number;
  memoryBytes: number;
  /** Milliseconds for which the session that waits longest for the sweeper has been expired. */
  sweeperLag: number;
  groups: number;
  groupedTransactions: number;
  largestGroup: number;
  startTime: Date;
  watchers: number;
  /** Milliseconds of CPU time since the server started. */
  cpuTime: number;
  refusedForSpace: number;
  metDamage: number;
  storageStalls: number;
  /** Where a watcher that starts now begins. */
  resumeToken: string;
  /** Events that are kept for watchers that resume. */
  eventsKept: number;
  /** How often the system's clock was set ahead or back by more than a second since the server started. */
  clockSteps: number;
  /** Milliseconds by which the time of sessions is ahead of the system's clock; negative if it is behind. */
  clockAhead: number;
  /** The present moment in the time of sessions, by which they end. */
  currentTime: Date;
  /** Null if nothing is or was encrypted. */
  encryption: EncryptionStatistics | null;
}

const NUMBERS: { readonly [tag: number]: keyof Statistics } = {
  8: "sessions",
  24: "created",
  32: "expired",
  56: "diskBytes",
  64: "memoryBytes",
  80: "groups",
  88: "groupedTransactions",
  96: "largestGroup",
  120: "watchers",
  144: "refusedForSpace",
  152: "metDamage",
  160: "storageStalls",
  176: "eventsKept",
  192: "clockSteps",
};

export function decodeStatistics(r: Reader): Statistics {
  const statistics: Statistics = {
    sessions: 0,
    namespaces: {},
    created: 0,
    expired: 0,
    createdPerSecond: 0,
    expiredPerSecond: 0,
    diskBytes: 0,
    memoryBytes: 0,
    sweeperLag: 0,
    groups: 0,
    groupedTransactions: 0,
    largestGroup: 0,
    startTime: new Date(0),
    watchers: 0,
    cpuTime: 0,
    refusedForSpace: 0,
    metDamage: 0,
    storageStalls: 0,
    resumeToken: "",
    eventsKept: 0,
    clockSteps: 0,
    clockAhead: 0,
    currentTime: new Date(0),
    encryption: null,
  };
  each(r, (tag) => {
    const number = NUMBERS[tag];
    if (number) (statistics as unknown as { [name: string]: number })[number] = r.varint();
    else if (tag === 0x12) readNamespace(r, statistics.namespaces);
    else if (tag === 0x29) statistics.createdPerSecond = r.double();
    else if (tag === 0x31) statistics.expiredPerSecond = r.double();
    else if (tag === 0x4a) statistics.sweeperLag = r.millis();
    else if (tag === 0x6a) statistics.startTime = new Date(r.millis());
    else if (tag === 130) statistics.cpuTime = r.millis();
    else if (tag === 202) statistics.clockAhead = r.millis();
    else if (tag === 210) statistics.currentTime = new Date(r.millis());
    else if (tag === 218) statistics.encryption = readEncryption(r);
    else if (tag === 170) statistics.resumeToken = r.text();
    else return false;
    return true;
  });
  return statistics;
}

function readEncryption(r: Reader): EncryptionStatistics {
  const found: EncryptionStatistics = {
    key: "",
    olderKeys: [],
    partlyPlain: false,
    sessionsChecked: 0,
    sessionsExpected: 0,
  };
  r.within((inner) => {
    each(inner, (tag) => {
      if (tag === 0x0a) found.key = inner.text();
      else if (tag === 0x12) found.olderKeys.push(inner.text());
      else if (tag === 0x18) found.partlyPlain = inner.varint() !== 0;
      else if (tag === 0x20) found.sessionsChecked = inner.varint();
      else if (tag === 0x28) found.sessionsExpected = inner.varint();
      else return false;
      return true;
    });
  });
  return found;
}

function readNamespace(r: Reader, namespaces: { [namespace: string]: number }): void {
  r.within((inner) => {
    let name = "";
    let sessions = 0;
    each(inner, (tag) => {
      if (tag === 0x0a) name = inner.text();
      else if (tag === 0x10) sessions = inner.varint();
      else return false;
      return true;
    });
    namespaces[name] = sessions;
  });
}
