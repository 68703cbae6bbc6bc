/** Decoders of what comes from the wire and from the kernel: each answers with a Result, whatever it is given. */
import {
  formatIp,
  formatMac,
  formatPrefix,
  ipv4,
  ipv6,
  type Mac,
  parseIp,
  parseMac,
  parsePrefix,
} from "../../base/address.ts";
import type { Result } from "../../base/result.ts";
import { ms } from "../../base/unit.ts";
import { encodeAddress, RTM_NEWADDR } from "../../netstack/kernel/netlink/address.ts";
import { attribute, attributeText, nested } from "../../netstack/kernel/netlink/attribute.ts";
import { encodeNewLink, RTM_NEWLINK } from "../../netstack/kernel/netlink/link.ts";
import { decodeMessages, decodeVerdict, encodeMessage } from "../../netstack/kernel/netlink/message.ts";
import { encodeNeighbour as encodeKernelNeighbour, RTM_NEWNEIGH } from "../../netstack/kernel/netlink/neighbour.ts";
import { decodeElements } from "../../netstack/kernel/netlink/nftables-elements.ts";
import { decodeChain, decodeRule, decodeTable } from "../../netstack/kernel/netlink/nftables-objects.ts";
import { encodeRoute, RTM_NEWROUTE } from "../../netstack/kernel/netlink/route.ts";
import { encodeRule, RTM_NEWRULE } from "../../netstack/kernel/netlink/rule.ts";
import { decodeChanges } from "../../netstack/kernel/netlink/watch.ts";
import { decode, encode } from "../../netstack/vip/packet.ts";
import { decodeArp, encodeArp } from "../../netstack/wire/arp.ts";
import { checksum6 } from "../../netstack/wire/checksum.ts";
import { decodeEthernet } from "../../netstack/wire/ethernet.ts";
import { decodeIpv6 } from "../../netstack/wire/ipv6.ts";
import { decodeNeighbour, encodeNeighbour } from "../../netstack/wire/ndp.ts";
import { must, type Target } from "./target.ts";

const MAC = 0x02_00_5e_10_00_01 as Mac;
const FRAME = 14;
const arpFrame = encodeArp({
  operation: "reply",
  senderMac: MAC,
  senderIp: ipv4("192.0.2.1"),
  targetMac: MAC,
  targetIp: ipv4("192.0.2.2"),
});
const ndFrames = [
  encodeNeighbour(MAC, MAC, {
    kind: "solicitation",
    source: ipv6("fe80::1"),
    destination: ipv6("ff02::1:ff00:1"),
    target: ipv6("2001:db8::1"),
    mac: MAC,
  }),
  encodeNeighbour(MAC, MAC, {
    kind: "solicitation",
    source: ipv6("::"),
    destination: ipv6("ff02::1:ff00:1"),
    target: ipv6("2001:db8::1"),
    mac: undefined,
  }),
];
const heartbeat = encode({
  node: "edge-1",
  incarnation: 1_700_000_000_000,
  sequence: 7,
  interval: ms(100),
  multiplier: 3,
  mac: MAC,
  addresses: [ipv4("192.0.2.1"), ipv6("fe80::1")],
  owned: 1,
  echoes: [{ id: 1, incarnation: 5, sequence: 6 }],
  entries: [
    {
      vip: ipv4("192.0.2.9"),
      role: "owner",
      priority: 100,
      term: 4,
      load: 1,
      wants: false,
      successor: undefined,
      handover: ms(0),
    },
    {
      vip: ipv6("2001:db8::9"),
      role: "candidate",
      priority: 100,
      term: 4,
      load: 1,
      wants: true,
      successor: undefined,
      handover: ms(0),
    },
  ],
});
const kernelMessages = [
  encodeMessage(
    RTM_NEWADDR,
    0,
    1,
    encodeAddress({ ip: ipv4("192.0.2.1"), prefixLength: 24, index: 3, label: "eth0:nv", protocol: 200 }),
  ),
  encodeMessage(
    RTM_NEWADDR,
    0,
    2,
    encodeAddress({ ip: ipv6("2001:db8::1"), prefixLength: 64, index: 3, noDad: true, noPrefixRoute: true }),
  ),
  encodeMessage(
    RTM_NEWROUTE,
    0,
    3,
    encodeRoute({
      destination: prefix("10.0.0.0/8"),
      table: 254,
      protocol: 200,
      gateway: ipv4("192.0.2.254"),
      oif: 3,
      metric: 10,
    }),
  ),
  encodeMessage(
    RTM_NEWRULE,
    0,
    4,
    encodeRule({ family: "ip", preference: 1000, table: 100, protocol: 200, mark: 1, mask: 255, iif: "lo" }),
  ),
  encodeMessage(
    RTM_NEWNEIGH,
    0,
    5,
    encodeKernelNeighbour({ ip: ipv4("192.0.2.2"), index: 3, mac: MAC, state: "reachable" }),
  ),
  encodeMessage(
    RTM_NEWLINK,
    0,
    6,
    encodeNewLink({ name: "nv0", up: true, alias: "x", mtu: 1500 }, { kind: "veth", peer: { name: "nv1" } }),
  ),
];
const objects = [
  Uint8Array.of(
    2,
    0,
    0,
    0,
    ...attributeText(1, "table"),
    ...attributeText(2, "x"),
    ...nested(4, attribute(1, Uint8Array.of(0, 0, 0, 1))),
  ),
];
const NUMBERS = [[0], [0xff], [0, 0], [4, 0], [0, 4], [0xff, 0xff], [8, 0, 1, 0], [0xff, 0xff, 0xff, 0x7f]].map(
  (each) => Uint8Array.from(each),
);

function prefix(text: string) {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new TypeError(text);
  return parsed.value;
}
function decoder(
  name: string,
  corpus: readonly Uint8Array[],
  decode: (bytes: Uint8Array) => Result<unknown, { readonly kind: string }>,
): Target {
  return {
    name,
    corpus,
    tokens: NUMBERS,
    run(memory, start, end) {
      // a copy, so that reading beyond the end finds nothing
      const result = decode(Uint8Array.from(memory.subarray(start, end)));
      named(result);
    },
  };
}

function named(result: Result<unknown, { readonly kind: string }>): void {
  must(result.ok || result.error.kind !== "", "neither a value nor a named error");
}

const neighbours: Target = {
  ...decoder(
    "ndp",
    ndFrames.map((frame) => frame.subarray(FRAME)),
    decodeNeighbour,
  ),
  run(memory, start, end, random) {
    const bytes = Uint8Array.from(memory.subarray(start, end));
    // Most changes break the checksum, and nothing behind it would ever be reached.
    const ip = decodeIpv6(bytes);
    const body = bytes.subarray(40);
    if (ip.ok && body.length >= 4 && random.below(4) > 0) {
      body.fill(0, 2, 4);
      const sum = checksum6(ip.value.source, ip.value.destination, 58, body.subarray(0, ip.value.payloadLength));
      body[2] = sum >>> 8;
      body[3] = sum;
    }
    const result = decodeNeighbour(bytes);
    named(result);
  },
};

const heartbeats: Target = {
  ...decoder("heartbeat", [heartbeat], decode),
  run(memory, start, end) {
    const bytes = Uint8Array.from(memory.subarray(start, end));
    const result = decode(bytes);
    named(result);
    if (result.ok) must(Buffer.from(encode(result.value)).equals(bytes), "two encodings of the same heartbeat");
  },
};

const netlink: Target = {
  ...decoder("netlink", kernelMessages, decodeMessages),
  run(memory, start, end) {
    const bytes = Uint8Array.from(memory.subarray(start, end));
    const messages = decodeMessages(bytes);
    if (messages.ok) for (const message of messages.value) decodeVerdict(message);
    decodeChanges(bytes);
  },
};

const objectsOfNftables: Target = {
  ...decoder("nftables", objects, decodeTable),
  run(memory, start, end) {
    const bytes = Uint8Array.from(memory.subarray(start, end));
    for (const each of [decodeTable, decodeChain, decodeRule, decodeElements]) {
      const result = each(bytes);
      named(result);
    }
  },
};

const addresses: Target = {
  name: "address",
  corpus: ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "10.0.0.0/8", "02:00:5e:10:00:01", "fe80::/64"].map((text) =>
    Buffer.from(text),
  ),
  tokens: ["::", ":", ".", "/", "0", "255", "ffff", "1:2:3:4:5:6:7:8"].map((text) => Buffer.from(text)),
  run(memory, start, end) {
    const text = memory.toString("latin1", start, end);
    const ip = parseIp(text);
    if (ip.ok) must(same(parseIp(formatIp(ip.value)), ip.value), "an address changes when it is written and read");
    const mac = parseMac(text);
    if (mac.ok) must(same(parseMac(formatMac(mac.value)), mac.value), "a MAC changes when it is written and read");
    const net = parsePrefix(text);
    if (net.ok)
      must(same(parsePrefix(formatPrefix(net.value)), net.value), "a prefix changes when it is written and read");
  },
};
function same<T>(result: Result<T, unknown>, value: T): boolean {
  return result.ok && JSON.stringify(result.value) === JSON.stringify(value);
}

export const NETSTACK: readonly Target[] = [
  decoder("ethernet", [arpFrame], decodeEthernet),
  decoder("arp", [arpFrame.subarray(FRAME)], decodeArp),
  neighbours,
  heartbeats,
  netlink,
  objectsOfNftables,
  addresses,
];
