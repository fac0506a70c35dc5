/** The sessions of the user that is logged in: "your devices", and "log out everywhere". */

import type { Session } from "../client/session.js";
import { principalOf } from "./account.js";
import { currentOf } from "./request.js";

/** One of a user's sessions. */
export interface Device {
  /** Names the session; `endSession` takes it. */
  readonly handle: string;
  /** Whether it is the session of this request. */
  readonly isCurrent: boolean;
  readonly labels: { readonly [name: string]: string };
  readonly createTime: Date;
  readonly lastAccessTime: Date;
  readonly expireTime: Date;
}

/** The user's sessions, newest first; none while nobody is logged in. */
export async function listSessions(req: object): Promise<Device[]> {
  const principal = principalOf(req);
  if (principal === undefined) return [];
  const { store, loaded } = currentOf(req);
  const devices: Device[] = [];
  for await (const session of store.client.list({ ...store.callSettings, principal })) {
    devices.push(toDevice(session, session.handle === loaded?.handle));
  }
  return devices;
}

function toDevice(session: Session, isCurrent: boolean): Device {
  const { handle, labels, createTime, lastAccessTime, expireTime } = session;
  return { handle, isCurrent, labels, createTime, lastAccessTime, expireTime };
}

/** Ends one of the user's sessions. False if this user has none of that handle. */
export async function endSession(req: object, handle: string): Promise<boolean> {
  const device = (await listSessions(req)).find((found) => found.handle === handle);
  if (!device) return false;
  const { store } = currentOf(req);
  const revoked = await store.client.revoke({ handles: [handle] }, store.callSettings);
  if (device.isCurrent) leave(req);
  return revoked > 0;
}

/** Ends all of the user's sessions but the one of this request; how many. */
export async function endOtherSessions(req: object): Promise<number> {
  const principal = principalOf(req);
  if (principal === undefined) return 0;
  const { store, id } = currentOf(req);
  return store.client.revoke({ principal, exceptSessionId: id }, store.callSettings);
}

/** Ends all of the user's sessions, that of this request too; how many. */
export async function endAllSessions(req: object): Promise<number> {
  const principal = principalOf(req);
  if (principal === undefined) return 0;
  const { store } = currentOf(req);
  const revoked = await store.client.revoke({ principal }, store.callSettings);
  leave(req);
  return revoked;
}

/** The request goes on without a session, as after express-session's own destroy. */
function leave(req: object): void {
  delete (req as { session?: unknown }).session;
}
