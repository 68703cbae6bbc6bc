/**
 * Messages between our processes: a u32 little-endian length, then that many octets of JSON.  The reader holds what has
 * arrived, never what a length promises, so a hostile length costs nothing; one above the limit ends the conversation.
 */
import { err, ok, type Result } from "../../base/result.ts";

export type BadFrame =
  | { readonly kind: "too-long"; readonly length: number }
  | { readonly kind: "not-json"; readonly length: number };

export function encodeFrame(message: unknown): Buffer {
  const text = JSON.stringify(message);
  if (text === undefined) throw new TypeError("a message that JSON cannot carry");
  const length = Buffer.byteLength(text);
  if (length > FRAME_MAX) throw new TypeError(`a message of ${length} octets`);
  const frame = Buffer.allocUnsafe(HEAD + length);
  frame.writeUInt32LE(length, 0);
  frame.write(text, HEAD);
  return frame;
}

export class FrameReader {
  /** The first `have` octets are a frame that is not complete. */
  private store: Uint8Array<ArrayBuffer> = NOTHING;
  private have = 0;

  /** The messages that `bytes` completes; `bytes` may be reused afterwards.  After a refusal the reader is of no more use. */
  push(bytes: Uint8Array): Result<readonly unknown[], BadFrame> {
    const stored = this.have > 0;
    if (stored) this.append(bytes);
    const all = stored ? view(this.store, this.have) : view(bytes, bytes.length);
    const messages: unknown[] = [];
    let at = 0;
    while (all.length - at >= HEAD) {
      const length = all.readUInt32LE(at);
      if (length > FRAME_MAX) return err({ kind: "too-long", length });
      if (all.length - at < HEAD + length) break;
      const text = all.toString("utf8", at + HEAD, at + HEAD + length);
      at += HEAD + length;
      // A large one needs its room for what it becomes: its octets go first.
      const over = at === all.length;
      if (over) this.free();
      const parsed = parse(text, length);
      if (!parsed.ok) return parsed;
      messages.push(parsed.value);
      if (over) return ok(messages);
    }
    if (at > 0 || !stored) this.keep(all.subarray(at));
    return ok(messages);
  }

  private append(bytes: Uint8Array): void {
    const have = this.have + bytes.length;
    if (have > this.store.length) {
      const need = this.have < HEAD ? 0 : HEAD + view(this.store, HEAD).readUInt32LE();
      const room = Math.max(have, Math.min(need, this.store.length * 2));
      // Moved, so that the old octets do not wait for the garbage collector.
      this.store = new Uint8Array(this.store.buffer.transfer(room));
    }
    this.store.set(bytes, this.have);
    this.have = have;
  }
  private keep(rest: Uint8Array): void {
    const kept = rest.length === 0 ? NOTHING : new Uint8Array(rest);
    this.free();
    this.store = kept;
    this.have = kept.length;
  }
  private free(): void {
    if (this.store.length > 0) this.store.buffer.transfer(0);
    this.store = NOTHING;
    this.have = 0;
  }
}

function view({ buffer, byteOffset }: Uint8Array, length: number): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

function parse(text: string, length: number): Result<unknown, BadFrame> {
  try {
    return ok(JSON.parse(text));
  } catch {
    return err({ kind: "not-json", length });
  }
}

const NOTHING = new Uint8Array(0);
/** Octets of JSON in one message. */
export const FRAME_MAX = 64 << 20;
const HEAD = 4;
