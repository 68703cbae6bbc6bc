/**
 * Prefixes of one family as small integers, so that a RIB is arrays and not objects.  An id stays the prefix's until a
 * sweep finds nobody who uses it: 9 (IPv4) or 25 (IPv6) octets a prefix, and the hash table.
 */
import { type Ipv4, ipOfOctets, isIpv4, octetsOfIp, type Prefix } from "../../base/address.ts";
import type { Family } from "./packet/family.ts";

/** 0 is no prefix. */
export type PrefixId = number;

export class PrefixTable {
  readonly family: Family;
  /** 32-bit words an address. */
  readonly #words: number;
  #address: Uint32Array;
  #length: Uint8Array;
  /** Open addressing, linear probing; 0 is free.  Deletion is by rebuilding, in `sweep`. */
  #slots: Uint32Array;
  #free: number[] = [];
  #next = 1;
  #live = 0;
  readonly #probe = new Uint32Array(4);
  readonly #seed: number;

  /** `seed`: 32 bits that peers do not know, so that none can send prefixes which all fall on one slot. */
  constructor(family: Family, seed = 0) {
    this.family = family;
    this.#seed = seed;
    this.#words = family === "ipv4" ? 1 : 4;
    this.#address = new Uint32Array(FIRST * this.#words);
    this.#length = new Uint8Array(FIRST);
    this.#slots = new Uint32Array(FIRST * 2);
  }

  /** Ids are below this. */
  get bound(): number {
    return this.#next;
  }
  get live(): number {
    return this.#live;
  }

  /** Of a prefix on the wire (RFC 4271 §4.3): as many octets as its bits need; what follows the bits is ignored. */
  idOfWire(bytes: Uint8Array, at: number, bits: number): PrefixId {
    this.#load(bytes, at, bits);
    return this.#intern(bits);
  }
  /** 0 if nobody asked for an id of it. */
  findWire(bytes: Uint8Array, at: number, bits: number): PrefixId {
    this.#load(bytes, at, bits);
    return this.#slots[this.#slotOf(bits)] ?? 0;
  }
  id(prefix: Prefix): PrefixId {
    this.#loadPrefix(prefix);
    return this.#intern(prefix.length);
  }
  /** 0 if nobody asked for an id of it. */
  find(prefix: Prefix): PrefixId {
    this.#loadPrefix(prefix);
    return this.#slots[this.#slotOf(prefix.length)] ?? 0;
  }

  bits(id: PrefixId): number {
    return this.#length[id] ?? 0;
  }
  /** Word `index` of the address, from the most significant. */
  word(id: PrefixId, index: number): number {
    return this.#address[id * this.#words + index] ?? 0;
  }
  prefix(id: PrefixId): Prefix {
    if (this.#words === 1) return { ip: this.word(id, 0) as Ipv4, length: this.bits(id) };
    const octets = new Uint8Array(this.#words * 4);
    for (let at = 0; at < octets.length; at++) octets[at] = this.word(id, at >>> 2) >>> (24 - (at & 3) * 8);
    return { ip: ipOfOctets(octets), length: this.bits(id) };
  }
  /** Octets that `write` takes. */
  wireLength(id: PrefixId): number {
    return 1 + ((this.bits(id) + 7) >>> 3);
  }
  /** The wire form; returns where it ends. */
  write(id: PrefixId, into: Uint8Array, at: number): number {
    const bits = this.bits(id);
    into[at] = bits;
    const octets = (bits + 7) >>> 3;
    for (let index = 0; index < octets; index++)
      into[at + 1 + index] = this.word(id, index >>> 2) >>> (24 - (index & 3) * 8);
    return at + 1 + octets;
  }
  /** IPv4 before nothing, by address, then by length: an order for people. */
  compare(a: PrefixId, b: PrefixId): number {
    for (let index = 0; index < this.#words; index++) {
      const difference = this.word(a, index) - this.word(b, index);
      if (difference !== 0) return difference;
    }
    return this.bits(a) - this.bits(b);
  }
  /** Whether `id` lies within `wide` and has between `ge` and `le` bits. */
  within(id: PrefixId, wide: WidePrefix): boolean {
    const bits = this.bits(id);
    if (bits < wide.ge || bits > wide.le || bits < wide.bits) return false;
    for (let index = 0; index * 32 < wide.bits; index++)
      if ((this.word(id, index) & maskOf(wide.bits - index * 32)) >>> 0 !== wide.words[index]) return false;
    return true;
  }

  /** Frees the ids of which `used` says no.  Whoever holds such an id must not any more. */
  sweep(used: (id: PrefixId) => boolean): readonly PrefixId[] {
    const freed: PrefixId[] = [];
    const idle = new Set(this.#free);
    this.#slots.fill(0);
    this.#live = 0;
    for (let id = 1; id < this.#next; id++) {
      if (idle.has(id)) continue;
      if (!used(id)) {
        freed.push(id);
        this.#free.push(id);
        continue;
      }
      for (let index = 0; index < this.#words; index++) this.#probe[index] = this.word(id, index);
      this.#slots[this.#slotOf(this.bits(id))] = id;
      this.#live++;
    }
    return freed;
  }

  #loadPrefix({ ip, length }: Prefix): void {
    if (isIpv4(ip)) this.#probe[0] = (ip & maskOf(length)) >>> 0;
    else this.#load(octetsOfIp(ip), 0, length);
  }
  #load(bytes: Uint8Array, at: number, bits: number): void {
    if (this.#words === 1 && bits === 24) {
      // What most routes are.
      this.#probe[0] =
        ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8);
      return;
    }
    for (let index = 0; index < this.#words; index++) {
      const left = bits - index * 32;
      let word = 0;
      for (let octet = 0; octet < 4; octet++)
        word = (word << 8) | (octet * 8 < left ? (bytes[at + index * 4 + octet] ?? 0) : 0);
      this.#probe[index] = (word & maskOf(left)) >>> 0;
    }
  }
  #intern(bits: number): PrefixId {
    let slot = this.#slotOf(bits);
    const known = this.#slots[slot] ?? 0;
    if (known !== 0) return known;
    if ((this.#live + 1) * 2 > this.#slots.length) {
      this.#rehash();
      slot = this.#slotOf(bits);
    }
    const id = this.#free.pop() ?? this.#next++;
    if (id >= this.#length.length) this.#grow();
    for (let index = 0; index < this.#words; index++) this.#address[id * this.#words + index] = this.#probe[index] ?? 0;
    this.#length[id] = bits;
    this.#slots[slot] = id;
    this.#live++;
    return id;
  }
  /** Where the prefix in `#probe` is, or would be. */
  #slotOf(bits: number): number {
    const mask = this.#slots.length - 1;
    if (this.#words === 1) return this.#slotOf4(bits, mask);
    let hash = mixed(bits, this.#seed);
    for (let index = 0; index < this.#words; index++) hash = mixed(this.#probe[index] as number, hash);
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const id = this.#slots[slot] ?? 0;
      if (id === 0 || (this.bits(id) === bits && this.#probed(id))) return slot;
    }
  }
  /** The same for one word, which most prefixes are. */
  #slotOf4(bits: number, mask: number): number {
    const [slots, addresses, lengths] = [this.#slots, this.#address, this.#length];
    const address = this.#probe[0] as number;
    const hash = mixed(address, mixed(bits, this.#seed));
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const id = slots[slot] as number;
      if (id === 0 || (addresses[id] === address && lengths[id] === bits)) return slot;
    }
  }
  #probed(id: PrefixId): boolean {
    for (let index = 0; index < this.#words; index++) if (this.word(id, index) !== this.#probe[index]) return false;
    return true;
  }
  #rehash(): void {
    const ids = this.#slots;
    const slots = new Uint32Array(ids.length * 4);
    const mask = slots.length - 1;
    this.#slots = slots;
    const words = this.#words;
    for (const id of ids) {
      if (id === 0) continue;
      let hash = mixed(this.#length[id] as number, this.#seed);
      for (let at = id * words; at < (id + 1) * words; at++) hash = mixed(this.#address[at] as number, hash);
      // They differ from each other: the first free one is right.
      let slot = hash & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = id;
    }
  }
  #grow(): void {
    const address = new Uint32Array(this.#address.length * 2);
    address.set(this.#address);
    this.#address = address;
    const length = new Uint8Array(this.#length.length * 2);
    length.set(this.#length);
    this.#length = length;
  }
}

/** A prefix to match against, made once. */
export interface WidePrefix {
  readonly family: Family;
  readonly words: readonly number[];
  readonly bits: number;
  readonly ge: number;
  readonly le: number;
}

export function widePrefix(prefix: Prefix, ge?: number, le?: number): WidePrefix {
  const octets = octetsOfIp(prefix.ip);
  const most = octets.length * 8;
  const at = (index: number): number => octets[index] ?? 0;
  const words = Array.from(
    { length: octets.length / 4 },
    (_, index) =>
      ((at(index * 4) << 24) | (at(index * 4 + 1) << 16) | (at(index * 4 + 2) << 8) | at(index * 4 + 3)) >>> 0,
  );
  return {
    family: most === 32 ? "ipv4" : "ipv6",
    words: words.map((word, index) => (word & maskOf(prefix.length - index * 32)) >>> 0),
    bits: prefix.length,
    ge: ge ?? prefix.length,
    le: le ?? (ge === undefined ? prefix.length : most),
  };
}

/** MurmurHash3's finalizer: every bit of both changes half of the result. */
function mixed(word: number, seed: number): number {
  let hash = word ^ seed;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) + seed) | 0;
}

function maskOf(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? 0xffffffff : ~(0xffffffff >>> bits);
}

/** A power of two. */
const FIRST = 64;
