/** Pulse processes in namespaces on one bridge: what a client on the segment sees of them. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { formatIp, formatMac, type Ip, isIpv4, type Mac } from "../../../base/address.ts";
import { ADDRESS_PROTOCOL, VIP_TABLE } from "../../../netstack/kernel/marks.ts";
import { spawnInside } from "../../../netstack/kernel/namespace.ts";
import { Nftables } from "../../../netstack/kernel/nftables.ts";
import type { SegmentPlan } from "../../../netstack/vip/plan.ts";
import { type Host, Segment, sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { answerIn, NET, Station } from "../../netstack/kernel/station.ts";
import { planOf, VIP } from "./pair.ts";
import { PulseHost } from "./pulse-host.ts";

const CLIENT = { ip4: NET.c4, ip6: NET.c6 };
const OWN: Readonly<Record<string, readonly Ip[]>> = { a: [NET.a4, NET.a6], b: [NET.b4, NET.b6] };
const PORT = 8080;

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("pulse", () => {
  const opened: (Disposable | AsyncDisposable)[] = [];
  const children: ChildProcess[] = [];
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    for (const each of opened.splice(0).toReversed()) {
      if (Symbol.asyncDispose in each) await each[Symbol.asyncDispose]();
      else each[Symbol.dispose]();
    }
  });
  const use = <T extends Disposable | AsyncDisposable>(resource: T): T => {
    opened.push(resource);
    return resource;
  };

  class Lab {
    readonly segment: Segment;
    readonly client: Station;
    readonly pulses = new Map<string, PulseHost>();

    constructor(hosts: Readonly<Record<string, readonly Ip[]>> = OWN) {
      this.segment = use(new Segment({ ...hosts, c: [NET.c4, NET.c6] }));
      this.client = use(new Station(this.host("c").namespace, "e0"));
    }

    host(name: string): Host {
      return this.segment.host(name);
    }
    pulse(name: string): PulseHost {
      const pulse = this.pulses.get(name);
      if (pulse === undefined) throw new Error(`no pulse on ${name}`);
      return pulse;
    }
    mac(name: string): number {
      const mac = this.host(name).route.link("e0")?.mac;
      if (mac === undefined) throw new Error(`no MAC on ${name}`);
      return mac;
    }
    async start(name: string, changes: Partial<SegmentPlan> = {}): Promise<PulseHost> {
      const pulse = use(new PulseHost(this.host(name).namespace));
      this.pulses.set(name, pulse);
      await pulse.until("hello", () => pulse.messages.some((each) => each.kind === "hello"));
      pulse.send({ kind: "plan", plan: planOf(name, changes) });
      return pulse;
    }
    /** Both run; the owner's name and the other's. */
    async both(changes: Partial<SegmentPlan> = {}): Promise<[string, string]> {
      const [a, b] = await Promise.all([this.start("a", changes), this.start("b", changes)]);
      const owned = (pulse: PulseHost): boolean => pulse.reports.get("v")?.state === "owner";
      const known = (pulse: PulseHost): boolean => pulse.reports.get("v")?.owner !== undefined;
      await Promise.race([a.state("v", "owner"), b.state("v", "owner")]);
      await Promise.all([a.until("owner known", () => known(a)), b.until("owner known", () => known(b))]);
      return owned(a) ? ["a", "b"] : ["b", "a"];
    }
    /**
     * The names of all hosts whose kernel answers, for each family.  Each host is asked for its own address after the
     * virtual one: what it has not answered before that, it does not answer.
     */
    answers(asked: readonly string[] = ["a", "b"]): readonly (readonly string[])[] {
      return [NET.vip4, NET.vip6].map((vip) => {
        const macs = asked.map((name) => this.client.whoHas(vip, OWN[name]?.[isIpv4(vip) ? 0 : 1] ?? vip, CLIENT));
        return asked.filter((name) => macs.includes(this.mac(name) as Mac));
      });
    }
    nft(name: string, script: string): void {
      using nft = this.host(name).do(() => new Nftables());
      nft.transaction(script);
    }
  }

  test("one of two claims, answers for both families, and is named by the other", async () => {
    const lab = new Lab();
    const [owner, standby] = await lab.both();
    expect(lab.answers()).toEqual([[owner], [owner]]);
    expect(lab.pulse(standby).reports.get("v")).toMatchObject({ state: "standby", owner });
    const added = lab.host(owner).route.addresses(lab.host(owner).index);
    expect(added.filter((each) => each.protocol === ADDRESS_PROTOCOL).map((each) => each.ip)).toEqual([
      NET.vip4,
      NET.vip6,
    ]);
    expect(added.find((each) => each.ip === NET.vip6)?.tentative).toBe(false);
  });

  test("kill -9: the other takes over; the dead one's address stays and is silent; a new process sweeps it", async () => {
    const lab = new Lab();
    const [owner, standby] = await lab.both();
    lab.pulse(owner).child.kill("SIGKILL");
    await lab.pulse(standby).state("v", "owner");
    expect(lab.answers()).toEqual([[standby], [standby]]);
    const held = (): readonly Ip[] =>
      lab
        .host(owner)
        .route.addresses(lab.host(owner).index)
        .filter((each) => each.protocol === ADDRESS_PROTOCOL)
        .map(({ ip }) => ip);
    expect(held()).toEqual([NET.vip4, NET.vip6]);
    const again = await lab.start(owner);
    await again.state("v", "standby");
    expect(held()).toEqual([]);
    expect(again.reports.get("v")).toMatchObject({ owner: standby });
    expect(lab.pulse(standby).reports.get("v")).toMatchObject({ state: "owner", term: 2 });
  });

  test("freeze and wake: the other takes over; the sleeper stands by and announces nothing", async () => {
    const lab = new Lab();
    const [owner, standby] = await lab.both();
    lab.pulse(owner).child.kill("SIGSTOP");
    await lab.pulse(standby).state("v", "owner");
    expect(lab.answers()).toEqual([[standby], [standby]]);
    lab.client.drain();
    lab.pulse(owner).child.kill("SIGCONT");
    await lab.pulse(owner).until("stands by", () => lab.pulse(owner).reports.get("v")?.owner === standby);
    const said = lab.client.next((frame) => {
      const answer = answerIn(frame);
      const virtual = answer?.ip === NET.vip4 || answer?.ip === NET.vip6;
      return virtual && answer.mac === lab.mac(owner) ? formatMac(answer.mac) : undefined;
    }, 300);
    expect(said).toBeUndefined();
    expect(lab.answers()).toEqual([[standby], [standby]]);
  });

  test("heartbeats filtered both ways: the owner's kernel answers probes, nothing moves; then it dies and is found dead", async () => {
    const lab = new Lab();
    const [owner, standby] = await lab.both();
    for (const name of ["a", "b"]) {
      lab.nft(name, "table inet test { chain in { type filter hook input priority 0; udp dport 9477 drop; }; }\n");
    }
    const watching = lab.pulse(standby);
    await watching
      .until("owner answers", () => watching.reports.get("v")?.why === "owner-answers")
      .catch((error: unknown) => {
        throw new Error(JSON.stringify(lab.pulse(owner).messages), { cause: error });
      });
    expect(lab.answers()).toEqual([[owner], [owner]]);
    lab.pulse(owner).child.kill("SIGKILL");
    await watching.state("v", "owner");
    expect(lab.answers()).toEqual([[standby], [standby]]);
  });

  test("carrier lost: no-link here, taken over there, and back as standby", async () => {
    const lab = new Lab();
    const [owner, standby] = await lab.both();
    lab.host(owner).route.changeLink("e0", { up: false });
    await lab.pulse(owner).state("v", "no-link");
    await lab.pulse(standby).state("v", "owner");
    lab.host(owner).route.changeLink("e0", { up: true });
    await lab.pulse(owner).until("standby", () => lab.pulse(owner).reports.get("v")?.owner === standby);
    expect(lab.answers([standby])).toEqual([[standby], [standby]]);
  });

  test("RFC 5227 §2.1.1: an address in use is not claimed, and its station is named", async () => {
    const lab = new Lab();
    const c = lab.host("c");
    c.route.addAddress({ ip: NET.vip4, prefixLength: 32, index: c.index });
    const a = await lab.start("a");
    await a.state("v", "conflict");
    expect(a.reports.get("v")?.conflictWith).toBe(formatMac(lab.client.mac));
    c.route.deleteAddress(NET.vip4, 32, c.index);
    await a.state("v", "owner", 12_000);
  });

  test("withdraw: connections of both families survive on the predecessor, new ones go to the successor", async () => {
    const lab = new Lab();
    const [owner, standby] = await lab.both();
    for (const name of ["a", "b"]) await program(lab.host(name), "line-server", name, String(PORT));
    const [client, lines] = await program(lab.host("c"), "line-client");
    const ask = async (line: string): Promise<string> => {
      client.stdin?.write(`${line}\n`);
      const [answer] = (await once(lines, "line")) as [string];
      return answer;
    };
    for (const [id, vip] of [
      ["four", NET.vip4],
      ["six", NET.vip6],
    ] as const) {
      expect(await ask(`open ${id} ${formatIp(vip)} ${PORT}`)).toBe(`${id} opened`);
      expect(await ask(`say ${id} hello`)).toBe(`${id} heard ${owner}:hello`);
    }
    const leaving = lab.pulse(owner);
    leaving.send({ kind: "withdraw", handover: 10_000 });
    await leaving.until("withdrawn", () => leaving.messages.some((each) => each.kind === "withdrawn"));
    await lab.pulse(standby).state("v", "owner");
    expect(lab.answers()).toEqual([[standby], [standby]]);
    for (const [id, vip] of [
      ["four", NET.vip4],
      ["six", NET.vip6],
    ] as const) {
      expect(await ask(`say ${id} again`)).toBe(`${id} heard ${owner}:again`);
      expect(await ask(`open new-${id} ${formatIp(vip)} ${PORT}`)).toBe(`new-${id} opened`);
      expect(await ask(`say new-${id} hello`)).toBe(`new-${id} heard ${standby}:hello`);
    }
    leaving.send({ kind: "stop" });
    await ended(leaving);
    expectNothingLeft(lab.host(owner));
  });

  test("control dies (the channel ends): the peer takes over at once, the process ends, nothing of ours is left", async () => {
    const lab = new Lab();
    const [owner, standby] = await lab.both();
    lab.pulse(owner).hangUp();
    await lab.pulse(standby).state("v", "owner");
    // Released to it or, when it was not ready, free; dead would mean that nobody said anything.
    expect(lab.pulse(standby).reports.get("v")?.why).toMatch(/^(released-to-us|was-free)$/);
    await ended(lab.pulse(owner));
    expectNothingLeft(lab.host(owner));
  });

  test("not healthy: released at once; healthy again: stands by", async () => {
    const lab = new Lab();
    const [owner, standby] = await lab.both();
    lab
      .pulse(owner)
      .send({ kind: "plan", plan: planOf(owner, { vips: [{ ...VIP, eligible: false, why: "BACKENDS_DOWN" }] }) });
    await lab.pulse(owner).state("v", "ineligible");
    expect(lab.pulse(owner).reports.get("v")?.why).toBe("BACKENDS_DOWN");
    await lab.pulse(standby).state("v", "owner");
    lab.pulse(owner).send({ kind: "plan", plan: planOf(owner) });
    await lab.pulse(owner).state("v", "standby");
    expect(lab.answers()).toEqual([[standby], [standby]]);
  });

  test("somebody flushes the ruleset or takes the address away: both come back, the owner stays", async () => {
    const lab = new Lab();
    const [owner] = await lab.both();
    const { route, index } = lab.host(owner);
    lab.nft(owner, "flush ruleset\n");
    route.deleteAddress(NET.vip4, 32, index);
    const pulse = lab.pulse(owner);
    await pulse.until("restored", () =>
      pulse.messages.some((each) => each.kind === "event" && each.name === "vip.address-restored"),
    );
    await pulse.until("fence", () =>
      pulse.messages.some((each) => each.kind === "event" && each.name === "vip.fence-repaired"),
    );
    expect(tables(lab.host(owner))).toBeGreaterThan(0);
    expect(lab.answers()).toEqual([[owner], [owner]]);
    expect(pulse.reports.get("v")).toMatchObject({ state: "owner", term: 1 });
  });

  test("unicast peers: no datagram goes to the group", async () => {
    const lab = new Lab();
    const [owner, standby] = await lab.both({ peers: [formatIp(NET.a4), formatIp(NET.b4)] });
    lab.client.drain();
    lab.pulse(owner).child.kill("SIGKILL");
    await lab.pulse(standby).state("v", "owner");
    const heartbeat = lab.client.next((frame) => (isHeartbeat(frame) ? true : undefined), 300);
    expect(heartbeat).toBeUndefined();
  });

  test("a segment without IPv4: heartbeats by link-local IPv6, one owner, taken over", async () => {
    const lab = new Lab({ a: [NET.a6], b: [NET.b6] });
    const changes = { witnesses: [formatIp(NET.c6)], vips: [{ ...VIP, address4: undefined }] };
    const [owner, standby] = await lab.both(changes);
    const peers = lab.pulse(standby).messages.flatMap((each) => (each.kind === "peer" ? [each.peer.address] : []));
    expect(peers[0]).toMatch(/^fe80::/);
    expect(lab.client.whoHas(NET.vip6, owner === "a" ? NET.a6 : NET.b6, CLIENT)).toBe(lab.mac(owner));
    lab.pulse(owner).child.kill("SIGKILL");
    await lab.pulse(standby).state("v", "owner");
    expect(lab.client.whoHas(NET.vip6, standby === "a" ? NET.a6 : NET.b6, CLIENT)).toBe(lab.mac(standby));
  });

  test("10 ms x 3: taken over, and nothing moves while a processor hog runs beside", async () => {
    const lab = new Lab();
    const [owner, standby] = await lab.both({ interval: 10 });
    const hog = spawnInside(lab.host("c").namespace, process.execPath, ["-e", "for (;;);"], { stdio: "ignore" });
    children.push(hog);
    const before = lab.pulse(standby).messages.length;
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const moved = lab
      .pulse(standby)
      .messages.slice(before)
      .filter((each) => each.kind === "vip" && each.vip.owner !== owner);
    expect(moved).toEqual([]);
    lab.pulse(owner).child.kill("SIGKILL");
    await lab.pulse(standby).state("v", "owner");
    expect(lab.answers()).toEqual([[standby], [standby]]);
  });

  async function program(host: Host, name: string, ...args: readonly string[]): Promise<[ChildProcess, Interface]> {
    const path = new URL(`../../netstack/kernel/programs/${name}.ts`, import.meta.url).pathname;
    const child = spawnInside(host.namespace, process.execPath, [path, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    children.push(child);
    if (child.stdout === null) throw new Error("no output");
    const lines = createInterface({ input: child.stdout });
    await once(lines, "line");
    return [child, lines];
  }
});

async function ended(pulse: PulseHost): Promise<void> {
  if (pulse.child.exitCode === null && pulse.child.signalCode === null) await once(pulse.child, "exit");
  expect(pulse.child.exitCode).toBe(0);
}

/** UDP over IPv4 or IPv6 to our port. */
function isHeartbeat(frame: Uint8Array): boolean {
  const type = (frame[12] ?? 0) * 256 + (frame[13] ?? 0);
  const at = type === 0x0800 ? 14 + ((frame[14] ?? 0) & 15) * 4 : type === 0x86dd ? 54 : undefined;
  return at !== undefined && (frame[at + 2] ?? 0) * 256 + (frame[at + 3] ?? 0) === 9477;
}

function expectNothingLeft({ route, index, ...host }: Host): void {
  expect(route.addresses(index).filter((each) => each.protocol === ADDRESS_PROTOCOL)).toEqual([]);
  expect(tables({ route, index, ...host })).toBe(0);
}

function tables(host: Host): number {
  using nft = host.do(() => new Nftables());
  return nft.listTables(VIP_TABLE).length;
}
