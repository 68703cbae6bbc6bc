/** A graceful move of a virtual IP: flows that began at the previous owner go on there, new ones begin at the new one. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { formatIp, type Ip, type Ipv4, type Ipv6, isIpv4 } from "../../../base/address.ts";
import { ms } from "../../../base/unit.ts";
import { Fence } from "../../../netstack/kernel/fence.ts";
import { spawnInside } from "../../../netstack/kernel/namespace.ts";
import { Nftables } from "../../../netstack/kernel/nftables.ts";
import { arpAnnouncement } from "../../../netstack/wire/arp.ts";
import { unsolicitedAdvertisement } from "../../../netstack/wire/ndp.ts";
import { type Host, Segment, sweep, UNABLE } from "./segment.ts";
import { NET, Station } from "./station.ts";

const LONG = ms(60_000);
const PORT = 8080;

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("flow handover", () => {
  let opened: Disposable[] = [];
  let children: ChildProcess[] = [];
  afterEach(async () => {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    for (const each of opened.toReversed()) each[Symbol.dispose]();
    opened = [];
    children = [];
  });
  const use = <T extends Disposable>(resource: T): T => {
    opened.push(resource);
    return resource;
  };

  async function start(host: Host, program: string, ...args: readonly string[]): Promise<[ChildProcess, Interface]> {
    const path = new URL(`./programs/${program}.ts`, import.meta.url).pathname;
    const child = spawnInside(host.namespace, process.execPath, [path, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    children.push(child);
    if (child.stdout === null) throw new Error("no output");
    const lines = createInterface({ input: child.stdout });
    await once(lines, "line");
    return [child, lines];
  }

  /** A host that may own the address. */
  class Owner {
    readonly host: Host;
    readonly #fence: Fence;
    readonly #station: Station;
    readonly #vip: Ip;
    constructor(host: Host, vip: Ip) {
      this.host = host;
      this.#vip = vip;
      this.#fence = use(host.do(() => new Fence()));
      this.#fence.install([{ ifname: "e0", address: vip }]);
      this.#station = use(new Station(host.namespace, "e0"));
    }
    handover(previous: Ip): void {
      this.#fence.handover([{ address: this.#vip, previous }], LONG);
    }
    take(previous?: Ip): void {
      const vip = this.#vip;
      if (previous !== undefined) this.handover(previous);
      if (!this.#fence.claim([vip], LONG, LONG, () => true)) throw new Error("the claim was refused");
      const prefixLength = isIpv4(vip) ? 32 : 128;
      this.host.route.addAddress({ ip: vip, prefixLength, index: this.host.index, noDad: true });
      const { mac } = this.#station;
      if (isIpv4(vip)) this.#station.send(arpAnnouncement(mac, vip as Ipv4, "request"));
      else this.#station.send(unsolicitedAdvertisement(mac, vip as Ipv6));
    }
    drain(): void {
      if (this.#fence.drain([this.#vip], LONG).length > 0) throw new Error("the lease had lapsed");
    }
    /** Somebody damages the fence; it is made anew as a whole. */
    repairAfter(damage: string): void {
      use(this.host.do(() => new Nftables())).transaction(damage);
      if (!this.#fence.install([{ ifname: "e0", address: this.#vip }]).changed) throw new Error("nothing to repair");
    }
    get mac(): number {
      return this.#station.mac;
    }
  }

  async function lab(
    vip: Ip,
  ): Promise<{ a: Owner; b: Owner; ask: (line: string) => Promise<string>; ownerSeen: () => unknown }> {
    const segment = use(new Segment({ a: [NET.a4, NET.a6], b: [NET.b4, NET.b6], c: [NET.c4, NET.c6] }));
    const c = segment.host("c");
    const [a, b] = [new Owner(segment.host("a"), vip), new Owner(segment.host("b"), vip)];
    await start(a.host, "line-server", "a", String(PORT));
    await start(b.host, "line-server", "b", String(PORT));
    const [client, lines] = await start(c, "line-client");
    return {
      a,
      b,
      async ask(line) {
        client.stdin?.write(`${line}\n`);
        const [answer] = (await once(lines, "line")) as [string];
        return answer;
      },
      ownerSeen: () => c.route.neighbours().find((each) => each.ip === vip)?.mac,
    };
  }

  test.each([
    { what: "IPv4", vip: NET.vip4, a: NET.a4 },
    { what: "IPv6", vip: NET.vip6, a: NET.a6 },
  ])("$what: a connection to the previous owner goes on through the new one, new ones are served by it", async (ip) => {
    const { a, b, ask, ownerSeen } = await lab(ip.vip);
    const target = `${formatIp(ip.vip)} ${PORT}`;
    a.take();
    expect(await ask(`open one ${target}`)).toBe("one opened");
    expect(await ask("say one hello")).toBe("one heard a:hello");
    a.drain();
    b.take(ip.a);
    expect(ownerSeen()).toBe(b.mac);
    expect(await ask("say one again")).toBe("one heard a:again");
    expect(await ask(`open two ${target}`)).toBe("two opened");
    expect(await ask("say two hello")).toBe("two heard b:hello");
    expect(await ask("say one more")).toBe("one heard a:more");
    expect(await ask("say two more")).toBe("two heard b:more");
    // Segments that the new owner receives joined (GRO) are passed on whole.
    const long = "x".repeat(300_000);
    expect(await ask(`say one ${long}`)).toBe(`one heard a:${long}`);
    expect(ownerSeen()).toBe(b.mac);
  });

  test("a move there and back: each owner goes on with its own connections", async () => {
    const { a, b, ask, ownerSeen } = await lab(NET.vip4);
    const target = `${formatIp(NET.vip4)} ${PORT}`;
    a.take();
    expect(await ask(`open one ${target}`)).toBe("one opened");
    a.drain();
    b.take(NET.a4);
    expect(await ask(`open two ${target}`)).toBe("two opened");
    b.drain();
    a.take(NET.b4);
    expect(ownerSeen()).toBe(a.mac);
    expect(await ask("say one hello")).toBe("one heard a:hello");
    expect(await ask("say two hello")).toBe("two heard b:hello");
    expect(await ask(`open three ${target}`)).toBe("three opened");
    expect(await ask("say three hello")).toBe("three heard a:hello");
  });

  test.each([
    { what: "IPv4", vip: NET.vip4, a: NET.a4 },
    { what: "IPv6", vip: NET.vip6, a: NET.a6 },
  ])("$what: a handover that begins after the claim knows the connections that began in between", async (ip) => {
    const { a, b, ask } = await lab(ip.vip);
    const target = `${formatIp(ip.vip)} ${PORT}`;
    a.take();
    expect(await ask(`open one ${target}`)).toBe("one opened");
    a.drain();
    b.take();
    expect(await ask(`open two ${target}`)).toBe("two opened");
    b.handover(ip.a);
    expect(await ask("say two hello")).toBe("two heard b:hello");
    expect(await ask("say one hello")).toBe("one heard a:hello");
    b.repairAfter("flush chain ip novaedge_vip from_guarded");
    expect(await ask("say one again")).toBe("one heard a:again");
    expect(await ask("say two again")).toBe("two heard b:again");
  });

  test("without a handover a connection to the previous owner is reset by the new one", async () => {
    const { a, b, ask } = await lab(NET.vip4);
    a.take();
    expect(await ask(`open one ${formatIp(NET.vip4)} ${PORT}`)).toBe("one opened");
    a.drain();
    b.take();
    expect(await ask("say one again")).toBe("one closed ECONNRESET");
  });
});
