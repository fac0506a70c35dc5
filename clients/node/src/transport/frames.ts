/** gRPC's messages in a stream of bytes: a flag, a length of four bytes, the message. */

/** The largest message that is read: the largest that a server can be set to send. */
const LARGEST_MESSAGE = 64 * 1024 * 1024;

const PREFIX = 5;

/** A message that is larger than any server sends, or compressed, which nobody asked for. */
export class UnreadableMessage extends Error {}

/** A message behind its prefix. */
export function framed(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, PREFIX);
  return frame;
}

/** Puts messages together from the pieces that they come in. */
export class Frames {
  private pieces: Buffer[] = [];
  private size = 0;
  /** Bytes of the message that is being received, with its prefix; 0 while the prefix is not complete. */
  private wanted = 0;

  /** Takes a piece and hands out each message that is complete. */
  push(piece: Buffer, onMessage: (message: Buffer) => void): void {
    let bytes = piece;
    if (this.size > 0) {
      this.pieces.push(piece);
      this.size += piece.length;
      if (this.size < (this.wanted || PREFIX)) return;
      bytes = Buffer.concat(this.pieces, this.size);
      this.pieces = [];
      this.size = 0;
    }
    let start = 0;
    for (;;) {
      const left = bytes.length - start;
      this.wanted = left < PREFIX ? 0 : PREFIX + lengthAt(bytes, start);
      if (this.wanted === 0 || left < this.wanted) break;
      onMessage(bytes.subarray(start + PREFIX, start + this.wanted));
      start += this.wanted;
    }
    if (start < bytes.length) {
      this.pieces.push(start === 0 ? bytes : bytes.subarray(start));
      this.size = bytes.length - start;
    }
  }

  /** Whether a message is cut off here. */
  get isWithinMessage(): boolean {
    return this.size > 0;
  }
}

function lengthAt(bytes: Buffer, start: number): number {
  const length = bytes.readUInt32BE(start + 1);
  if (bytes[start] !== 0) throw new UnreadableMessage("a message is compressed, which was not asked for");
  if (length > LARGEST_MESSAGE) throw new UnreadableMessage("a message is larger than any server sends");
  return length;
}
