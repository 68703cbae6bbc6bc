/** Behaviour discovery against a model of each NAT and of a server with two addresses, under a virtual clock. */
import { describe, expect, test } from "vitest";
import { ipv4 } from "../../../base/address.ts";
import { type Instant, instant } from "../../../base/unit.ts";
import { Discovery, type DiscoverySpec } from "../../../netstack/stun/discovery.ts";
import { decodeStun, type StunAddress, type StunMessage } from "../../../netstack/stun/packet.ts";
import type { Behavior } from "../../../netstack/stun/plan.ts";

const LOCAL: StunAddress = { ip: ipv4("192.168.1.10"), port: 51_820 };
const OUTSIDE = ipv4("203.0.113.11");
const SERVER: StunAddress = { ip: ipv4("203.0.113.1"), port: 3478 };
const OTHER: StunAddress = { ip: ipv4("203.0.113.2"), port: 3479 };
const PLAIN: StunAddress = { ip: ipv4("198.51.100.1"), port: 3478 };

const KINDS = ["endpoint-independent", "address-dependent", "address-and-port-dependent"] as const;
type Kind = (typeof KINDS)[number];

interface Model {
  /** undefined: no NAT. */
  readonly mapping: Kind | undefined;
  readonly filtering: Kind | "none";
  /** Servers that answer; those with another address tell it. */
  readonly servers?: readonly StunAddress[];
  readonly knowsOther?: boolean;
  /** Answers lost, one after the other, before the first one arrives. */
  readonly losses?: number;
}

const scope = (kind: Kind | "none", { ip, port }: StunAddress): string =>
  kind === "address-and-port-dependent" ? `${ip}:${port}` : kind === "address-dependent" ? `${ip}` : "";

function discover(model: Model, spec: Partial<DiscoverySpec> = {}): { behavior: Behavior; sent: number; at: Instant } {
  const { mapping, filtering, servers = [SERVER, OTHER], knowsOther = true } = model;
  let now = instant(0);
  let ids = 0;
  let lost = 0;
  let sent = 0;
  const ports = new Map<string, number>();
  const open = new Set<string>();
  const mapped = (to: StunAddress): StunAddress => {
    if (mapping === undefined) return LOCAL;
    const where = scope(mapping, to);
    if (!ports.has(where)) ports.set(where, 40_000 + ports.size);
    return { ip: OUTSIDE, port: ports.get(where) ?? 0 };
  };
  const answer = (to: StunAddress, request: StunMessage): StunMessage | undefined => {
    open.add(scope(filtering, to));
    const there = servers.some(({ ip }) => ip === to.ip) && [SERVER.port, OTHER.port].includes(to.port);
    if (!there || lost++ < (model.losses ?? 0)) return undefined;
    const across = to.ip === SERVER.ip ? OTHER.ip : SERVER.ip;
    const from = {
      ip: request.change?.ip === true ? across : to.ip,
      port: request.change?.port === true ? (to.port === SERVER.port ? OTHER.port : SERVER.port) : to.port,
    };
    if (filtering !== "none" && !open.has(scope(filtering, from))) return undefined;
    const other = knowsOther ? { ip: across, port: to.port === SERVER.port ? OTHER.port : SERVER.port } : undefined;
    return { ...request, class: "success", change: undefined, mapped: mapped(to), other, origin: from };
  };
  const discovery = new Discovery(
    {
      servers: [SERVER],
      local: LOCAL,
      filtering: true,
      random: () => Uint8Array.from({ length: 12 }, () => ids++ & 0xff),
      ...spec,
    },
    now,
  );
  for (let steps = 0; discovery.result === undefined; steps++) {
    expect(steps).toBeLessThan(500);
    for (const { to, bytes } of discovery.wake(now)) {
      sent++;
      const request = decodeStun(bytes);
      if (!request.ok) throw new TypeError("a request that cannot be read");
      const response = answer(to, request.value);
      if (response !== undefined) discovery.received(response, response.origin ?? to, now);
    }
    now = instant(Math.max(discovery.due ?? now, now));
  }
  return { behavior: discovery.result, sent, at: now };
}

describe("NAT behaviour (RFC 5780)", () => {
  test.each(KINDS.flatMap((mapping) => KINDS.map((filtering) => ({ mapping, filtering }))))(
    "§4.3, §4.4: $mapping mapping, $filtering filtering",
    (model) => {
      const { behavior } = discover(model);
      expect(behavior).toMatchObject({ ...model, mapped: { ip: OUTSIDE } });
    },
  );

  test("§4.3: no NAT, and no filter; no NAT behind a firewall", () => {
    expect(discover({ mapping: undefined, filtering: "none" }).behavior).toMatchObject({
      mapped: LOCAL,
      mapping: "none",
      filtering: "none",
    });
    const walled = discover({ mapping: undefined, filtering: "address-and-port-dependent" }).behavior;
    expect(walled).toMatchObject({ mapping: "none", filtering: "address-and-port-dependent" });
  });

  test("filtering is not asked when it is not wanted: nothing waits for answers that cannot come", () => {
    const wanted = discover({ mapping: "endpoint-independent", filtering: "address-and-port-dependent" });
    const quick = discover(
      { mapping: "endpoint-independent", filtering: "address-and-port-dependent" },
      { filtering: false },
    );
    expect(quick.behavior).toMatchObject({ mapping: "endpoint-independent", filtering: "unknown" });
    expect(quick.at).toBe(0);
    expect(wanted.at).toBeGreaterThan(1000);
  });

  test("servers of one address each tell whether the mapping depends on it", () => {
    const servers = [SERVER, PLAIN];
    const model = { filtering: "address-and-port-dependent", servers, knowsOther: false } as const;
    const same = discover({ ...model, mapping: "endpoint-independent" }, { servers });
    expect(same.behavior).toMatchObject({ mapping: "endpoint-independent", filtering: "unknown" });
    const different = discover({ ...model, mapping: "address-dependent" }, { servers });
    expect(different.behavior.mapping).toBe("address-and-port-dependent");
    expect(different.behavior.ports.length).toBe(2);
  });

  test("one server of one address: the mapped address and nothing more", () => {
    const model = { mapping: "endpoint-independent", filtering: "address-dependent", knowsOther: false } as const;
    const { behavior } = discover({ ...model, servers: [SERVER] });
    expect(behavior).toMatchObject({
      mapped: { ip: OUTSIDE },
      mapping: "unknown",
      why: "the server has one address only",
    });
  });

  test("RFC 8489 §6.2.1: lost answers are asked for again; the next server is tried, and in the end it is said", () => {
    const model = { mapping: "endpoint-independent", filtering: "address-and-port-dependent" } as const;
    expect(discover({ ...model, losses: 2 }).behavior.mapping).toBe("endpoint-independent");
    const next = discover(model, { servers: [PLAIN, SERVER] });
    expect(next.behavior.mapping).toBe("endpoint-independent");
    expect(discover({ ...model, servers: [] }).behavior).toMatchObject({
      mapped: undefined,
      mapping: "unknown",
      why: "no server answers",
    });
  });

  test("answers to others, and second answers, are not taken", () => {
    let ids = 0;
    const discovery = new Discovery(
      { servers: [SERVER], local: LOCAL, filtering: false, random: () => new Uint8Array(12).fill(++ids) },
      instant(0),
    );
    discovery.wake(instant(0));
    const success = (transaction: Uint8Array): StunMessage => ({
      class: "success",
      method: 1,
      transaction,
      mapped: LOCAL,
      other: undefined,
      origin: undefined,
      change: undefined,
      error: undefined,
      software: undefined,
      proof: undefined,
    });
    expect(discovery.received(success(new Uint8Array(12).fill(9)), SERVER, instant(1))).toBe(false);
    const right = success(new Uint8Array(12).fill(1));
    expect(discovery.received({ ...right, class: "request" }, SERVER, instant(1))).toBe(false);
    // From whom nobody asked: another host, and another port of the server's.
    expect(discovery.received(right, PLAIN, instant(1))).toBe(false);
    expect(discovery.received(right, { ...SERVER, port: 1 }, instant(1))).toBe(false);
    expect(discovery.received(right, SERVER, instant(1))).toBe(true);
    expect(discovery.received(right, SERVER, instant(2))).toBe(false);
    expect(discovery.result).toMatchObject({ mapping: "none" });
  });
});
