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
  private parts: Buffer[] = [];
  private have = 0;
  /** Octets of the frame under way with its head; 0 until the head is complete. */
  private need = 0;

  /** The messages that `bytes` completes; `bytes` may be reused afterwards.  After a refusal the reader is of no more use. */
  push(bytes: Uint8Array): Result<readonly unknown[], BadFrame> {
    this.parts.push(Buffer.from(bytes));
    this.have += bytes.length;
    const messages: unknown[] = [];
    for (;;) {
      if (this.need === 0) {
        if (this.have < HEAD) return ok(messages);
        const length = this.joined().readUInt32LE(0);
        if (length > FRAME_MAX) return err({ kind: "too-long", length });
        this.need = HEAD + length;
      }
      if (this.have < this.need) return ok(messages);
      const all = this.joined();
      const { need } = this;
      const parsed = parse(all.subarray(HEAD, need));
      if (!parsed.ok) return parsed;
      messages.push(parsed.value);
      this.have -= need;
      this.need = 0;
      this.parts = [all.subarray(need)];
    }
  }

  private joined(): Buffer {
    const all = this.parts.length === 1 && this.parts[0] !== undefined ? this.parts[0] : Buffer.concat(this.parts);
    this.parts = [all];
    return all;
  }
}

function parse(octets: Buffer): Result<unknown, BadFrame> {
  try {
    return ok(JSON.parse(octets.toString()));
  } catch {
    return err({ kind: "not-json", length: octets.length });
  }
}

/** Octets of JSON in one message. */
export const FRAME_MAX = 64 << 20;
const HEAD = 4;
