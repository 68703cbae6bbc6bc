/** BFD with BIRD 2: it authenticates in all forms and honours everything but echo. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ipv4 } from "../../base/address.ts";
import type { Lab } from "../../lab/build.ts";
import { type Bird, startBird } from "../../lab/peers/bird.ts";
import { missing } from "../../lab/peers/installed.ts";
import { until } from "../../lab/peers/until.ts";
import { encode } from "../../netstack/bfd/packet.ts";
import { type BfdAuth, pathFailed } from "../../netstack/bfd/plan.ts";
import { inside } from "../../netstack/kernel/namespace.ts";
import { Sender } from "../../netstack/kernel/sender.ts";
import { encodeInet } from "../../netstack/kernel/sockaddr.ts";
import { openUdp } from "../../netstack/kernel/sockets.ts";
import { packet } from "../netstack/bfd/fixture.ts";
import { BfdHost, bfdLab, spec, TIMING } from "./bfd-rig.ts";

const UNABLE = missing("bird");
const SINGLE = 'neighbor 10.0.0.1 dev "eth0"; neighbor fd00::1 dev "eth0";';

describe.skipIf(UNABLE !== undefined)(`BFD with BIRD (${UNABLE ?? "installed"})`, () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await bfdLab();
  });
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });
  const ours = (): BfdHost => new BfdHost(lab.host("a").namespace);
  const peer = (text: string, host = "b"): Promise<Bird> => startBird(lab.host(host), text);

  test("RFC 5881: single hop comes up over IPv4 and IPv6, and over link-local addresses", async () => {
    const linkLocal = async (host: string): Promise<string> => {
      const { stdout } = await lab.host(host).exec("ip", ["-6", "addr", "show", "dev", "eth0", "scope", "link"]);
      return /fe80:[0-9a-f:]+/.exec(stdout)?.[0] ?? "";
    };
    const [theirs, local] = [await linkLocal("b"), await linkLocal("a")];
    await using _bird = await peer(bird(`${SINGLE} neighbor ${local} dev "eth0" local ${theirs};`));
    await using us = ours();
    us.plan([spec("v4", "10.0.0.2"), spec("v6", "fd00::2"), spec("ll", theirs, { local })]);
    for (const id of ["v4", "v6", "ll"]) await us.up(id);
    for (const id of ["v4", "v6", "ll"]) expect(await us.fresh(id)).toMatchObject({ flaps: 0, refused: {} });
  });

  // BIRD sends multihop packets with the kernel's default TTL, 64, and a router takes one.
  test("RFC 5883: multihop comes up over IPv4 and IPv6", async () => {
    const sessions = "neighbor 10.0.0.1 local 10.1.0.2 multihop; neighbor fd00::1 local fd01::2 multihop;";
    await using _bird = await peer(bird(sessions), "c");
    await using us = ours();
    const far = { hops: "multi", minTtl: 63, ifname: undefined } as const;
    us.plan([
      spec("v4", "10.1.0.2", { ...far, local: "10.0.0.1" }),
      spec("v6", "fd01::2", { ...far, local: "fd00::1" }),
    ]);
    for (const id of ["v4", "v6"]) await us.up(id);
    expect(await us.fresh("v4")).toMatchObject({ refused: {} });
  });

  test("RFC 5880 §6.8.3: both sides change their intervals by Poll and Final, and nothing flaps", async () => {
    await using theirs = await peer(bird(SINGLE));
    await using us = ours();
    us.plan([spec("s", "10.0.0.2")]);
    await us.up("s");
    await us.until("s", "settled", ({ detectionTime }) => detectionTime === 150);
    us.plan([spec("s", "10.0.0.2", { timing: { ...TIMING, desiredMinTx: 200, requiredMinRx: 300, multiplier: 5 } })]);
    await us.until("s", "slower", ({ detectionTime, txInterval }) => detectionTime === 900 && txInterval === 200);
    us.plan([spec("s", "10.0.0.2", { timing: { ...TIMING, desiredMinTx: 20, requiredMinRx: 20 } })]);
    await us.until("s", "faster", ({ detectionTime, txInterval }) => detectionTime === 150 && txInterval === 50);
    await theirs.configure(bird(SINGLE, "interval 20 ms; multiplier 4; idle tx interval 200 ms;"));
    await us.until("s", "they too", ({ detectionTime, txInterval }) => detectionTime === 80 && txInterval === 20);
    expect(await us.fresh("s")).toMatchObject({ state: "up", flaps: 0 });
    expect(theirs.log()).not.toMatch(/from Up to Down/);
  });

  test("§6.8.4: a peer that stands still is noticed, and found again", async () => {
    await using theirs = await peer(bird(SINGLE));
    await using us = ours();
    us.plan([spec("s", "10.0.0.2")]);
    await us.up("s");
    theirs.running.signal("SIGSTOP");
    const gone = await us.down("s");
    expect(gone).toMatchObject({ diagnostic: "control-detection-expired", remoteDiscriminator: 0, flaps: 1 });
    theirs.running.signal("SIGCONT");
    await us.up("s");
  });

  test("a cable that is cut is noticed at both ends", async () => {
    await using theirs = await peer(bird(SINGLE));
    await using us = ours();
    us.plan([spec("s", "10.0.0.2")]);
    await us.up("s");
    lab.cut("b:eth0", "silent");
    try {
      await us.down("s");
      await until("BIRD notices", () => /from Up to Down/.test(theirs.log()));
    } finally {
      lab.restore("b:eth0");
    }
    await us.up("s");
  });

  test("§6.8.6: a peer that hears nothing says Down, which is honoured although it names no discriminator", async () => {
    await using _theirs = await peer(bird(SINGLE, "interval 100 ms; multiplier 3; idle tx interval 100 ms;"));
    await using us = ours();
    us.plan([spec("s", "10.0.0.2")]);
    await us.up("s");
    using _oneWay = lab.drop({ from: "a:eth0", to: "b:eth0", match: "udp dport 3784" });
    expect(await us.down("s")).toMatchObject({ diagnostic: "neighbor-down" });
  });

  test.each<BfdAuth["type"]>(["simple", "md5", "meticulous-md5", "sha1", "meticulous-sha1"])(
    "§6.7: %s authentication comes up and stays; the wrong key is refused",
    async (type) => {
      const { password: name, word } = BIRDS[type];
      await using _theirs = await peer(bird(SINGLE, `${TIMES} authentication ${word}; password "${name}" { id 7; };`));
      await using us = ours();
      const auth = { type, keyId: 7, key: Buffer.from(name).toString("hex") };
      us.plan([spec("s", "10.0.0.2", { auth })]);
      await us.up("s");
      await us.pulse.until("packets", () => (us.report("s")?.received ?? 0) > 3 || askAgain(us), 10_000);
      expect(await us.fresh("s")).toMatchObject({ state: "up", flaps: 0, refused: {} });

      us.plan([]);
      us.plan([spec("w", "fd00::2", { auth: { ...auth, key: Buffer.from("wrong").toString("hex") } })]);
      const name2 = type === "simple" ? "auth-password" : "auth-digest";
      await us.pulse.until("refusals", () => (us.report("w")?.refused[name2] ?? 0) > 0 || askAgain(us), 10_000);
      expect(us.report("w")?.state).toBe("down");
    },
  );

  test("§6.7: a key changed at both ends, ours first, does not take the session down", async () => {
    const auth = (key: string): BfdAuth => ({ type: "sha1", keyId: 7, key: Buffer.from(key).toString("hex") });
    const words = (key: string) => `${TIMES} authentication keyed sha1; password "${key}" { id 7; };`;
    await using theirs = await peer(bird(SINGLE, words("first")));
    await using us = ours();
    us.plan([spec("s", "10.0.0.2", { auth: auth("first") })]);
    const { since } = await us.up("s");
    us.plan([spec("s", "10.0.0.2", { auth: auth("second") })]);
    await us.fresh("s");
    await theirs.configure(bird(SINGLE, words("second")));
    const { received } = await us.fresh("s");
    // More than a detection time's worth of packets, all under the new key.
    await us.pulse.until("packets", () => (us.report("s")?.received ?? 0) > received + 12 || askAgain(us), 10_000);
    expect(await us.fresh("s")).toMatchObject({ state: "up", since, flaps: 0 });
    expect(theirs.log()).not.toMatch(/from Up to Down/);
  });

  test("RFC 5881 §5: packets with a TTL below 255, and forgeries, disturb nothing and are counted", async () => {
    await using _theirs = await peer(bird(SINGLE));
    await using us = ours();
    us.plan([spec("s", "10.0.0.2")]);
    const { localDiscriminator } = await us.up("s");
    const to = encodeInet({ ip: ipv4("10.0.0.1"), port: 3784 });
    const send = (ttl: number, octets: Uint8Array): void => {
      const bind = { ip: ipv4("10.0.0.2"), port: 0 };
      using sender = inside(lab.host("b").namespace, () => new Sender(openUdp({ bind, ttl })));
      for (let count = 0; count < 64; count++) sender.send(octets, to);
    };
    send(254, encode(packet({ state: "down" })));
    send(254, encode(packet({ state: "down", yourDiscriminator: localDiscriminator })));
    send(255, encode(packet({ state: "down", yourDiscriminator: (localDiscriminator ^ 1) >>> 0 })));
    send(255, encode(packet({ state: "down", yourDiscriminator: localDiscriminator })).subarray(0, 20));
    await us.pulse.until("refusals", () => (us.report("s")?.refused["short"] ?? 0) > 0 || askAgain(us), 10_000);
    const report = await us.fresh("s");
    expect(report).toMatchObject({ state: "up", flaps: 0 });
    expect(report.refused["ttl"]).toBeGreaterThan(0);
    const strays = us.pulse.messages.findLast((each) => each.kind === "bfd-strays");
    expect(strays).toMatchObject({ refused: { "unknown-discriminator": 64 } });
  });

  test("§6.8.16: held down at either end is no failed path, and comes back", async () => {
    await using theirs = await peer(bird(SINGLE));
    await using us = ours();
    us.plan([spec("s", "10.0.0.2")]);
    await us.up("s");
    us.plan([spec("s", "10.0.0.2", { adminDown: true })]);
    await us.until("s", "admin-down", ({ state }) => state === "admin-down");
    await until("BIRD hears it", () => /from Up to Down/.test(theirs.log()));
    us.plan([spec("s", "10.0.0.2")]);
    await us.up("s");
    // BIRD says AdminDown when it ends.
    await theirs[Symbol.asyncDispose]();
    await us.down("s");
    const reports = us.reports("s");
    const failures = reports.filter((report, index) => pathFailed(reports[index - 1], report));
    expect(failures.every(({ remoteState }) => remoteState !== "admin-down")).toBe(true);
  });

  test("RFC 9468: a stranger opens a session where strangers are welcome, within the bounds", async () => {
    await using theirs = await peer(bird(SINGLE));
    await using us = ours();
    us.plan([], [{ ifname: "eth0", from: ["10.0.0.0/24"], timing: TIMING, most: 4 }]);
    const report = await us.up("unsolicited/eth0/10.0.0.2");
    expect(report).toMatchObject({ unsolicited: true, peer: "10.0.0.2", local: "10.0.0.1" });
    await until("BIRD too", async () => /10\.0\.0\.1.* Up /.test(await theirs.ask("show bfd sessions")));
    await us.pulse.until("fd00::2 refused", () => strays(us)["unsolicited-network"] !== undefined || askAgain(us));
  });

  test("the end of the process is said, so that the peer's clients keep their routes", async () => {
    await using theirs = await peer(bird(SINGLE));
    await using us = ours();
    us.plan([spec("s", "10.0.0.2")]);
    await us.up("s");
    us.pulse.send({ kind: "stop" });
    await until("AdminDown", () => /CTL received from 10.0.0.1 \[AdminDown/.test(theirs.log()));
  });
});

const TIMES = "interval 50 ms; multiplier 3; idle tx interval 200 ms;";
const BIRDS: Readonly<Record<BfdAuth["type"], { readonly word: string; readonly password: string }>> = {
  simple: { word: "simple", password: "open" },
  md5: { word: "keyed md5", password: "sixteen octets.." },
  "meticulous-md5": { word: "meticulous keyed md5", password: "short" },
  sha1: { word: "keyed sha1", password: "secret" },
  "meticulous-sha1": { word: "meticulous keyed sha1", password: "twenty octets of key" },
};

function bird(sessions: string, times = TIMES): string {
  return [
    "router id 10.0.0.2;",
    "protocol device {}",
    `protocol bfd { debug all; interface "eth0" { ${times} }; multihop { ${times} }; ${sessions} }`,
  ].join("\n");
}

/** For `until`: not yet, and the next report is on its way. */
function askAgain(us: BfdHost): false {
  us.askSoon();
  return false;
}
function strays(us: BfdHost): Readonly<Record<string, number>> {
  const last = us.pulse.messages.findLast((each) => each.kind === "bfd-strays");
  return last?.kind === "bfd-strays" ? last.refused : {};
}
