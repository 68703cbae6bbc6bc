/** Ports on the loopback interface with a STUN server of ours and a clock of ours: what moves, and what cannot be bound. */
import { describe, expect, test } from "vitest";
import { ipOf } from "../../../../base/address.ts";
import { SILENT } from "../../../../base/log.ts";
import { type Instant, instant } from "../../../../base/unit.ts";
import type { Datagrams, Loop } from "../../../../netstack/kernel/loop.ts";
import { openLoop } from "../../../../netstack/kernel/open-loop.ts";
import { openUdp } from "../../../../netstack/kernel/sockets.ts";
import { nameOf } from "../../../../netstack/kernel/stream-socket.ts";
import { decodeStun, encodeBindingSuccess, type StunAddress } from "../../../../netstack/stun/packet.ts";
import { Ports } from "../../../../sdwan/nat/driver/ports.ts";
import type { LinkSight } from "../../../../sdwan/nat/driver/sights.ts";
import { type Host, Segment, UNABLE } from "../../../netstack/kernel/segment.ts";

const MAPPED: StunAddress = { ip: ipOf("203.0.113.5"), port: 4000 };
const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)("ports of tunnels (raw sockets need root)", () => {
  test("an address that cannot be bound keeps nobody from asking, nor makes anybody ask all the time", () => {
    using world = new World();
    world.ports.links([sight(["127.0.0.1", "2001:db8::77"])]);
    world.pass(30_000);
    expect(world.mapped()).toEqual([MAPPED]);
    expect(world.asked).toBe(1);
  });

  test("a link that has IPv6 alone is asked about by IPv6: what it meets is known, not assumed", () => {
    using world = new World(ipOf("::1"));
    world.tells = { ip: ipOf("2001:db8::5"), port: 4000 };
    world.ports.links([sight(["::1"])]);
    world.pass(5_000);
    expect(world.asked).toBe(1);
    expect(world.mapped()).toEqual([world.tells]);
    // With servers of the other family alone there is nobody to ask.
    using other = new World();
    other.ports.links([sight(["::1"])]);
    other.pass(5_000);
    expect([other.asked, other.mapped()]).toEqual([0, []]);
  });

  test("of several addresses one that can be bound does", () => {
    using world = new World();
    world.ports.links([sight(["198.51.100.77", "127.0.0.1"])]);
    world.pass(5_000);
    expect(world.mapped()).toEqual([MAPPED]);
  });

  test("where a link was seen at another address is told to nobody any more", () => {
    using world = new World();
    world.ports.links([sight(["127.0.0.1"])]);
    world.pass(5_000);
    expect(world.mapped()).toEqual([MAPPED]);
    world.answers = false;
    world.ports.links([sight(["127.0.0.3"])]);
    world.pass(5_000);
    expect(world.mapped()).toEqual([]);
  });

  test("what servers told stands while they are away for a moment, not for ever", () => {
    using world = new World();
    world.ports.links([sight(["127.0.0.1"])]);
    world.pass(5_000);
    world.answers = false;
    world.ports.again();
    world.pass(20_000);
    expect(world.mapped()).toEqual([MAPPED]);
    world.pass(120_000);
    expect(world.mapped()).toEqual([]);
  });

  test("an answer that no address of a host is in is offered to nobody", () => {
    using world = new World();
    world.tells = { ip: ipOf("127.0.0.1"), port: 0 };
    world.ports.links([sight(["127.0.0.1"])]);
    world.pass(5_000);
    expect(world.asked).toBeGreaterThan(0);
    expect(world.ports.end("nv-test").candidates).toEqual([]);
  });
});

test.skipIf(UNABLE !== undefined)("an interface that is made anew between two looks has sockets again", () => {
  const [here, there] = [ipOf("192.0.2.1"), ipOf("192.0.2.2")];
  using segment = new Segment({ a: [here], s: [there] });
  const [host, far] = [segment.hosts.get("a"), segment.hosts.get("s")];
  if (host === undefined || far === undefined) throw new TypeError("two hosts");
  using world = new World(there, far);
  const links = [{ ...sight(["192.0.2.1"]), ifname: "e0" }];
  host.do(() => world.ports.links(links));
  host.do(() => world.pass(5_000));
  expect(world.mapped()).toEqual([MAPPED]);
  host.route.deleteLink("e0");
  segment.attach("a2", host, "e0", [here]);
  // To whoever looks at links all is as before.
  host.do(() => world.ports.links(links));
  const asked = world.asked;
  host.do(() => world.ports.again());
  host.do(() => world.pass(40_000));
  expect(world.asked).toBeGreaterThan(asked);
  expect(world.ports.raw("isp1", there)?.send(new Uint8Array(1), 51_820, { ip: there, port: 9 })).toBe(0);
});

test.skipIf(UNABLE !== undefined)(
  "a stranger's answers change nothing: of before, forged, cut, from elsewhere, and when nobody asks",
  () => {
    const [here, there, other] = [ipOf("192.0.2.1"), ipOf("192.0.2.2"), ipOf("192.0.2.3")];
    using segment = new Segment({ a: [here], s: [there], x: [other] });
    const [host, far, third] = ["a", "s", "x"].map((name) => segment.hosts.get(name));
    if (host === undefined || far === undefined || third === undefined) throw new TypeError("three hosts");
    using world = new World(there, far);
    const lie: StunAddress = { ip: ipOf("192.0.2.66"), port: 6666 };
    const silent = { received: () => undefined };
    // The tunnel's own socket; and who sees the questions, but is not who was asked.
    using _owner = world.loop.datagrams(
      host.do(() => openUdp({ bind: { ip: here, port: 51_820 } })),
      silent,
    );
    using elsewhere = world.loop.datagrams(
      third.do(() => openUdp({ bind: { ip: other, port: 0 } })),
      silent,
    );
    const asked: Uint8Array[] = [];
    const liar = (id: Uint8Array): Uint8Array => encodeBindingSuccess(id, lie);
    // Before each true answer.
    world.interfere = (server, transaction, to) => {
      const forged = liar(transaction).slice();
      forged[forged.length - 12] = (forged[forged.length - 12] ?? 0) ^ 1; // of the address; FINGERPRINT tells
      for (const each of [...asked.map(liar), liar(transaction.map((octet) => octet ^ 1)), forged])
        server.send(each, to);
      server.send(liar(transaction).subarray(0, 28), to);
      elsewhere.send(liar(transaction), to);
      asked.push(transaction.slice());
    };
    host.do(() => world.ports.links([{ ...sight(["192.0.2.1"]), ifname: "e0" }]));
    host.do(() => world.pass(5_000));
    expect(world.mapped()).toEqual([MAPPED]);
    let told = 0;
    world.changed = () => told++;
    // Nobody asks now; every question there ever was is answered.
    for (const id of asked) world.say(liar(id));
    host.do(() => world.pass(1_000));
    expect([world.mapped(), told, asked.length]).toEqual([[MAPPED], 0, 1]);
    // The next look begins among answers to the last one.
    host.do(() => world.ports.again());
    host.do(() => world.pass(5_000));
    expect([world.mapped(), asked.length]).toEqual([[MAPPED], 2]);
  },
);

class World implements Disposable {
  readonly loop: Loop = openLoop({ engine: "epoll", chunks: 16, log: SILENT });
  readonly #server: Datagrams;
  /** Where the port of the tunnel is, for the server. */
  #client: Uint8Array | undefined;
  #now: Instant = instant(1_000_000);
  readonly ports: Ports;
  readonly #questions = new Set<string>();
  answers = true;
  /** Called before each answer of the server. */
  interfere: (server: Datagrams, transaction: Uint8Array, to: Uint8Array) => void = () => undefined;
  changed: () => void = () => undefined;
  tells = MAPPED;

  constructor(ip = ipOf("127.0.0.1"), where: Pick<Host, "do"> = { do: (run) => run() }) {
    this.loop.now = () => this.#now;
    const fd = where.do(() => openUdp({ bind: { ip, port: 0 } }));
    const at = { ip, port: nameOf(fd)?.port ?? 0 };
    this.#server = this.loop.datagrams(fd, {
      received: (socket, bytes, { from }) => {
        const question = decodeStun(bytes);
        if (!question.ok) return;
        this.#questions.add(Buffer.from(question.value.transaction).toString("hex"));
        this.#client = from.slice();
        this.interfere(socket, question.value.transaction, from.slice());
        if (this.answers) socket.send(encodeBindingSuccess(question.value.transaction, this.tells), from.slice());
      },
    });
    this.ports = new Ports({
      loop: this.loop,
      received: () => undefined,
      changed: () => this.changed(),
      behavior: () => undefined,
    });
    this.ports.plan([{ ifname: "nv-test", link: "isp1", listenPort: 51_820 }], 300_000);
    this.ports.servers([at]);
  }

  get asked(): number {
    return this.#questions.size;
  }

  mapped(): readonly StunAddress[] {
    return this.ports.end("nv-test").candidates.flatMap(({ at, kind }) => (kind === "mapped" ? [at] : []));
  }

  /** From the server to the tunnel's port. */
  say(bytes: Uint8Array): void {
    if (this.#client === undefined) throw new TypeError("nobody has asked yet");
    this.#server.send(bytes, this.#client);
  }

  pass(time: number): void {
    for (const end = this.#now + time; this.#now < end; this.#now = instant(this.#now + 250)) {
      this.ports.wake(this.#now);
      for (let turn = 0; turn < 4; turn++) this.loop.turn(false);
    }
  }

  [Symbol.dispose](): void {
    this.ports[Symbol.dispose]();
    this.#server[Symbol.dispose]();
    this.loop[Symbol.dispose]();
  }
}

function sight(addresses: readonly string[]): LinkSight {
  return { name: "isp1", ifname: "lo", mark: 1, up: true, addresses: addresses.map(ipOf), publicIp: undefined };
}
