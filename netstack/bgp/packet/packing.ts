/**
 * UPDATE messages, written: as many prefixes with the same attributes as fit one.  Standards: RFC 4271 §4.3, §9.2,
 * RFC 4760, RFC 8950, RFC 7606 §5.1, RFC 8654 §4, RFC 4724 §2.  Prefixes are written where they will stand.
 */
import { isIpv4 } from "../../../base/address.ts";
import { unreachable } from "../../../base/result.ts";
import { ATTRIBUTE_TYPES, EXTENDED_LENGTH, OPTIONAL, type PathAttributes } from "./attribute.ts";
import { encodeAttributes, nextHopOctets } from "./attributes.ts";
import { type AnyFamily, afiOf, type Family, safiOf } from "./family.ts";
import { HEADER, MOST_EXTENDED, writeHeader } from "./framing.ts";
import type { Agreed, Update } from "./message.ts";
import { eachPrefix, type Nlri } from "./nlri.ts";

/**
 * One message at a time: `announce` or `withdraw`, then for each prefix, while it `fits`, write it to `bytes` at `at`
 * and move `at` behind it (`writer.at = table.write(id, writer.bytes, writer.at)`), then `finish`.
 */
export class UpdateWriter {
  readonly bytes = new Uint8Array(MOST_EXTENDED);
  at = 0;
  #kind: "announce" | "mp-announce" | "withdraw" | "mp-withdraw" = "withdraw";
  /** Of the first prefix. */
  #from = 0;
  /** Where prefixes must end. */
  #limit = 0;
  /** Of MP_REACH_NLRI or MP_UNREACH_NLRI. */
  #mp = 0;
  #attributes: Uint8Array = new Uint8Array(0);
  #encoded: { readonly attributes: PathAttributes; readonly agreed: Agreed; readonly octets: Uint8Array } | undefined;

  /** False: these attributes leave no room for a prefix, and cannot be told to this peer (RFC 8654 §4). */
  announce(attributes: PathAttributes, family: Family, agreed: Agreed): boolean {
    const { global } = attributes.nextHop;
    const classic = family === "ipv4" && global !== undefined && isIpv4(global);
    this.#attributes = this.#encode(attributes, agreed, classic);
    this.#kind = classic ? "announce" : "mp-announce";
    this.at = HEADER;
    this.#u16(0);
    if (classic) {
      this.#limit = agreed.mostOut;
      this.at += 2;
      if (this.at + this.#attributes.length + LONGEST > this.#limit) return false;
      this.bytes.set(this.#attributes, this.at);
      this.at += this.#attributes.length;
    } else {
      const nextHop = nextHopOctets(attributes.nextHop);
      this.#limit = agreed.mostOut - this.#attributes.length;
      if (this.at + 2 + 4 + 5 + nextHop.length + LONGEST > this.#limit) return false;
      this.at += 2;
      this.#startMp(ATTRIBUTE_TYPES.MP_REACH_NLRI, family);
      this.bytes[this.at++] = nextHop.length;
      this.bytes.set(nextHop, this.at);
      this.at += nextHop.length;
      this.bytes[this.at++] = 0;
    }
    this.#from = this.at;
    return true;
  }

  withdraw(family: AnyFamily, agreed: Agreed): void {
    this.#kind = family === "ipv4" ? "withdraw" : "mp-withdraw";
    this.at = HEADER + 2;
    // What follows the withdrawn routes: Total Path Attribute Length.
    this.#limit = agreed.mostOut - (family === "ipv4" ? 2 : 0);
    if (family !== "ipv4") {
      this.at += 2;
      this.#startMp(ATTRIBUTE_TYPES.MP_UNREACH_NLRI, family);
    }
    this.#from = this.at;
  }

  /** So many octets more. */
  fits(octets: number): boolean {
    return this.at + octets <= this.#limit;
  }
  get empty(): boolean {
    return this.at === this.#from;
  }

  /** The message: octets of its own.  Without prefixes: End-of-RIB, if it is a withdrawal. */
  finish(): Uint8Array {
    const { bytes } = this;
    const end = this.at;
    switch (this.#kind) {
      case "announce":
        this.#put16(HEADER + 2, this.#attributes.length);
        break;
      case "mp-announce":
        bytes.set(this.#attributes, end);
        this.at += this.#attributes.length;
        this.#put16(this.#mp + 2, end - this.#mp - 4);
        this.#put16(HEADER + 2, this.at - HEADER - 4);
        break;
      case "withdraw":
        this.#put16(HEADER, end - HEADER - 2);
        this.#u16(0);
        break;
      case "mp-withdraw":
        this.#put16(HEADER, 0);
        this.#put16(this.#mp + 2, end - this.#mp - 4);
        this.#put16(HEADER + 2, end - HEADER - 4);
        break;
      default:
        return unreachable(this.#kind);
    }
    writeHeader(bytes, 0, "update", this.at);
    return bytes.slice(0, this.at);
  }

  #encode(attributes: PathAttributes, agreed: Agreed, classic: boolean): Uint8Array {
    const known = this.#encoded;
    if (known !== undefined && known.attributes === attributes && known.agreed === agreed) return known.octets;
    const octets = encodeAttributes(attributes, agreed, classic);
    this.#encoded = { attributes, agreed, octets };
    return octets;
  }
  #startMp(type: number, family: AnyFamily): void {
    this.#mp = this.at;
    this.bytes[this.at++] = OPTIONAL | EXTENDED_LENGTH;
    this.bytes[this.at++] = type;
    this.at += 2;
    this.#u16(afiOf(family));
    this.bytes[this.at++] = safiOf(family);
  }
  #u16(value: number): void {
    this.#put16(this.at, value);
    this.at += 2;
  }
  #put16(at: number, value: number): void {
    this.bytes[at] = value >>> 8;
    this.bytes[at + 1] = value;
  }
}

/** RFC 4724 §2. */
export function endOfRib(family: AnyFamily, agreed: Agreed): Uint8Array {
  const writer = new UpdateWriter();
  writer.withdraw(family, agreed);
  return writer.finish();
}

/** All that an UPDATE says, in as many messages as it takes: for tools and tests; a RIB packs its own. */
export function encodeUpdate(
  update: Pick<Update, "unreach" | "reach" | "endOfRib">,
  agreed: Agreed,
): readonly Uint8Array[] {
  const writer = new UpdateWriter();
  const messages: Uint8Array[] = [];
  const write = (nlri: Nlri, begin: () => boolean | void): void => {
    if (begin() === false) throw new TypeError("attributes that leave no room for a prefix");
    eachPrefix(nlri, (octets, at, bits) => {
      const from = at - 1 - (nlri.paths ? 4 : 0);
      const to = at + ((bits + 7) >>> 3);
      if (!writer.fits(to - from)) {
        messages.push(writer.finish());
        begin();
      }
      writer.bytes.set(octets.subarray(from, to), writer.at);
      writer.at += to - from;
    });
    if (!writer.empty) messages.push(writer.finish());
  };
  for (const nlri of update.unreach) write(nlri, () => writer.withdraw(nlri.family, agreed));
  for (const { nlri, attributes } of update.reach) write(nlri, () => writer.announce(attributes, nlri.family, agreed));
  if (update.endOfRib !== undefined) messages.push(endOfRib(update.endOfRib, agreed));
  return messages;
}

/** Octets of an IPv6 prefix with a path identifier. */
const LONGEST = 21;
