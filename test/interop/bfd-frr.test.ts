/** BFD with FRR's bfdd: no authentication there, but echo, and its own view of the rules. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Lab } from "../../lab/build.ts";
import { type Frr, startFrr } from "../../lab/peers/frr.ts";
import { missing } from "../../lab/peers/installed.ts";
import { until } from "../../lab/peers/until.ts";
import { BfdHost, bfdLab, spec, TIMING } from "./bfd-rig.ts";

const UNABLE = missing("frr");

describe.skipIf(UNABLE !== undefined)(`BFD with FRR (${UNABLE ?? "installed"})`, () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await bfdLab();
  });
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });
  const ours = (): BfdHost => new BfdHost(lab.host("a").namespace);
  const peer = (lines: readonly string[], host = "b"): Promise<Frr> =>
    startFrr(lab.host(host), ["bfd", ...lines, "exit", ""].join("\n"), { daemons: ["zebra", "bfdd"] });

  test("RFC 5881: single hop comes up over IPv4 and IPv6", async () => {
    await using _frr = await peer([
      ...of("10.0.0.1 interface eth0"),
      ...of("fd00::1 local-address fd00::2 interface eth0"),
    ]);
    await using us = ours();
    us.plan([spec("v4", "10.0.0.2"), spec("v6", "fd00::2")]);
    for (const id of ["v4", "v6"]) await us.up(id);
    for (const id of ["v4", "v6"]) expect(await us.fresh(id)).toMatchObject({ flaps: 0, refused: {} });
  });

  test("RFC 5883: multihop comes up over IPv4 and IPv6", async () => {
    const frr = await peer(
      [...of("10.0.0.1 multihop local-address 10.1.0.2"), ...of("fd00::1 multihop local-address fd01::2")],
      "c",
    );
    await using _frr = frr;
    await using us = ours();
    const far = { hops: "multi", minTtl: 254, ifname: undefined } as const;
    us.plan([
      spec("v4", "10.1.0.2", { ...far, local: "10.0.0.1" }),
      spec("v6", "fd01::2", { ...far, local: "fd00::1" }),
    ]);
    for (const id of ["v4", "v6"]) await us.up(id);
    expect(await us.fresh("v4")).toMatchObject({ refused: {} });
  });

  test("RFC 5880 §6.8.3: both sides change their intervals by Poll and Final, and nothing flaps", async () => {
    await using frr = await peer(of("10.0.0.1 interface eth0"));
    await using us = ours();
    us.plan([spec("s", "10.0.0.2")]);
    await us.up("s");
    await us.until("s", "settled", ({ detectionTime }) => detectionTime === 150);
    us.plan([spec("s", "10.0.0.2", { timing: { ...TIMING, desiredMinTx: 200, requiredMinRx: 300, multiplier: 5 } })]);
    await us.until("s", "slower", ({ detectionTime, txInterval }) => detectionTime === 900 && txInterval === 200);
    us.plan([spec("s", "10.0.0.2", { timing: { ...TIMING, desiredMinTx: 20, requiredMinRx: 20 } })]);
    await us.until("s", "faster", ({ detectionTime, txInterval }) => detectionTime === 150 && txInterval === 50);
    const change = ["receive-interval 20", "transmit-interval 20", "detect-multiplier 4"];
    await frr.configure("bfdd", ["bfd", "peer 10.0.0.1 interface eth0", ...change]);
    await us.until("s", "they too", ({ detectionTime, txInterval }) => detectionTime === 80 && txInterval === 20);
    expect(await us.fresh("s")).toMatchObject({ state: "up", flaps: 0 });
  });

  test("§6.8.4: a peer that stands still is noticed, and found again", async () => {
    await using frr = await peer(of("10.0.0.1 interface eth0"));
    await using us = ours();
    us.plan([spec("s", "10.0.0.2")]);
    await us.up("s");
    frr.running("bfdd").signal("SIGSTOP");
    expect(await us.down("s")).toMatchObject({ diagnostic: "control-detection-expired" });
    frr.running("bfdd").signal("SIGCONT");
    await us.up("s");
  });

  test("§6.8.16: the peer's shutdown is AdminDown, and no failed path", async () => {
    await using frr = await peer(of("10.0.0.1 interface eth0"));
    await using us = ours();
    us.plan([spec("s", "10.0.0.2")]);
    await us.up("s");
    await frr.configure("bfdd", ["bfd", "peer 10.0.0.1 interface eth0", "shutdown"]);
    expect(await us.down("s")).toMatchObject({ remoteState: "admin-down", diagnostic: "neighbor-down" });
    await frr.configure("bfdd", ["bfd", "peer 10.0.0.1 interface eth0", "no shutdown"]);
    await us.up("s");
  });

  test("RFC 5880 §6.4: our echoes come back through the peer's kernel, and their end is noticed", async () => {
    await lab.host("b").exec("sysctl", ["-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0"]);
    await using frr = await peer(of("10.0.0.1 interface eth0"));
    await frr.configure("bfdd", ECHO);
    await using us = ours();
    us.plan([spec("s", "10.0.0.2", { timing: { ...TIMING, echoTx: 50 } })]);
    await us.until("s", "echo", ({ echoInterval }) => echoInterval !== undefined);
    await lab.host("b").exec("sysctl", ["-qw", "net.ipv4.ip_forward=0"]);
    // It may be up again by the time somebody looks: control packets still pass.
    await us.pulse.until("echo-failed", () => us.reports("s").some(({ diagnostic }) => diagnostic === "echo-failed"));
  });

  test.each(["0", "1"])("§6.8.8: the peer's echoes are returned, ip_forward = %s", async (forward) => {
    await lab.host("a").exec("sysctl", ["-qw", `net.ipv4.ip_forward=${forward}`, "net.ipv4.conf.all.rp_filter=0"]);
    await using frr = await peer(of("10.0.0.1 interface eth0"));
    await frr.configure("bfdd", ECHO);
    await using us = ours();
    us.plan([spec("s", "10.0.0.2", { timing: { ...TIMING, requiredMinEchoRx: 50 } })]);
    await us.up("s");
    interface Counters {
      readonly "echo-packet-input": number;
      readonly "session-down": number;
    }
    const counters = async (): Promise<Counters | undefined> =>
      (await frr.json<readonly Counters[]>("bfdd", "show bfd peers counters json"))[0];
    const seen = await until("echoes at the peer", async () => {
      const all = await counters();
      return all !== undefined && all["echo-packet-input"] >= 10 ? all : undefined;
    });
    expect(seen["session-down"]).toBe(0);
    expect(await us.fresh("s")).toMatchObject({ state: "up", flaps: 0 });
  });
});

/** It says about IPv6 what vtysh would take for a refusal, so not in the file. */
const ECHO = ["bfd", "peer 10.0.0.1 interface eth0", "echo-mode"];

function of(name: string): readonly string[] {
  const times = ["  receive-interval 50", "  transmit-interval 50", "  detect-multiplier 3"];
  return [` peer ${name}`, ...times, " exit"];
}
