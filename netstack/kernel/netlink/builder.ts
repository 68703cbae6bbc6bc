/**
 * Netlink messages written one after another into one buffer, lengths filled in afterwards: for batches that are built
 * while somebody waits.  (Requests of one message are joined from parts, see attribute.ts.)
 */
import { HEADER } from "./message.ts";
import { aligned, LITTLE } from "./octets.ts";

export class Builder {
  #bytes = new Uint8Array(2048);
  #words = new DataView(this.#bytes.buffer);
  #at = 0;
  #message = 0;

  /** Begins a message; it ends where the next one begins, or with `built`. */
  message(type: number, flags: number): this {
    this.#finish();
    this.#room(HEADER);
    const at = this.#at;
    this.#words.setUint16(at + 4, type, LITTLE);
    this.#words.setUint16(at + 6, flags, LITTLE);
    this.#words.setUint32(at + 8, 0, LITTLE);
    this.#words.setUint32(at + 12, 0, LITTLE);
    this.#message = at;
    this.#at = at + HEADER;
    return this;
  }

  put(octets: Uint8Array): this {
    this.#room(octets.length);
    this.#bytes.set(octets, this.#at);
    this.#at += octets.length;
    return this;
  }

  attribute(type: number, value: Uint8Array): this {
    this.#attribute(type, value.length);
    this.#bytes.set(value, this.#at);
    return this.#pad(value.length);
  }

  u32be(type: number, value: number): this {
    this.#attribute(type, 4);
    this.#words.setUint32(this.#at, value, false);
    return this.#pad(4);
  }

  /** `value` is a safe integer. */
  u64be(type: number, value: number): this {
    this.#attribute(type, 8);
    this.#words.setUint32(this.#at, Math.floor(value / 2 ** 32), false);
    this.#words.setUint32(this.#at + 4, value % 2 ** 32, false);
    return this.#pad(8);
  }

  /** Begins a nested attribute; hand the result to `end`. */
  begin(type: number): number {
    const start = this.#at;
    this.#attribute(type | NLA_F_NESTED, 0);
    return start;
  }

  end(start: number): this {
    const length = this.#at - start;
    if (length > 0xffff) throw new TypeError(`a netlink attribute of ${length} octets`);
    this.#words.setUint16(start, length, LITTLE);
    return this;
  }

  /** All messages so far. */
  built(): Uint8Array {
    this.#finish();
    return this.#bytes.slice(0, this.#at);
  }

  #attribute(type: number, length: number): void {
    this.#room(4 + aligned(length));
    this.#words.setUint16(this.#at, 4 + length, LITTLE);
    this.#words.setUint16(this.#at + 2, type, LITTLE);
    this.#at += 4;
  }

  #pad(length: number): this {
    const end = this.#at + aligned(length);
    this.#bytes.fill(0, this.#at + length, end);
    this.#at = end;
    return this;
  }

  #finish(): void {
    if (this.#at === this.#message) return;
    this.#words.setUint32(this.#message, this.#at - this.#message, LITTLE);
    this.#message = this.#at;
  }

  #room(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + more));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
    this.#words = new DataView(larger.buffer);
  }
}

const NLA_F_NESTED = 0x8000;
