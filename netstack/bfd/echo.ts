/**
 * The Echo function of one session: packets that the peer's forwarding plane returns.  Standards: RFC 5880 §6.4, §6.8.5,
 * §6.8.8, §6.8.9.  What they contain is nobody's business but ours: magic, discriminator, sequence, proof of origin.
 *
 * A deviation: while no echo has ever come back, silence proves that the peer does not return echoes (a host that does
 * not forward), not that its forwarding failed; the session stays up, and `working` says that echo does not.
 */
import { sameSecret } from "../../base/octets.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { after, type Instant, type Ms, ms } from "../../base/unit.ts";
import { Reader, Writer } from "../wire/cursor.ts";
import { jitter } from "./timing.ts";

export interface EchoParts {
  readonly random: () => number;
  readonly proof: (bytes: Uint8Array) => Uint8Array;
}

export interface EchoPacket {
  readonly discriminator: number;
  readonly sequence: number;
}
export type NotOurs = { readonly kind: "echo-foreign" } | { readonly kind: "echo-proof" };

export class Echo {
  readonly #discriminator: number;
  readonly #parts: EchoParts;
  #interval: Ms | undefined;
  #multiplier = 1;
  #sequence = 0;
  #returned = 0;
  #startedAt: Instant | undefined;
  #returnedAt: Instant | undefined;
  #nextAt: Instant | undefined;
  /** The peer does return echoes. */
  #proven = false;

  constructor(discriminator: number, parts: EchoParts) {
    this.#discriminator = discriminator;
    this.#parts = parts;
  }

  /** How often echoes leave; undefined while none do. */
  get interval(): Ms | undefined {
    return this.#interval;
  }
  /** Echoes leave and return. */
  get working(): boolean {
    return this.#interval !== undefined && this.#returnedAt !== undefined;
  }
  get dueAt(): Instant | undefined {
    const fail = this.#failAt();
    const next = this.#nextAt;
    return fail !== undefined && next !== undefined && fail < next ? fail : next;
  }

  run(interval: Ms | undefined, multiplier: number, now: Instant): void {
    this.#multiplier = multiplier;
    if (interval === this.#interval) return;
    const was = this.#interval;
    this.#interval = interval;
    if (interval === undefined) {
      this.#nextAt = undefined;
      this.#returnedAt = undefined;
    } else if (was === undefined) {
      this.#startedAt = now;
      this.#nextAt = now;
      this.#returned = this.#sequence;
    } else if (this.#returnedAt !== undefined) this.#returnedAt = now; // judged by the new interval from now on
  }

  transmit(now: Instant): Uint8Array | undefined {
    if (this.#interval === undefined || this.#nextAt === undefined || now < this.#nextAt) return undefined;
    this.#nextAt = after(now, ms(this.#interval * jitter(this.#multiplier, this.#parts.random())));
    this.#sequence = (this.#sequence + 1) >>> 0;
    return encodeEcho({ discriminator: this.#discriminator, sequence: this.#sequence }, this.#parts.proof);
  }

  /** False: sent before it was last heard of, or never. */
  returned(sequence: number, now: Instant): boolean {
    const ahead = (sequence - this.#returned) >>> 0;
    if (this.#interval === undefined || ahead === 0 || ahead > (this.#sequence - this.#returned) >>> 0) return false;
    this.#returned = sequence;
    this.#returnedAt = now;
    this.#proven = true;
    return true;
  }

  failed(now: Instant): boolean {
    const at = this.#failAt();
    return at !== undefined && now >= at;
  }

  #failAt(): Instant | undefined {
    if (this.#interval === undefined) return undefined;
    const from = this.#returnedAt ?? (this.#proven ? this.#startedAt : undefined);
    return from === undefined ? undefined : after(from, ms(this.#multiplier * this.#interval));
  }
}

export function encodeEcho(packet: EchoPacket, proof: EchoParts["proof"]): Uint8Array {
  const writer = new Writer(new Uint8Array(CONTENT + PROOF));
  writer.u32(MAGIC).u32(packet.discriminator).u32(packet.sequence);
  return writer.put(proof(writer.written()).subarray(0, PROOF)).written();
}

/** Octets after the proof are padding of some link. */
export function decodeEcho(bytes: Uint8Array, proof: EchoParts["proof"]): Result<EchoPacket, NotOurs> {
  const reader = new Reader(bytes);
  const [magic, discriminator, sequence] = [reader.u32(), reader.u32(), reader.u32()];
  const shown = reader.bytes(PROOF);
  if (reader.short || magic !== MAGIC) return err({ kind: "echo-foreign" });
  const right = proof(bytes.subarray(0, CONTENT)).subarray(0, PROOF);
  return sameSecret(shown, right) ? ok({ discriminator, sequence }) : err({ kind: "echo-proof" });
}

const MAGIC = 0x4e_76_45_63; // "NvEc"
const CONTENT = 12;
const PROOF = 16;
