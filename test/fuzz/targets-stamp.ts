/** STAMP's decoders, both ends of a session with a stranger between them, and the answers of third parties. */
import { createHmac } from "node:crypto";
import { instant } from "../../base/unit.ts";
import { decodeReply, type Echo, encodeEcho } from "../../sdwan/probe/echo.ts";
import { statusOf } from "../../sdwan/probe/http-probe.ts";
import {
  decodeReflected,
  decodeSender,
  encodeReflected,
  encodeSender,
  OWN_ESTIMATE,
  type Seal,
} from "../../sdwan/probe/packet.ts";
import { Reflector, reply } from "../../sdwan/probe/reflector.ts";
import { StampSession } from "../../sdwan/probe/stamp.ts";
import * as tlv from "../../sdwan/probe/tlv.ts";
import { must, type Target } from "./target.ts";

const seal: Seal = (bytes) => createHmac("sha256", "key").update(bytes).digest();
/** So that mutated packets get past the digest. */
const open: Seal = () => new Uint8Array(16);
const AT = 1.79e12;
const packet = { sequence: 5, at: AT, estimate: OWN_ESTIMATE, session: 7 };
const counters = { senderTx: 1, reflectorRx: 2, reflectorTx: 3 };
const requests = [encodeSender(packet, open), encodeSender(packet, open, tlv.encodeCounters(counters, 5, open))];
const answers = requests.map((request) =>
  encodeReflected(
    { sequence: 5, at: AT, estimate: OWN_ESTIMATE, receivedAt: AT, senderTtl: 255 },
    request,
    open,
    tlv.encodeCounters(counters, 5, open),
  ),
);
const TOKENS = [[0], [0xff], [0x80], [0, 12], [0, 16], [5], [8], [1], [0x40, 1], [0, 0, 0, 0]].map((each) =>
  Uint8Array.from(each),
);

const packets: Target = {
  name: "stamp",
  corpus: [...requests, ...answers],
  tokens: TOKENS,
  run(memory, start, end) {
    const bytes = Uint8Array.from(memory.subarray(start, end));
    const sender = decodeSender(bytes, open);
    if (sender.ok) {
      const again = decodeSender(encodeSender(sender.value, open), open);
      must(again.ok && again.value.sequence === sender.value.sequence, "a packet changes when it is written and read");
    } else must(sender.error.kind.length > 0, "neither a packet nor a named refusal");
    const reflected = decodeReflected(bytes, open);
    must(reflected.ok || reflected.error.kind.length > 0, "neither an answer nor a named refusal");
    must(!decodeSender(bytes, seal).ok && !decodeReflected(bytes, seal).ok, "accepted without the key");
  },
};

const extensions: Target = {
  name: "stamp-tlv",
  corpus: [tlv.encodeCounters(counters, 5, open), Uint8Array.of(0x80, 1, 0, 2, 0, 0)],
  tokens: TOKENS,
  run(memory, start, end) {
    const bytes = Uint8Array.from(memory.subarray(start, end));
    const back = tlv.reflect(bytes, { request: 5, reply: 6 }, counters, open);
    must(back.length === bytes.length, "an answer is longer or shorter than what it answers");
    const decoded = tlv.decodeReflected(bytes, 5, open);
    must(decoded.ok || decoded.error.kind.length > 0, "neither extensions nor a named refusal");
  },
};

/** A stranger who knows no key, between two ends that do. */
const ends: Target = {
  name: "stamp-ends",
  corpus: [...requests, ...answers],
  tokens: TOKENS,
  slow: 4,
  run(memory, start, end, random) {
    const bytes = Uint8Array.from(memory.subarray(start, end));
    const address = random.oneIn(4) ? "10.0.0.9" : "10.0.0.1";
    const arrival = { address, port: random.below(65_536), ttl: 1, receivedAt: AT };
    world.now = instant(world.now + 1);
    must(!world.reflector.receive(bytes, arrival, world.now).ok, "a stranger is answered");
    must(!world.session.read(bytes, { wall: AT, boot: 0 }).ok, "a stranger's answer is believed");
    must(world.reflector.sessions === 0, "a stranger makes state");
    // Beside those who know the key and are broken.
    const accepted = world.broken.receive(bytes, { ...arrival, address: "10.0.0.1" }, world.now);
    if (accepted.ok)
      must(reply(accepted.value, AT, { received: 1, sent: 1 }).length === bytes.length, "an answer amplifies");
    must(world.broken.sessions <= 16, "sessions without bound");
  },
};

const ours: Echo = { identifier: 3, number: 9, token: new Uint8Array(8) };
const thirdParties: Target = {
  name: "probe-third-parties",
  corpus: [
    Uint8Array.from([0x45, ...Array<number>(19).fill(0), ...encodeEcho(4, ours)]),
    encodeEcho(6, ours),
    Buffer.from("HTTP/1.1 204 No Content\r\n"),
  ],
  tokens: [...TOKENS, Buffer.from("HTTP/1."), Buffer.from(" 511 ")],
  run(memory, start, end) {
    const bytes = Uint8Array.from(memory.subarray(start, end));
    for (const family of [4, 6] as const) {
      const decoded = decodeReply(family, bytes, ours);
      must(decoded.ok || decoded.error.kind.length > 0, "neither a reply nor a named refusal");
    }
    const status = statusOf(bytes);
    must(!status.ok || (status.value >= 100 && status.value < 600), "a status that is none");
  },
};

export const STAMP: readonly Target[] = [packets, extensions, ends, thirdParties];

function ready(by: Seal): Reflector {
  const reflector = new Reflector();
  reflector.configure(new Map([["10.0.0.1", [{ id: "k", seal: by }]]]));
  return reflector;
}
const session = new StampSession(seal, 7);
session.packet(5, { wall: AT, boot: 0 }, 1);
const world = { reflector: ready(seal), broken: ready(open), session, now: instant(1) };
