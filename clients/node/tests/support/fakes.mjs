// Servers that are not sessiond: proxies that refuse or hold back a stream, servers that break off.
import { once } from "node:events";
import * as http2 from "node:http2";

/** The bytes of a message of one text field and perhaps more, behind gRPC's prefix. */
export function framed(message) {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

export const TOUCHED = framed(Buffer.from([0x10, 7]));

/** An ExchangeResponse that answers these tags with a TouchSessionResponse of version 7. */
export function touchReplies(tags) {
  const replies = tags.map((tag) => Buffer.from([0x0a, 6, 0x08, tag, 0x32, 2, 0x10, 7]));
  return framed(Buffer.concat(replies));
}

/** The tags of the calls in an ExchangeRequest. */
export function tagsIn(message) {
  const tags = [];
  let position = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[position++];
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (position < message.length) {
    varint();
    const end = varint() + position;
    if (message[position] === 0x08) tags.push(message[position + 1]);
    position = end;
  }
  return tags;
}

/** Messages that come in on a stream. */
export function onMessages(stream, onMessage) {
  let bytes = Buffer.alloc(0);
  stream.on("data", (piece) => {
    bytes = Buffer.concat([bytes, piece]);
    while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
      const end = 5 + bytes.readUInt32BE(1);
      onMessage(bytes.subarray(5, end));
      bytes = bytes.subarray(end);
    }
  });
}

export function answer(stream, message, status = 0, more = {}) {
  if (message === undefined) {
    const headers = { ":status": 200, "content-type": "application/grpc", "grpc-status": String(status), ...more };
    stream.respond(headers, { endStream: true });
    return;
  }
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": String(status), ...more }));
  stream.end(message);
}

/** A server whose streams are handled by `handle(stream, method)`; what it was asked for is in `asked`. With `tls`, over TLS. */
export async function fakeServer(t, handle, port = 0, tls = undefined) {
  const server = tls ? http2.createSecureServer(tls) : http2.createServer();
  // Whoever does not speak TLS, or not with this server.
  server.on("tlsClientError", () => {});
  const sessions = new Set();
  const asked = [];
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
    session.on("close", () => sessions.delete(session));
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    const method = headers[":path"].split("/").pop();
    asked.push(method);
    handle(stream, method, headers);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const session of sessions) session.destroy();
  };
  t.after(() => {
    cut();
    server.close();
  });
  return { address: `${tls ? "https://" : ""}127.0.0.1:${server.address().port}`, asked, cut, sessions, server };
}

/** google.rpc.Status with an ErrorInfo of sessiond, as `grpc-status-details-bin` carries it. */
export function details(code, reason) {
  const field = (tag, bytes) => Buffer.concat([Buffer.from([tag, bytes.length]), bytes]);
  const info = Buffer.concat([field(0x0a, Buffer.from(reason)), field(0x12, Buffer.from("sessiond"))]);
  const any = Buffer.concat([field(0x0a, Buffer.from("type.googleapis.com/google.rpc.ErrorInfo")), field(0x12, info)]);
  return Buffer.concat([Buffer.from([0x08, code]), field(0x1a, any)]).toString("base64");
}
