/** Octets being written, as many as it takes: unlike a Writer of netstack/wire, which knows its room beforehand. */
export class Octets {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(1024);
  length = 0;

  clear(): this {
    this.length = 0;
    return this;
  }
  u8(value: number): this {
    this.#room(1);
    this.bytes[this.length++] = value;
    return this;
  }
  u16(value: number): this {
    return this.u8(value >>> 8).u8(value);
  }
  u32(value: number): this {
    this.#room(4);
    const { bytes, length } = this;
    bytes[length] = value >>> 24;
    bytes[length + 1] = value >>> 16;
    bytes[length + 2] = value >>> 8;
    bytes[length + 3] = value;
    this.length += 4;
    return this;
  }
  put(octets: Uint8Array): this {
    this.#room(octets.length);
    this.bytes.set(octets, this.length);
    this.length += octets.length;
    return this;
  }
  /** Room for one octet at `at`: what is there and behind it moves. */
  insert(at: number, value: number): void {
    this.#room(1);
    this.bytes.copyWithin(at + 1, at, this.length++);
    this.bytes[at] = value;
  }
  slice(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  #room(octets: number): void {
    if (this.length + octets <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + octets));
    larger.set(this.bytes);
    this.bytes = larger;
  }
}
