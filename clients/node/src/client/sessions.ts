/** Sessions as they came, to sessions as they are handed out. */

import type { RawSession } from "../proto/messages.js";
import { readAttributes, type Shapes } from "../values/index.js";
import type { Session } from "./session.js";

export type { Shapes };

/** The session that this is. Answers that leave the attributes out must say so: then they are unknown, not empty. */
export function toSession(raw: RawSession, shapes: Shapes, hasAttributes: boolean): Session {
  return {
    handle: raw.handle,
    namespace: raw.namespace,
    version: raw.version,
    ...(hasAttributes && { attributes: readAttributes(raw.attributes, shapes) }),
    principal: raw.principal,
    labels: raw.labels,
    createTime: new Date(raw.createTime),
    lastAccessTime: new Date(raw.lastAccessTime),
    updateTime: new Date(raw.updateTime),
    idleTimeout: raw.idleTimeout,
    ...(raw.absoluteExpireTime !== undefined && { absoluteExpireTime: new Date(raw.absoluteExpireTime) }),
    expireTime: new Date(raw.expireTime),
    ...(raw.sealed && { sealed: true as const }),
  };
}
