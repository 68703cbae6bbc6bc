/** A neighbor that says anything: nothing is thrown, nothing spins, nothing grows without bound, others do not notice. */
import { describe, expect, test } from "vitest";
import { type Ipv4, ipv4, ipv6 } from "../../../base/address.ts";
import { INITIAL_SEQUENCE, type Lsa, type LsaHeader, MAX_SEQUENCE, TYPES } from "../../../netstack/ospf/packet/lsa.ts";
import { encodeLsa } from "../../../netstack/ospf/packet/lsa-encode.ts";
import { network, random } from "./network.ts";
import { OURS, PEER, Probe } from "./probe.ts";

describe.each([2, 3] as const)("OSPFv%s", (version) => {
  const kinds: readonly number[] = [
    ...Object.values(TYPES[version]),
    version === 2 ? 12 : 0xafff,
    version === 2 ? 0 : 0x6001,
  ];

  test.each(Array.from({ length: 8 }, (_, seed) => seed + 1))("any packets in any order, seed %i", (seed) => {
    const dice = random(seed);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(dice() * items.length)] as T;
    const guided = seed % 2 === 1;
    const small = (): number => Math.floor(dice() * 4);
    const bit = (): boolean => dice() < 0.5;
    const type = dice() < 0.5 ? "point-to-point" : "broadcast";
    const kind = pick(["normal", "stub", "nssa"] as const);
    const vip = version === 2 ? "192.0.2.1/32" : "2001:db8:1::1/128";
    const probe = new Probe(
      version,
      { type, dead: 4000, hello: 1000, retransmit: 1000 },
      { networks: [network(vip), network(vip, { as: "host" })], gracefulRestart: { period: 5000, helper: true } },
      { kind },
    );
    const ids = [0, 1, 5, OURS, PEER, ipv4("10.0.0.5"), ipv4("10.0.0.9"), 0x03000000, ipv4("192.0.2.1")];
    const sequences = [INITIAL_SEQUENCE, INITIAL_SEQUENCE + 1, INITIAL_SEQUENCE + 9, -1, 0, MAX_SEQUENCE];
    const lsa = (): Lsa => {
      const octets = Uint8Array.from({ length: 4 * Math.floor(dice() * 12) }, () =>
        bit() ? 0 : Math.floor(dice() * 256),
      );
      const header = { type: pick(kinds), id: pick(ids), advertisingRouter: pick([OURS, PEER, 7]) };
      const age = pick([0, 1, 1000, 3599, 3600]);
      return encodeLsa(
        version,
        { ...header, age, options: Math.floor(dice() * 256), sequence: pick(sequences) },
        { kind: "unknown", octets },
      );
    };
    const headers = (): LsaHeader[] => Array.from({ length: small() }, () => lsa().header);
    const options = kind === "normal" ? 0x02 : kind === "nssa" ? 0x08 : 0;
    const flags = version === 2 ? options : options | 0x11;
    const identity = (): number => pick([0, OURS, PEER, ipv4("10.0.0.5"), ipv4("10.0.0.9")]);
    let taken = 0;
    for (let step = 0; step < 1500; step++) {
      const state = probe.state();
      if (guided && dice() < 0.7 && (state === "ex-start" || state === "exchange")) {
        const first = state === "ex-start";
        probe.dd({ init: first, more: first, sequence: ++probe.sequence, options: flags });
        continue;
      }
      // Guided: what would end an adjacency is said seldom.
      let say = dice();
      if (guided && say >= 0.25 && say < 0.6 && dice() < 0.97) say = 0.7;
      if (say < 0.25) {
        const neighbors = dice() < 0.97 ? [OURS] : [];
        probe.hello({
          options: flags,
          helloInterval: 1,
          deadInterval: 4,
          priority: small(),
          dr: identity(),
          bdr: identity(),
          neighbors,
        });
      } else if (say < 0.45) {
        // Mostly what leads on: the negotiation, the next number.
        const sequence = bit() ? ++probe.sequence : pick([777, probe.sequence, small()]);
        const first = bit();
        probe.dd({
          init: first,
          more: first || bit(),
          master: dice() < 0.9,
          sequence,
          headers: first ? [] : headers(),
          options: flags,
        });
        probe.sequence = sequence;
      } else if (say < 0.6) probe.say({ kind: "request", wanted: headers() });
      else if (say < 0.85) probe.update(...Array.from({ length: small() }, lsa));
      else if (say < 0.95) probe.say({ kind: "acknowledgement", headers: headers() });
      else probe.wait(dice() * 3000);
      if (probe.state() === "full") taken++;
      const next = probe.router.nextWake();
      expect(next === undefined || next > probe.now).toBe(true);
      if (step % 100 === 0) probe.clear();
    }
    expect(probe.router.interfaces(probe.now)[0]?.neighbors.length).toBeLessThanOrEqual(2);
    expect(probe.router.database(probe.now).length).toBeLessThan(kinds.length * ids.length * 3 + 10);
    if (guided) expect(taken).toBeGreaterThan(300);
    // Left alone, with a neighbor that keeps to the rules, it comes to Full.
    probe.wait(10_000);
    for (let second = 0; second < 60 && probe.state() !== "full"; second++) {
      probe.hello({ options: flags, helloInterval: 1, deadInterval: 4, priority: 1 });
      if (probe.state() === "ex-start" || probe.state() === "2-way")
        probe.dd({ init: true, more: true, sequence: (probe.sequence = 10_000 + second * 100), options: flags });
      for (let round = 0; probe.state() === "exchange" && round < 90; round++) {
        probe.sequence++;
        probe.dd({ options: flags });
      }
      probe.wait(1000);
    }
    expect(probe.state()).toBe("full");
  });

  test("a neighbor that describes what does not exist, without end: its requests are bounded", () => {
    const probe = new Probe(version);
    probe.toExchange();
    const header = probe.external(version === 2 ? "192.0.2.0/24" : "2001:db8::/64").header;
    let count = 0;
    for (let round = 0; round < 4200 && probe.state() === "exchange"; round++) {
      const headers = Array.from({ length: 70 }, () => ({ ...header, id: count++ }));
      probe.sequence++;
      probe.dd({ more: true, headers });
      if (round % 50 === 0) probe.clear();
    }
    expect(count).toBeLessThanOrEqual(200_100);
    expect(probe.state()).toBe("ex-start");
    expect(probe.refused("database-full")).toBe(1);
  });

  test("a neighbor that never acknowledges: a few packets each RxmtInterval, not more", () => {
    const networks = Array.from({ length: 500 }, (_, index) =>
      network(version === 2 ? `192.0.${2 + (index >> 8)}.${index & 255}/32` : `2001:db8:9::${index.toString(16)}/128`),
    );
    const probe = new Probe(version);
    probe.toFull();
    probe.feed({ kind: "configured", plan: { ...probe.plan, networks } });
    probe.clear();
    for (let second = 0; second < 30; second += 10) {
      probe.hello();
      probe.wait(10_000);
    }
    expect(probe.sent("update").length).toBeLessThanOrEqual(9 * 7);
    for (const { packet } of probe.sent("update")) {
      expect(packet.lsas.reduce((sum, lsa) => sum + lsa.raw.length, 0)).toBeLessThan(1500);
    }
  });

  test("what one neighbor does to its adjacency, another does not feel", () => {
    const probe = new Probe(version, { type: "broadcast", priority: 5 });
    const other = version === 2 ? ipv4("10.0.0.8") : ipv6("fe80::8");
    const id = ipv4("1.1.1.8");
    probe.hello({ priority: 0 });
    probe.hello({ priority: 0, routerId: id }, { source: other });
    probe.wait(41_000);
    for (let round = 0; round < 2; round++) {
      probe.hello({ priority: 0 });
      probe.hello({ priority: 0, routerId: id }, { source: other });
    }
    const moves = (): readonly string[] =>
      probe.actions.flatMap((each) => (each.kind === "moved" && each.peer === "1.1.1.8" ? [each.text] : []));
    probe.clear();
    for (let round = 0; round < 50; round++) {
      probe.dd({ init: true, more: true });
      probe.dd({ sequence: 4 + round });
      probe.say({ kind: "request", wanted: [{ type: 1, id: 1, advertisingRouter: 1 as Ipv4 }] });
    }
    expect(moves()).toEqual([]);
  });
});
