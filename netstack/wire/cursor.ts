/**
 * Bounds-checked cursors over octets, network order.  A Reader never throws: reading past its end yields zeros and sets
 * `short`, which a decoder looks at before it believes anything; `sub` cannot see past the length it was given.  A
 * Writer that overflows is a bug of its caller.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;
  /** Something was read that is not there. */
  short = false;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#at = Math.min(start, bytes.length);
    this.#end = Math.min(end, bytes.length);
  }

  get remaining(): number {
    return this.#end - this.#at;
  }
  /** Offset from the start of the whole buffer. */
  get offset(): number {
    return this.#at;
  }

  u8(): number {
    if (!this.#has(1)) return 0;
    return this.#bytes[this.#at++] ?? 0;
  }
  u16(): number {
    return this.#number(2);
  }
  u32(): number {
    return this.#number(4);
  }
  /** A MAC address, for one. */
  u48(): number {
    return this.#number(6);
  }
  /** An unsigned 64-bit number; what a double cannot hold exactly comes out as undefined. */
  u64(): number | undefined {
    const high = this.u32();
    const low = this.u32();
    return high < 2 ** 21 ? high * 2 ** 32 + low : undefined;
  }
  /** A view, not a copy. */
  bytes(length: number): Uint8Array {
    if (!this.#has(length)) return EMPTY;
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
  skip(length: number): void {
    if (this.#has(length)) this.#at += length;
  }
  /** The next `length` octets as a reader of their own. */
  sub(length: number): Reader {
    const start = this.#at;
    const there = this.#has(length);
    if (there) this.#at += length;
    const inner = new Reader(this.#bytes, start, there ? start + length : start);
    inner.short = !there;
    return inner;
  }

  #has(length: number): boolean {
    if (this.#end - this.#at >= length) return true;
    this.short = true;
    this.#at = this.#end;
    return false;
  }
  #number(octets: number): number {
    if (!this.#has(octets)) return 0;
    let value = 0;
    for (let left = octets; left > 0; left--) value = value * 256 + (this.#bytes[this.#at++] ?? 0);
    return value;
  }
}

export class Writer {
  readonly bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get length(): number {
    return this.#at;
  }
  u8(value: number): this {
    return this.#number(value, 1);
  }
  u16(value: number): this {
    return this.#number(value, 2);
  }
  u32(value: number): this {
    return this.#number(value, 4);
  }
  u48(value: number): this {
    return this.#number(value, 6);
  }
  u64(value: number): this {
    return this.#number(value, 8);
  }
  put(bytes: Uint8Array): this {
    this.#room(bytes.length);
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }
  zeros(count: number): this {
    this.#room(count);
    this.bytes.fill(0, this.#at, this.#at + count);
    this.#at += count;
    return this;
  }
  /** What was written: a view, not a copy. */
  written(): Uint8Array {
    return this.bytes.subarray(0, this.#at);
  }

  #room(length: number): void {
    if (this.#at + length > this.bytes.length) throw new TypeError(`a buffer of ${this.bytes.length} octets overflows`);
  }
  #number(value: number, octets: number): this {
    if (!Number.isSafeInteger(value) || value < 0 || value >= 256 ** octets)
      throw new TypeError(`${value} does not fit ${octets} octets`);
    this.#room(octets);
    let rest = value;
    for (let index = octets - 1; index >= 0; index--) {
      this.bytes[this.#at + index] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    this.#at += octets;
    return this;
  }
}

const EMPTY = new Uint8Array(0);
