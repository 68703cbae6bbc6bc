/**
 * The trailer section of a chunked body, octet by octet in any pieces: trailers are rare and short.
 * Standards: RFC 9112 §7.1.2, RFC 9110 §6.5.1.  Fields that frame, route or belong to one connection are refused there:
 * we forward trailers as they come, and no recipient may take such a field from them.
 */
import type { Limits } from "./limits.ts";
import { identify, KNOWN, LOOKALIKE } from "./names.ts";
import { CR, HTAB, LF, SP, TOKEN } from "./octets.ts";
import { refusal } from "./refusal.ts";

export class TrailerScanner {
  done = false;
  readonly #limits: Limits;
  #state = LINE;
  #octets = 0;
  #lines = 0;
  #length = 0;
  /** As much of the name as is needed to know it. */
  #name: Uint8Array | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  reset(): void {
    this.done = false;
    this.#state = LINE;
    this.#octets = 0;
    this.#lines = 0;
  }

  /** `end`, or the offset after the section's empty line when `done`, or a refusal. */
  scan(memory: Uint8Array, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      if (++this.#octets > this.#limits.head) return TOO_LARGE;
      const refused = this.#step(memory[at] as number);
      if (refused < 0) return refused;
      if (this.done) return at + 1;
    }
    return end;
  }

  #step(octet: number): number {
    switch (this.#state) {
      case LINE:
        if (octet === CR) {
          this.#state = LAST_LF;
          return 0;
        }
        if (octet === SP || octet === HTAB) return this.#lines === 0 ? NAME_INVALID : FOLDED;
        if (octet === LF) return BARE_LF;
        if (octet === COLON) return NAME_MISSING;
        if (++this.#lines > this.#limits.fields) return TOO_MANY;
        this.#length = 0;
        this.#state = NAME;
        return this.#named(octet);
      case NAME:
        if (octet !== COLON) return this.#named(octet);
        this.#state = VALUE;
        return this.#forbidden() ? FORBIDDEN : 0;
      case VALUE:
        if (octet === CR) this.#state = VALUE_LF;
        else if (octet === LF) return BARE_LF;
        else if ((octet < SP && octet !== HTAB) || octet === 127) return VALUE_INVALID;
        return 0;
      case VALUE_LF:
        this.#state = LINE;
        return octet === LF ? 0 : BARE_CR;
      default:
        this.done = true;
        return octet === LF ? 0 : BARE_CR;
    }
  }

  #named(octet: number): number {
    if (TOKEN[octet] !== 1) return NAME_INVALID;
    this.#name ??= new Uint8Array(LONGEST);
    if (this.#length < LONGEST) this.#name[this.#length] = octet;
    this.#length++;
    return 0;
  }

  #forbidden(): boolean {
    if (this.#length > LONGEST) return false;
    return FORBIDDEN_NAMES.has(identify(this.#name as Uint8Array, 0, this.#length));
  }
}

const FORBIDDEN_NAMES: ReadonlySet<number> = new Set([
  LOOKALIKE,
  KNOWN.host,
  KNOWN.connection,
  KNOWN["content-length"],
  KNOWN["transfer-encoding"],
  KNOWN.te,
  KNOWN.trailer,
  KNOWN.upgrade,
  KNOWN["keep-alive"],
  KNOWN["proxy-connection"],
  KNOWN["http2-settings"],
  KNOWN.expect,
]);

const LINE = 0;
const NAME = 1;
const VALUE = 2;
const VALUE_LF = 3;
const LAST_LF = 4;
const LONGEST = 24;
const COLON = 0x3a;
const TOO_LARGE = refusal("trailer-too-large");
const TOO_MANY = refusal("too-many-fields");
const FORBIDDEN = refusal("trailer-forbidden");
const NAME_MISSING = refusal("field-name-missing");
const NAME_INVALID = refusal("field-name-invalid");
const VALUE_INVALID = refusal("field-value-invalid");
const FOLDED = refusal("line-fold");
const BARE_CR = refusal("bare-cr");
const BARE_LF = refusal("bare-lf");
