/** What steering reads of others: DNS messages that pass by, the packets they come in, and the kernel's list of connections. */
import { ipv4 } from "../../base/address.ts";
import { join } from "../../base/octets.ts";
import { instant } from "../../base/unit.ts";
import { attribute, nested } from "../../netstack/kernel/netlink/attribute.ts";
import {
  type Connection,
  decodeConnection,
  encodeNamed,
  encodeNewMark,
} from "../../netstack/kernel/netlink/conntrack.ts";
import { decodeDns } from "../../netstack/wire/dns.ts";
import { udpOf } from "../../sdwan/steer/driver/dns-ear.ts";
import { Learner } from "../../sdwan/steer/learn.ts";
import { dnsMessage } from "../sdwan/steer/dns-messages.ts";
import { packetOf } from "../sdwan/steer/wire.ts";
import { must, type Target } from "./target.ts";

const NAMES = ["www.example.com", "a.example.com", "cdn.other.net"];
const MESSAGES = [true, false].flatMap((response) =>
  NAMES.map((name) =>
    dnsMessage({
      id: 7,
      name,
      type: 1,
      response,
      answers: response
        ? [
            { name, type: 5, ttl: 60, data: "x.example.com" },
            { name: "x.example.com", type: 1, ttl: 60, data: "192.0.2.1" },
            { name: "x.example.com", type: 28, ttl: 60, data: "2001:db8::1" },
            { name, type: 16, ttl: 60, data: "text" },
          ]
        : [],
    }),
  ),
);
const POINTERS = [[0xc0, 12], [0xc0, 0], [0xff, 0xff], [0], [63], [0, 1, 0, 1], [0, 5, 0, 1], [0, 28, 0, 1]].map(
  (each) => Uint8Array.from(each),
);

const dns: Target = {
  name: "dns",
  corpus: MESSAGES,
  tokens: POINTERS,
  run(memory, start, end) {
    const message = decodeDns(memory.subarray(start, end));
    if (!message.ok) return must(message.error.kind.length > 0, "neither a message nor a reason");
    const names = [...message.value.questions, ...message.value.answers].map(({ name }) => name);
    must(
      names.every((name) => name.length <= 4 * 255 && name === name.toLowerCase()),
      "a name that is none",
    );
  },
};

/** One learner that hears everything: what it remembers stays bounded, and only of names that were asked for. */
const learner = new Learner();
learner.watch(["*.example.com"], instant(0));
let now = 0;
const learning: Target = {
  name: "dns-learning",
  corpus: MESSAGES,
  tokens: POINTERS,
  slow: 2,
  run(memory, start, end, random) {
    now += 10;
    const message = decodeDns(memory.subarray(start, end));
    if (!message.ok) return;
    const [client, server] = [
      { ip: ipv4("10.1.0.2"), port: 1024 + random.below(4) },
      { ip: ipv4("192.0.2.53"), port: 53 },
    ];
    const [from, to] = message.value.response ? [server, client] : [client, server];
    const ends = { source: from.ip, sourcePort: from.port, destination: to.ip, destinationPort: to.port };
    const learnt = learner.hear({ ...ends, message: message.value }, instant(now));
    must(
      learnt.every(({ host, time }) => host.endsWith(".example.com") && time >= 600_000 && time <= 86_400_000),
      "something else was learnt",
    );
    must(learner.known(instant(now)).length <= 16_384, "memory without bound");
  },
};

const packets: Target = {
  name: "dns-packets",
  corpus: ["10.1.0.2", "fd01::2"].map((source) =>
    packetOf({ source, destination: source, protocol: 17, sourcePort: 53, destinationPort: 9, dscp: 0 }),
  ),
  tokens: [[0x45], [0x46], [0x4f], [0x60], [0], [0xff, 0xff], [0x20]].map((each) => Uint8Array.from(each)),
  run(memory, start, end) {
    const bytes = memory.subarray(start, end);
    const datagram = udpOf(bytes);
    must(datagram === undefined || datagram.payload.length + 28 <= bytes.length, "more than there is");
  },
};

const TUPLE = { source: ipv4("10.0.0.1"), destination: ipv4("10.0.0.2"), sourcePort: 1, destinationPort: 2 };
const original = encodeNamed({ original: { ...TUPLE, protocol: 6 }, zone: 1, id: 2 });
const reply = Uint8Array.from(original.subarray(4));
reply[2] = 2; // CTA_TUPLE_REPLY
const CONNECTION = join([
  original,
  reply,
  attribute(8, Uint8Array.of(5, 0, 0, 0)),
  attribute(3, Uint8Array.of(0, 0, 0, 16)),
  nested(4, nested(1, attribute(1, Uint8Array.of(3)))),
  nested(9, attribute(1, new Uint8Array(8)), attribute(2, new Uint8Array(8))),
]);

const conntrack: Target = {
  name: "conntrack",
  corpus: [CONNECTION],
  tokens: [
    [2, 0, 0, 0],
    [10, 0, 0, 0],
    [0, 0],
    [8, 0],
    [4, 0],
    [255, 255],
  ].map((each) => Uint8Array.from(each)),
  run(memory, start, end) {
    const decoded = decodeConnection(Uint8Array.from(memory.subarray(start, end)));
    if (!decoded.ok) return must(decoded.error.kind.length > 0, "neither a connection nor a reason");
    const connection: Connection = decoded.value;
    must(encodeNamed(connection).length > 0 && encodeNewMark(connection, { mark: 1, mask: 1 }).length > 0, "unnamed");
  },
};

export const STEER: readonly Target[] = [dns, learning, packets, conntrack];
