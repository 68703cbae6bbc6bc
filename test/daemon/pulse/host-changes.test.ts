/** What else happens to a host while it owns a virtual IP: somebody changes its interface, its addresses, its sysctls. */
import { writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { formatIp, type Ip, ipOfOctets, isIpv4, type Mac } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { decodeEthernet } from "../../../netstack/wire/ethernet.ts";
import { sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { NET } from "../../netstack/kernel/station.ts";
import { Pair, told } from "./pair.ts";

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("pulse, when its host changes", () => {
  test("IPv6 is switched off while owning: the other takes both addresses over, the process lives", async () => {
    await using pair = new Pair();
    const [a, b] = await pair.both();
    switchIpv6(pair, "a", false);
    await b.state("v", "owner");
    await a.until("told", () => told(a, "vip.restore-failed") !== undefined);
    expect(told(a, "vip.restore-failed")).toMatchObject({ address: formatIp(NET.vip6), kept: false });
    await a.until("ineligible", () => a.reports.get("v")?.state === "ineligible");
    expect(a.reports.get("v")?.why).toBe("address-refused");
    expect(pair.answers(NET.vip4)).toEqual(["b"]);
    expect(a.ended).toBeUndefined();
  });

  test("IPv6 is switched off where nobody else is: what works is served, and all of it when it is back", async () => {
    await using pair = new Pair();
    switchIpv6(pair, "a", false);
    const a = pair.start("a");
    await a.state("v", "owner");
    expect(told(a, "vip.claim-failed")).toMatchObject({ address: formatIp(NET.vip6), kept: true });
    expect(pair.answers(NET.vip4, ["a"])).toEqual(["a"]);
    switchIpv6(pair, "a", true);
    await a.until("restored", () => told(a, "vip.address-restored") !== undefined);
    expect(addresses(pair, "a")).toContain(NET.vip6);
    expect(a.reports.get("v")).toMatchObject({ state: "owner", term: 1 });
  });

  test("a candidate that cannot hold all of it serves what works when the other gives it away for good", async () => {
    await using pair = new Pair();
    const [a, b] = await pair.both();
    switchIpv6(pair, "b", false);
    a.send({ kind: "withdraw", handover: 0 });
    // Nobody else is left: `a` is not eligible any more.
    await b.state("v", "owner");
    expect(told(b, "vip.claim-failed")).toMatchObject({ kept: true });
  });

  test("an address that somebody else put there is used, told of, and left there", async () => {
    await using pair = new Pair();
    const { route, index } = pair.host("a");
    route.addAddress({ ip: NET.vip6, prefixLength: 128, index, noDad: true });
    const [a, b] = await pair.both();
    expect(told(a, "vip.address-foreign")).toMatchObject({ address: formatIp(NET.vip6) });
    a.send({ kind: "withdraw", handover: 0 });
    await b.state("v", "owner");
    expect(addresses(pair, "a")).toContain(NET.vip6);
    expect(addresses(pair, "a")).not.toContain(NET.vip4);
    expect(pair.answers(NET.vip6)).toEqual(["b"]);
  });

  test("the interface gets another name: it is gone; by its old name again it is a new one", async ({ skip }) => {
    await using pair = new Pair();
    const [a, b] = await pair.both();
    const { route, index } = pair.host("a");
    try {
      route.changeLink(index, { name: "other" });
    } catch (cause) {
      if (cause instanceof Fault) skip("this kernel renames no interface that is up");
      throw cause;
    }
    await a.state("v", "no-link");
    await b.state("v", "owner");
    expect(addresses(pair, "a")).not.toContain(NET.vip4);
    expect(pair.answers(NET.vip4)).toEqual(["b"]);
    route.changeLink(index, { name: "e0" });
    await a.until("standby", () => a.reports.get("v")?.owner === "b");
    b.send({ kind: "withdraw", handover: 0 });
    await a.state("v", "owner");
    expect(pair.answers(NET.vip4)).toEqual(["a"]);
    expect(pair.answers(NET.vip6)).toEqual(["a"]);
  });

  test("the own address goes and comes back behind the virtual one: heartbeats are never sent from that", async () => {
    await using pair = new Pair();
    const [a, b] = await pair.both();
    const { route, index } = pair.host("a");
    route.deleteAddress(NET.a4, 24, index);
    await a.until("told", () => told(a, "vip.own-address-lost") !== undefined);
    pair.client.drain();
    expect(pair.client.next((frame) => heartbeatFrom(frame, pair.mac("a")))).toMatch(/^fe80::/);
    route.addAddress({ ip: NET.a4, prefixLength: 24, index });
    const first = addresses(pair, "a").filter(isIpv4);
    expect(first).toEqual([NET.vip4, NET.a4]);
    // The next ones may still be on their way over IPv6.
    const four = pair.client.next((frame) => {
      const from = heartbeatFrom(frame, pair.mac("a"));
      return from?.includes(":") === true ? undefined : from;
    });
    expect(four).toBe(formatIp(NET.a4));
    expect(told(b, "vip.heartbeat-refused")).toBeUndefined();
    expect(b.reports.get("v")).toMatchObject({ state: "standby", owner: "a", term: 1 });
  });

  test("changes are lost in a flood while the process stands still: what it holds is put back", async () => {
    await using pair = new Pair();
    const a = pair.start("a", { interval: 1000, multiplier: 4 });
    await a.state("v", "owner", 20_000);
    const { route, index } = pair.host("a");
    a.child.kill("SIGSTOP");
    for (let round = 0; round < 4000; round++) {
      route.addAddress({ ip: NET.b4, prefixLength: 32, index });
      route.deleteAddress(NET.b4, 32, index);
    }
    route.deleteAddress(NET.vip4, 32, index);
    a.child.kill("SIGCONT");
    await a.until("restored", () => told(a, "vip.address-restored") !== undefined);
    expect(addresses(pair, "a")).toContain(NET.vip4);
    expect(a.reports.get("v")).toMatchObject({ state: "owner", term: 1 });
  }, 30_000);
});

function addresses(pair: Pair, name: string): readonly Ip[] {
  const { route, index } = pair.host(name);
  return route.addresses(index).map(({ ip }) => ip);
}

/** Where a heartbeat of this station comes from. */
function heartbeatFrom(frame: Uint8Array, mac: Mac): string | undefined {
  const ethernet = decodeEthernet(frame);
  if (!ethernet.ok || ethernet.value.source !== mac) return undefined;
  const type = (frame[12] ?? 0) * 256 + (frame[13] ?? 0);
  const [source, port] = type === 0x0800 ? [frame.slice(26, 30), 36] : [frame.slice(22, 38), 56];
  if ((type !== 0x0800 && type !== 0x86dd) || (frame[port] ?? 0) * 256 + (frame[port + 1] ?? 0) !== 9477)
    return undefined;
  return formatIp(ipOfOctets(source));
}

function switchIpv6(pair: Pair, name: string, on: boolean): void {
  pair.host(name).do(() => {
    writeFileSync("/proc/sys/net/ipv6/conf/e0/disable_ipv6", on ? "0" : "1");
  });
}
