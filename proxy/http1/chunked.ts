/**
 * Chunked bodies, walked in place in any pieces; they are forwarded as they come, so everything in them is checked.
 * Standards: RFC 9112 §7.1, RFC 9110 §6.5.  Stricter on purpose: no white space before ";" or around the size, chunk
 * extensions limited over the whole body, no framing, routing or connection fields in trailers.
 */
import type { Limits } from "./limits.ts";
import { LIMITS } from "./limits.ts";
import { CR, HEX, HTAB, LF, SP, TOKEN } from "./octets.ts";
import { refusal } from "./refusal.ts";
import { TrailerScanner } from "./trailer.ts";

export class ChunkedScanner {
  /** The body and its trailers ended: `scan` returned the offset after them. */
  done = false;
  /** Octets of content so far, chunk framing left out. */
  octets = 0;
  /** What `next` passed: content octets [dataStart, dataEnd) of the memory it was given; empty when it passed framing. */
  dataStart = 0;
  dataEnd = 0;
  readonly #limits: Limits;
  readonly #trailer: TrailerScanner;
  #state = SIZE_FIRST;
  /** The size being read, then the octets of content still to come. */
  #left = 0;
  #digits = 0;
  #extensions = 0;

  constructor(limits: Limits = LIMITS) {
    this.#limits = limits;
    this.#trailer = new TrailerScanner(limits);
  }

  reset(): void {
    this.done = false;
    this.octets = 0;
    this.#state = SIZE_FIRST;
    this.#left = 0;
    this.#digits = 0;
    this.#extensions = 0;
    this.#trailer.reset();
  }

  /** Walks [start, end).  Returns `end` while the body goes on, the offset after the body when `done`, or a refusal. */
  scan(memory: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && !this.done) {
      at = this.next(memory, at, end);
      if (at < 0) return at;
    }
    return at;
  }

  /** As `scan`, but returns after each run of content, which [dataStart, dataEnd) then tells: to take the chunks off. */
  next(memory: Uint8Array, start: number, end: number): number {
    this.dataStart = start;
    this.dataEnd = start;
    let at = start;
    while (at < end && !this.done) {
      if (this.#state === DATA) {
        const take = Math.min(this.#left, end - at);
        this.dataStart = at;
        this.dataEnd = at + take;
        this.octets += take;
        this.#left -= take;
        if (this.#left === 0) this.#state = DATA_CR;
        return at + take;
      }
      if (this.#state === TRAILER) {
        at = this.#trailer.scan(memory, at, end);
        if (at < 0) return at;
        this.done = this.#trailer.done;
      } else {
        const refused = this.#step(memory[at] as number);
        if (refused < 0) return refused;
        at++;
      }
    }
    this.dataStart = at;
    this.dataEnd = at;
    return at;
  }

  /** One octet of framing; 0 or a refusal. */
  #step(octet: number): number {
    switch (this.#state) {
      case SIZE_FIRST:
      case SIZE: {
        const digit = HEX[octet] as number;
        if (digit !== 255) {
          this.#left = this.#left * 16 + digit;
          this.#digits++;
          this.#state = SIZE;
          return this.#digits > MOST_DIGITS || this.#left > MOST - this.octets ? OVERFLOW : 0;
        }
        if (this.#state === SIZE_FIRST) return SIZE_INVALID;
        if (octet === CR) this.#state = SIZE_LF;
        else if (octet === SEMICOLON) return this.#extend(EXTENSION);
        else return octet === LF ? BARE_LF : SIZE_INVALID;
        return 0;
      }
      case SIZE_LF:
        if (octet !== LF) return BARE_CR;
        this.#state = this.#left === 0 ? TRAILER : DATA;
        this.#digits = 0;
        return 0;
      case DATA_CR:
        if (octet !== CR) return LINE_END;
        this.#state = DATA_LF;
        return 0;
      case DATA_LF:
        if (octet !== LF) return LINE_END;
        this.#state = SIZE_FIRST;
        return 0;
      default:
        return this.#extension(octet);
    }
  }

  /** chunk-ext = *( ";" token [ "=" ( token / quoted-string ) ] ) */
  #extension(octet: number): number {
    switch (this.#state) {
      case EXTENSION:
        return TOKEN[octet] === 1 ? this.#extend(EXTENSION_NAME) : EXTENSION_INVALID;
      case EXTENSION_NAME:
        if (TOKEN[octet] === 1) return this.#extend(EXTENSION_NAME);
        return octet === EQUALS ? this.#extend(VALUE) : this.#afterExtension(octet);
      case VALUE:
        if (octet === QUOTE) return this.#extend(QUOTED);
        return TOKEN[octet] === 1 ? this.#extend(VALUE_TOKEN) : EXTENSION_INVALID;
      case VALUE_TOKEN:
        return TOKEN[octet] === 1 ? this.#extend(VALUE_TOKEN) : this.#afterExtension(octet);
      case QUOTED:
        if (octet === QUOTE) return this.#extend(QUOTED_END);
        if (octet === BACKSLASH) return this.#extend(QUOTED_PAIR);
        return isText(octet) ? this.#extend(QUOTED) : EXTENSION_INVALID;
      case QUOTED_PAIR:
        return isText(octet) ? this.#extend(QUOTED) : EXTENSION_INVALID;
      default:
        return this.#afterExtension(octet);
    }
  }

  #afterExtension(octet: number): number {
    if (octet === SEMICOLON) return this.#extend(EXTENSION);
    if (octet !== CR) return octet === LF ? BARE_LF : EXTENSION_INVALID;
    this.#state = SIZE_LF;
    return 0;
  }

  #extend(state: number): number {
    this.#state = state;
    return ++this.#extensions > this.#limits.chunkExtensions ? EXTENSION_TOO_LONG : 0;
  }
}

function isText(octet: number): boolean {
  return octet === HTAB || (octet >= SP && octet !== 127);
}

const SIZE_FIRST = 0;
const SIZE = 1;
const SIZE_LF = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILER = 6;
const EXTENSION = 7;
const EXTENSION_NAME = 8;
const VALUE = 9;
const VALUE_TOKEN = 10;
const QUOTED = 11;
const QUOTED_PAIR = 12;
const QUOTED_END = 13;

/** Leading zeros are allowed (§7.1), but not for ever. */
const MOST_DIGITS = 16;
const MOST = Number.MAX_SAFE_INTEGER;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SIZE_INVALID = refusal("chunk-size-invalid");
const OVERFLOW = refusal("chunk-size-overflow");
const LINE_END = refusal("chunk-line-end");
const BARE_CR = refusal("bare-cr");
const BARE_LF = refusal("bare-lf");
const EXTENSION_INVALID = refusal("chunk-extension-invalid");
const EXTENSION_TOO_LONG = refusal("chunk-extension-too-long");
