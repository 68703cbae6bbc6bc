/** Octets as text, a character for each: what makes them a key.  Many times faster than a call for each octet. */
export class OctetText {
  // Never shorter than what is in it; kept, because making it costs more than filling it.
  readonly #codes: number[] = [];
  #length = 0;

  clear(): this {
    this.#length = 0;
    return this;
  }
  octet(value: number): this {
    this.#codes[this.#length++] = value;
    return this;
  }
  add(bytes: Uint8Array, start: number, end: number): this {
    const codes = this.#codes;
    let length = this.#length;
    for (let at = start; at < end; at++) codes[length++] = bytes[at] as number;
    this.#length = length;
    return this;
  }
  text(): string {
    const codes = this.#codes;
    if (this.#length <= MOST_ARGUMENTS) {
      codes.length = this.#length;
      return String.fromCharCode(...codes);
    }
    let text = "";
    for (let at = 0; at < this.#length; at += MOST_ARGUMENTS)
      text += String.fromCharCode(...codes.slice(at, Math.min(this.#length, at + MOST_ARGUMENTS)));
    codes.length = 0;
    return text;
  }
}

/** Arguments lie on the stack. */
const MOST_ARGUMENTS = 4096;
