/** BFD's decoders, and the engine behind them: any octets from anywhere leave an up session up and memory bounded. */
import { createHash } from "node:crypto";
import { type Ip, ipv4, type Mac, parsePrefix } from "../../base/address.ts";
import { type Instant, instant, ms } from "../../base/unit.ts";
import { decodeEcho, encodeEcho } from "../../netstack/bfd/echo.ts";
import { decodeEchoFrame, encodeEchoFrame, reflected } from "../../netstack/bfd/echo-frame.ts";
import type { SessionConfig } from "../../netstack/bfd/event.ts";
import { type AuthSection, type ControlPacket, decode, encode } from "../../netstack/bfd/packet.ts";
import { Sessions } from "../../netstack/bfd/sessions.ts";
import { must, type Target } from "./target.ts";

const PEER: Ip = ipv4("10.0.0.2");
const hash = (name: string) => (bytes: Uint8Array) => createHash(name).update(bytes).digest();
const proof = hash("sha256");
const NETWORK = parsePrefix("10.0.0.0/8");

const AUTHS: readonly (AuthSection | undefined)[] = [
  undefined,
  { kind: "simple", keyId: 1, password: Uint8Array.of(1, 2, 3) },
  { kind: "digest", type: "md5", keyId: 1, sequence: 5, digest: new Uint8Array(16) },
  { kind: "digest", type: "meticulous-sha1", keyId: 1, sequence: 5, digest: new Uint8Array(20) },
];
const STATES = ["admin-down", "down", "init", "up"] as const;
const packets = AUTHS.flatMap((auth) => STATES.map((state) => encode(packetOf(state, auth))));
const NUMBERS = [[0], [0xff], [0x20], [0x40], [0xc0], [24], [28], [52], [0, 0, 0, 0], [0, 0, 0, 1]].map((each) =>
  Uint8Array.from(each),
);

const control: Target = {
  name: "bfd",
  corpus: packets,
  tokens: NUMBERS,
  run(memory, start, end) {
    const bytes = Uint8Array.from(memory.subarray(start, end));
    const result = decode(bytes);
    if (!result.ok) return must(result.error.kind.length > 0, "neither a value nor a named error");
    const again = decode(encode(result.value));
    must(again.ok && same(again.value, result.value), "a packet changes when it is written and read");
  },
};

/** One session that is up, one that wants SHA1, and an interface that is open to four strangers. */
const engine: Target = {
  name: "bfd-sessions",
  corpus: packets,
  tokens: NUMBERS,
  slow: 4,
  run(memory, start, end, random) {
    const bytes = Uint8Array.from(memory.subarray(start, end));
    const { sessions, now } = world;
    world.now = instant(now + 1);
    // Half of what names nobody gets the number of the session that wants SHA1, so that more than the lookup is tried.
    if (bytes.length >= 12 && random.oneIn(2)) new DataView(bytes.buffer).setUint32(8, world.locked);
    const from = random.oneIn(2) ? PEER : (((10 << 24) + random.below(1000)) as Ip);
    sessions.receive(bytes, { hops: "single", from, to: undefined, ifname: "eth0", ttl: 255 }, world.now);
    sessions.wake(world.now, true);
    const all = [...sessions.all()];
    must(all.length <= 2 + 4, "more sessions than allowed");
    must(all.find((each) => each.config.ids.includes("locked"))?.state !== "up", "up without the key");
    must(Object.keys(sessions.strays).length < 40, "refusals without bound");
  },
};

const echo: Target = {
  name: "bfd-echo",
  corpus: ["10.0.0.1", "10.0.0.2"].map((ip) =>
    encodeEchoFrame({
      destinationMac: 0x02_00_00_00_00_02 as Mac,
      sourceMac: 0x02_00_00_00_00_01 as Mac,
      source: ipv4(ip),
      destination: ipv4(ip),
      ttl: 255,
      sourcePort: 3785,
      payload: encodeEcho({ discriminator: 1, sequence: 2 }, proof),
    }),
  ),
  tokens: NUMBERS,
  run(memory, start, end) {
    const bytes = Uint8Array.from(memory.subarray(start, end));
    const frame = decodeEchoFrame(bytes);
    if (!frame.ok) return must(frame.error.why.length > 0, "neither a frame nor a reason");
    decodeEcho(frame.value.payload, proof);
    const back = reflected(bytes, false);
    must(back === undefined || back.length === bytes.length, "an echo changes its length");
  },
};

export const BFD: readonly Target[] = [control, engine, echo];

function packetOf(state: ControlPacket["state"], auth: AuthSection | undefined): ControlPacket {
  return {
    diagnostic: "none",
    state,
    poll: false,
    final: false,
    controlPlaneIndependent: false,
    demand: false,
    multiplier: 3,
    myDiscriminator: 7,
    yourDiscriminator: state === "init" || state === "up" ? 8 : 0,
    desiredMinTx: ms(50),
    requiredMinRx: ms(50),
    requiredMinEchoRx: ms(0),
    auth,
  };
}

function same(a: ControlPacket, b: ControlPacket): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function open(): { readonly sessions: Sessions; readonly locked: number; now: Instant } {
  let number = 100;
  const sessions = new Sessions({
    random: () => 0.5,
    discriminator: () => number++,
    digests: { md5: hash("md5"), sha1: hash("sha1") },
    proof,
  });
  const timing = { desiredMinTx: ms(50), requiredMinRx: ms(50), multiplier: 3, demand: false };
  const config: SessionConfig = {
    ids: ["open"],
    peer: PEER,
    local: undefined,
    ifname: "eth0",
    hops: "single",
    minTtl: 255,
    role: "active",
    timing: { ...timing, echoTx: undefined, requiredMinEchoRx: ms(0) },
    auth: undefined,
    adminDown: false,
    unsolicited: false,
  };
  const auth = { type: "sha1", keyId: 1, key: Uint8Array.of(9, 9, 9) } as const;
  const locked: SessionConfig = { ...config, ids: ["locked"], peer: ipv4("192.0.2.1"), auth };
  if (!NETWORK.ok) throw new TypeError("network");
  const strangers = { ifname: "eth0", from: [NETWORK.value], timing: config.timing, most: 4 };
  const now = instant(1000);
  sessions.configure([config, locked], [strangers], now);
  const found = [...sessions.all()].find((each) => each.config.ids.includes("locked"));
  return { sessions, locked: found?.localDiscriminator ?? 0, now };
}
const world = open();
