/** BGP's decoders: messages under everything that can have been agreed on, and the framing of streams. */
import { BEFORE_OPEN, decode, encode } from "../../netstack/bgp/packet/codec.ts";
import { Framer } from "../../netstack/bgp/packet/framing.ts";
import { Interner } from "../../netstack/bgp/packet/interner.ts";
import type { Agreed, Update } from "../../netstack/bgp/packet/message.ts";
import { encodeUpdate } from "../../netstack/bgp/packet/packing.ts";
import { describe, refusedText } from "../../netstack/bgp/packet/text.ts";
import { decodeUpdates, meaning } from "../netstack/bgp/packet/meaning.ts";
import { RECORDED } from "../netstack/bgp/packet/recorded.ts";
import type { Random } from "./random.ts";
import { must, type Target } from "./target.ts";

const recorded = RECORDED.map(({ hex }) => Uint8Array.from(Buffer.from(hex, "hex")));
const HEADER = 19;

/** Each as different from the others as can be. */
const AGREED: readonly Agreed[] = [
  BEFORE_OPEN,
  { ...BEFORE_OPEN, fourOctetAsn: true, peer: "internal", families: ["ipv4", "ipv6"], extendedNextHop: true },
  {
    ...BEFORE_OPEN,
    fourOctetAsn: true,
    families: ["ipv4", "ipv6"],
    mostIn: 65535,
    mostOut: 65535,
    addPathReceive: ["ipv4"],
    addPathSend: ["ipv4"],
    unreadable: "afi-safi-disable",
    enhancedRouteRefresh: true,
  },
  { ...BEFORE_OPEN, families: ["ipv6"], firstAsn: 65001 },
  { ...BEFORE_OPEN, peer: "internal", families: ["ipv4", "ipv6"], unreadable: "afi-safi-disable" },
];

const messages: Target = {
  name: "bgp-message",
  corpus: recorded,
  tokens: [
    ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 32, 99].flatMap((type) => [
      Uint8Array.of(0x40, type),
      Uint8Array.of(0x80, type),
      Uint8Array.of(0xc0, type),
      Uint8Array.of(0xd0, type, 0),
    ]),
    Uint8Array.of(0, 1, 1),
    Uint8Array.of(0, 2, 1),
    Uint8Array.of(2, 6, 1, 4),
    Uint8Array.of(0xff, 0xff),
    Uint8Array.of(0x5b, 0xa0),
  ],
  generate: (random) => (random.oneIn(3) ? random.pick(recorded) : generateUpdate(random)),
  run(memory, start, end, random) {
    const bytes = Uint8Array.from(memory.subarray(start, end));
    // Most changes break the header, and nothing behind it would ever be reached.
    if (bytes.length >= HEADER && random.below(8) > 0) {
      bytes.fill(0xff, 0, 16);
      bytes[16] = bytes.length >>> 8;
      bytes[17] = bytes.length;
      if ((bytes[18] ?? 0) > 5) bytes[18] = 2;
      // no routes withdrawn, one announced, and all between them is attributes
      if (bytes[18] === 2 && bytes.length >= HEADER + 9 && random.oneIn(2)) {
        const list = bytes.length - HEADER - 9;
        bytes.set([0, 0, list >>> 8, list & 255], HEADER);
        bytes[bytes.length - 5] = 32;
      }
    }
    const agreed = random.pick(AGREED);
    const read = decode(bytes, 0, bytes.length, agreed, new Interner());
    if (!read.ok) {
      must(read.error.kind.length > 0 && refusedText(read.error).length > 0, "a refusal without a name");
      return;
    }
    const message = read.value;
    must(describe(message).length > 0, "a message that cannot be told");
    if (message.kind === "update") {
      checkUpdate(message, agreed);
      return;
    }
    const written = encode(message, agreed);
    const again = decode(written, 0, written.length, agreed, new Interner());
    must(again.ok && same(again.value, message), "a message that is not read as it is written");
  },
};

function checkUpdate(update: Update, agreed: Agreed): void {
  const strongest = update.faults.some(({ treatment }) => treatment === "treat-as-withdraw");
  must(!strongest || update.reach.length === 0, "announced although it is to be treated as withdrawn");
  must((update.treatment === undefined) === (update.faults.length === 0), "a treatment without a fault");
  const written = encodeUpdate(update, agreed);
  for (const each of written) must(each.length <= agreed.mostOut, "a message longer than was agreed");
  // Whoever reads it must not find AS numbers missing that were missed before.
  const again = decodeUpdates(written, { ...agreed, firstAsn: undefined });
  must(again !== undefined && meaning(again) === meaning([update]), "an update that is not read as it is written");
}
function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Structured: attributes that are nearly right, in any order, with the list's length as it should be, mostly. */
function generateUpdate(random: Random): Uint8Array {
  const prefixes = (most: number): number[] =>
    Array.from({ length: random.below(most) }, () => {
      const bits = random.oneIn(30) ? random.below(256) : random.below(33);
      return [bits, ...octets(random, (bits + 7) >>> 3)];
    }).flat();
  const withdrawn = random.oneIn(3) ? prefixes(4) : [];
  const mandatory = random.oneIn(6) ? [] : MANDATORY.map((shape) => generateAttribute(random, shape));
  const more = Array.from({ length: random.below(6) }, () => generateAttribute(random, random.pick(SHAPES)));
  const list = [...mandatory, ...more].flat();
  const announced = random.oneIn(4) ? [] : prefixes(5);
  const length = random.oneIn(20) ? random.below(300) : list.length;
  const body = [0, withdrawn.length, ...withdrawn, length >>> 8, length & 255, ...list, ...announced];
  const whole = HEADER + body.length;
  return Uint8Array.of(...Array.from({ length: 16 }, () => 0xff), whole >>> 8, whole & 255, 2, ...body);
}
function generateAttribute(random: Random, [type, flags, length]: Shape): number[] {
  const value = random.oneIn(20) ? octets(random, random.below(40)) : valueFor(random, type, length);
  const wrong = random.oneIn(30) ? random.below(256) & ~0x10 : flags | (random.oneIn(6) ? 0x20 : 0);
  return random.oneIn(4)
    ? [wrong | 0x10, type, value.length >>> 8, value.length & 255, ...value]
    : [wrong, type, value.length & 255, ...value];
}
function valueFor(random: Random, type: number, length: number): number[] {
  if (type === 1) return [random.below(random.oneIn(9) ? 4 : 3)];
  if (type === 2 || type === 17) {
    const width = type === 17 || random.below(3) > 0 ? 4 : 2;
    return Array.from({ length: random.below(3) }, () => {
      const count = 1 + random.below(3);
      const kind = 1 + random.below(random.oneIn(20) ? 5 : 2);
      // 0 is no AS number
      return [kind, count, ...octets(random, count * width).map((octet) => (random.oneIn(40) ? octet : octet | 1))];
    }).flat();
  }
  if (type === 14) {
    const hop = random.pick([4, 16, 32, 32, 16]);
    return [0, hop === 4 ? 1 : 2, 1, hop, ...(random.oneIn(3) ? LINK_LOCAL : [0x20]), ...octets(random, hop)]
      .slice(0, 4 + hop)
      .concat([0, ...(random.oneIn(4) ? [] : [64, ...octets(random, 8)])]);
  }
  if (type === 15) return [0, 1 + random.below(2), 1, ...(random.oneIn(3) ? [] : [32, ...octets(random, 4)])];
  return octets(random, length * (length > 1 && random.oneIn(3) ? 2 : 1));
}
function octets(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => (random.oneIn(5) ? 0 : random.below(256)));
}
const LINK_LOCAL = [0xfe, 0x80];
/** Type, flags, length. */
type Shape = readonly [type: number, flags: number, length: number];
const MANDATORY: readonly Shape[] = [
  [1, 0x40, 1],
  [2, 0x40, 0],
  [3, 0x40, 4],
];
const SHAPES: readonly Shape[] = [
  ...MANDATORY,
  [4, 0x80, 4],
  [5, 0x40, 4],
  [6, 0x40, 0],
  [7, 0xc0, 8],
  [7, 0xc0, 6],
  [8, 0xc0, 4],
  [9, 0x80, 4],
  [10, 0x80, 4],
  [14, 0x80, 0],
  [15, 0x80, 0],
  [16, 0xc0, 8],
  [17, 0xc0, 0],
  [18, 0xc0, 8],
  [32, 0xc0, 12],
  [99, 0xc0, 3],
  [98, 0x80, 3],
];

/** A stream says the same whole and in pieces. */
const streams: Target = {
  name: "bgp-stream",
  corpus: [Buffer.concat(recorded), Buffer.concat(recorded.slice(0, 6)), ...recorded],
  tokens: messages.tokens,
  slow: 4,
  run(memory, start, end, random) {
    const bytes = Uint8Array.from(memory.subarray(start, end));
    const whole = frames(bytes, () => bytes.length);
    const cut = frames(bytes, () => 1 + random.below(random.oneIn(3) ? 4 : 100));
    must(same(whole, cut), "a stream that says something else when it comes in pieces");
  },
};
function frames(bytes: Uint8Array, piece: () => number): readonly unknown[] {
  const framer = new Framer();
  const seen: unknown[] = [];
  for (let at = 0; at < bytes.length; ) {
    const to = Math.min(bytes.length, at + piece());
    // where the receive buffer is used again, what lay in it is gone
    const chunk = bytes.slice(at, to);
    const bad = framer.feed(chunk, 0, chunk.length, (message, from, until) => {
      seen.push(Buffer.from(message.subarray(from, until)).toString("hex"));
      return true;
    });
    chunk.fill(0);
    if (bad !== undefined) return [...seen, { ...bad, data: [...bad.data] }];
    at = to;
  }
  return [...seen, framer.waiting];
}

export const BGP: readonly Target[] = [messages, streams];
