/** The messages of `session.proto` on the wire, written by hand: they are what every web request sends. */

import type { SessionChange, Timeouts } from "../client/session.js";
import { DEEPEST, isLeftOut, setOwn, UnsupportedValue, writeValue } from "../values/index.js";
import { ATTRIBUTE, Attributes } from "./attributes.js";
import { Reader } from "./reader.js";
import * as w from "./writer.js";

/** A value that is encoded already. */
export class Encoded {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

/** `map<string, Value>`: the values of an object's own properties. */
export function writeAttributes(tag: number, attributes: { readonly [name: string]: unknown }): void {
  for (const name of Object.keys(attributes)) {
    const value = attributes[name];
    if (isLeftOut(value)) continue;
    w.varint(tag);
    const entry = w.begin();
    w.varint(0x0a);
    w.lengthAndText(name);
    if (value instanceof Encoded) w.bytesField(0x12, value.bytes);
    else {
      w.varint(0x12);
      const start = w.begin();
      try {
        writeValue(value, name, true, DEEPEST);
      } catch (error) {
        // Names the attribute, not what it holds.
        if (error instanceof UnsupportedValue) error.message = `attribute "${name}" holds ${error.message}`;
        throw error;
      }
      w.end(start);
    }
    w.end(entry);
  }
}

export function writeTexts(tag: number, texts: { readonly [name: string]: string }): void {
  for (const name of Object.keys(texts)) {
    w.varint(tag);
    const entry = w.begin();
    w.textField(0x0a, name);
    w.textField(0x12, texts[name] as string);
    w.end(entry);
  }
}

export function writeTimeouts(tag: number, timeouts: Timeouts): void {
  w.varint(tag);
  const start = w.begin();
  if (timeouts.idleTimeout !== undefined) w.millisField(0x0a, timeouts.idleTimeout);
  if (timeouts.absoluteTimeout !== undefined) w.millisField(0x12, timeouts.absoluteTimeout);
  if (timeouts.absoluteExpireTime !== undefined) w.millisField(0x1a, timeouts.absoluteExpireTime.getTime());
  w.end(start);
}

export function writeChange(tag: number, change: SessionChange): void {
  w.varint(tag);
  const start = w.begin();
  if (change.set) writeAttributes(0x0a, change.set);
  for (const name of change.remove ?? []) {
    w.varint(0x12);
    w.lengthAndText(name);
  }
  w.boolField(0x18, change.clear);
  if (change.principal !== undefined) {
    w.varint(0x22);
    w.lengthAndText(change.principal);
  }
  if (change.setLabels) writeTexts(0x2a, change.setLabels);
  for (const name of change.removeLabels ?? []) {
    w.varint(0x32);
    w.lengthAndText(name);
  }
  if (change.timeouts) writeTimeouts(0x3a, change.timeouts);
  w.end(start);
}

/** A session as it came: times in milliseconds, attributes not yet decoded. */
export interface RawSession {
  handle: string;
  namespace: string;
  version: number;
  attributes: Attributes;
  principal: string;
  labels: { [name: string]: string };
  createTime: number;
  lastAccessTime: number;
  updateTime: number;
  idleTimeout: number;
  absoluteExpireTime: number | undefined;
  expireTime: number;
  sealed: boolean;
}

export function readSession(outer: Reader): RawSession {
  // Its own: the attributes are decoded later, when the message's reader has gone on.
  const r = new Reader(outer.bytes, outer.position, outer.end);
  let handle = "";
  let namespace = "";
  let version = 0;
  let principal = "";
  let labels: { [name: string]: string } | undefined;
  let createTime = 0;
  let lastAccessTime = 0;
  let updateTime = 0;
  let idleTimeout = 0;
  let absoluteExpireTime: number | undefined;
  let expireTime = 0;
  let sealed = false;
  let start = 0;
  let end = 0;
  for (let tag = r.tag(); tag !== 0; tag = r.tag()) {
    switch (tag) {
      case 0x0a:
        handle = r.text();
        break;
      case 0x12:
        namespace = r.name();
        break;
      case 0x18:
        version = r.varint();
        break;
      case ATTRIBUTE:
        if (end === 0) start = r.position - 1;
        end = r.nested();
        r.position = end;
        break;
      case 0x2a:
        principal = r.text();
        break;
      case 0x32:
        labels ??= {};
        readLabel(r, labels);
        break;
      case 0x3a:
        createTime = r.millis();
        break;
      case 0x42:
        lastAccessTime = r.millis();
        break;
      case 0x4a:
        updateTime = r.millis();
        break;
      case 0x52:
        idleTimeout = r.millis();
        break;
      case 0x5a:
        absoluteExpireTime = r.millis();
        break;
      case 0x62:
        expireTime = r.millis();
        break;
      case 0x68:
        sealed = r.varint() !== 0;
        break;
      default:
        r.skip(tag);
    }
  }
  return {
    handle,
    namespace,
    version,
    attributes: new Attributes(r, start, end),
    principal,
    labels: labels ?? {},
    createTime,
    lastAccessTime,
    updateTime,
    idleTimeout,
    absoluteExpireTime,
    expireTime,
    sealed,
  };
}

function readLabel(r: Reader, labels: { [name: string]: string }): void {
  r.within((entry) => {
    let name = "";
    let text = "";
    for (let tag = entry.tag(); tag !== 0; tag = entry.tag()) {
      if (tag === 0x0a) name = entry.text();
      else if (tag === 0x12) text = entry.text();
      else entry.skip(tag);
    }
    setOwn(labels, name, text);
  });
}
