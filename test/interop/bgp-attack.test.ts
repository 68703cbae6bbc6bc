/**
 * A speaker under attack by one of its peers: what is malformed is answered as the RFCs say, what is too much is bounded,
 * the reason is in the report, and the other peer (BIRD, with the shortest hold time) never notices.
 */
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Lab } from "../../lab/build.ts";
import { type Bird, startBird } from "../../lab/peers/bird.ts";
import { missing } from "../../lab/peers/installed.ts";
import { until } from "../../lab/peers/until.ts";
import type { Running } from "../../lab/process.ts";
import type { AttackNews, AttackOrder } from "../../lab/programs/bgp-attacker.ts";
import type { BgpPeerSpec } from "../../netstack/bgp/plan.ts";
import { bgpLab, bgpOf, family, networkOf, peerOf, planOf, RoutingUnderTest } from "./bgp-router.ts";

const why = missing("bird");
const MARKER = "ff".repeat(16);
/** A message of `type` with `body`, and the length that it claims. */
const message = (type: number, body: string, length = 19 + body.length / 2): string =>
  `${MARKER}${length.toString(16).padStart(4, "0")}${type.toString(16).padStart(2, "0")}${body}`;
const update = (attributes: string, nlri = "18cb0071", withdrawn = ""): string => {
  const size = (text: string): string => (text.length / 2).toString(16).padStart(4, "0");
  return message(2, `${size(withdrawn)}${withdrawn}${size(attributes)}${attributes}${nlri}`);
};
const ORIGIN = "40010100";
const AS_PATH = "400206020100 00fdeb".replace(" ", "");
const NEXT_HOP = "4003040a000003";
const GOOD = ORIGIN + AS_PATH + NEXT_HOP;

/** In Established: what is sent, and the NOTIFICATION that ends the session; undefined: the session goes on. */
const MALFORMED: readonly (readonly [rule: string, octets: string, code: string | undefined])[] = [
  ["RFC 4271 §6.1: a marker that is not all ones", `00${message(4, "").slice(2)}`, "1/1"],
  ["RFC 4271 §6.1: a length below 19", message(4, "", 18), "1/2"],
  ["RFC 4271 §6.1: a length of 65535 for a KEEPALIVE", message(4, "", 65_535), "1/2"],
  ["RFC 4271 §6.1: an unknown type", message(9, ""), "1/3"],
  ["RFC 4271 §6.1: type 0", message(0, ""), "1/3"],
  ["RFC 4271 §6.1: a KEEPALIVE with a body", message(4, "00"), "1/2"],
  ["RFC 4271 §6.1: an UPDATE of 22 octets", message(2, "000000"), "1/2"],
  ["RFC 4271 §6.1: a NOTIFICATION of 20 octets", message(3, "06"), "1/2"],
  ["RFC 4271 §6.3: withdrawn routes longer than the message", message(2, "00ff0000"), "3/1"],
  ["RFC 4271 §6.3: attributes longer than the message", message(2, "000000ff"), "3/1"],
  ["RFC 4271 §6.3: a prefix of 33 bits", update(GOOD, "21cb00710100"), "3/10"],
  ["RFC 4271 §6.1: a ROUTE-REFRESH of 22 octets", message(5, "000100"), "1/2"],
  ["RFC 7313 §5: the begin of a refresh in 24 octets", message(5, "0001010100"), "7/1"],
  ["RFC 4271 §8.2.2: an OPEN in Established", message(1, "04fdeb00090a00000300"), "5/3"],
  ["RFC 7606 §7.1: ORIGIN 3 withdraws", update(`40010103${AS_PATH}${NEXT_HOP}`), undefined],
  [
    "RFC 7606 §7.2: an AS_PATH segment of type 9 withdraws",
    update(`${ORIGIN}400206090100 00fdeb${NEXT_HOP}`.replace(" ", "")),
    undefined,
  ],
  ["RFC 7606 §7.3: a NEXT_HOP of 5 octets withdraws", update(`${ORIGIN}${AS_PATH}4003050a00000300`), undefined],
  ["RFC 7606 §3 d: no AS_PATH withdraws", update(`${ORIGIN}${NEXT_HOP}`), undefined],
  ["RFC 7606 §7.4: a MED of 3 octets withdraws", update(`${GOOD}800403000000`), undefined],
  ["RFC 7606 §7.8: communities of 3 octets withdraw", update(`${GOOD}c00803000000`), undefined],
  [
    "RFC 7606 §3 c: AS_PATH with the optional bit withdraws",
    update(`${ORIGIN}c0${AS_PATH.slice(2)}${NEXT_HOP}`),
    undefined,
  ],
  ["RFC 2918 §4: a refresh of an unknown family is ignored", message(5, "00630063"), undefined],
];

describe.skipIf(why !== undefined)(`a speaker under attack (${why ?? "BIRD is here"})`, () => {
  let lab: Lab;
  let us: RoutingUnderTest;
  let bird: Bird;
  let attacker: Attacker;

  const victim = (more: Partial<BgpPeerSpec> = {}): BgpPeerSpec =>
    peerOf({ name: "evil", address: "10.0.0.3", asn: 65003, mode: "passive", families: [family("ipv4")], ...more });
  const plan = (more: Partial<BgpPeerSpec> = {}, networks = 1) =>
    planOf(
      bgpOf([peerOf({ holdTime: 3000, keepalive: 1000 }), victim(more)], {
        install: undefined,
        networks: Array.from({ length: networks }, (_, n) => networkOf(`10.${64 + (n >> 8)}.${n & 255}.0/24`)),
      }),
    );

  beforeAll(async () => {
    lab = await bgpLab();
    us = new RoutingUnderTest(lab.host("a"), plan());
    const neighbor = { name: "ours", address: "10.0.0.1", local: "10.0.0.2", asn: 65001, hold: 3, keepalive: 1 };
    bird = await startBird(lab.host("r"), { routerId: "2.2.2.2", bgp: { asn: 65002, neighbors: [neighbor] } });
    attacker = new Attacker(lab);
    await us.established();
  });
  afterAll(async () => {
    await attacker?.[Symbol.asyncDispose]();
    await bird?.[Symbol.asyncDispose]();
    await us?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  });

  /** A peer that keeps failing is kept waiting longer and longer: for another case it is made anew. */
  async function fresh(more: Partial<BgpPeerSpec> = {}, networks = 1): Promise<void> {
    const wanted = plan(more, networks);
    if (wanted.bgp === undefined) throw new TypeError("a plan without BGP");
    us.plan({ ...wanted, bgp: { ...wanted.bgp, peers: wanted.bgp.peers.filter(({ name }) => name !== "evil") } });
    await us.until("the old peer gone", () => evil() === undefined);
    us.plan(wanted);
    await us.until("the new peer", () => evil() !== undefined);
  }

  /** BIRD's session is the first one, on both sides. */
  async function undisturbed(): Promise<void> {
    expect(await bird.ask("show protocols all ours")).toMatch(/BGP state:\s+Established/);
    expect(us.peer()).toMatchObject({ state: "established", established: 1 });
  }
  const evil = () => us.peer("evil");
  const refusals = (): number => Object.values(evil()?.refused ?? {}).reduce((sum, each) => sum + each, 0);

  test("malformed messages of every type: the right NOTIFICATION, or the routes withdrawn; counted", async () => {
    for (const [rule, octets, code] of MALFORMED) {
      await fresh();
      const before = refusals();
      const id = await attacker.established();
      attacker.tell({ kind: "send", id, hex: octets });
      if (code !== undefined) {
        expect([rule, await attacker.notified(id)]).toEqual([rule, code]);
        await attacker.closed(id);
        await us.until(`${rule}: lastError`, () => evil()?.lastError?.endsWith("sent"));
      } else {
        // The next one is answered, so this one was read; and the session lives.
        await us.until(`${rule}: counted`, () => refusals() > before || octets === message(5, "00630063"));
        expect(await us.routes("evil")).toEqual([]);
        attacker.tell({ kind: "send", id, hex: update(GOOD) });
        await us.until(`${rule}: the session goes on`, () => evil()?.families[0]?.accepted === 1);
        attacker.tell({ kind: "close", id });
        await attacker.closed(id);
      }
    }
    await undisturbed();
  }, 90_000);

  test("RFC 4271 §6.2: malformed OPENs of strangers and peers end the connection, with a reason", async () => {
    const cases = [
      ["version 3", "03fdeb00090a00000300", "2/1"],
      ["another AS", "04fdec00090a00000300", "2/2"],
      ["router id 0", "04fdeb00090000000000", "2/3"],
      ["hold time 1", "04fdeb00010a00000300", "2/6"],
      ["parameters longer than the message", "04fdeb00090a000003ff", "2/0"],
    ] as const;
    for (const [what, body, code] of cases) {
      await fresh();
      const id = await attacker.open();
      attacker.tell({ kind: "send", id, hex: message(1, body) });
      expect([what, await attacker.notified(id)]).toEqual([what, code]);
      await attacker.closed(id);
    }
    await undisturbed();
  });

  test("a flood of updates that flap: others are served, memory stays bounded", async () => {
    await fresh();
    const id = await attacker.established();
    const before = resident(us.pid);
    const flap = update(GOOD) + update("", "", "18cb0071");
    attacker.tell({ kind: "flood", id, hex: flap, for: 4000 });
    const sent = await attacker.done(id);
    expect(sent).toBeGreaterThan(1000);
    expect(resident(us.pid) - before).toBeLessThan(150);
    await undisturbed();
    attacker.tell({ kind: "close", id });
    await attacker.closed(id);
  }, 30_000);

  test("a peer that asks for everything again and again and never reads is given up; memory stays bounded", async () => {
    await fresh({}, 10_000);
    const id = await attacker.established(true);
    const before = resident(us.pid);
    attacker.tell({ kind: "flood", id, hex: message(5, "00010001"), for: 3000 });
    await attacker.done(id);
    expect(resident(us.pid) - before).toBeLessThan(150);
    await undisturbed();
    attacker.tell({ kind: "close", id });
    await attacker.closed(id);
  }, 60_000);

  test("a million routes: the limit ends the session (RFC 4486 §4, subcode 1), nothing is kept", async () => {
    const limit = { limit: 10_000, warnAt: 75, restartAfter: 1000 };
    await fresh({ families: [family("ipv4", { maxPrefixes: limit })] });
    const before = resident(us.pid);
    const id = await attacker.established();
    attacker.tell({ kind: "routes", id, count: 1_000_000 });
    expect(await attacker.notified(id)).toBe("6/1");
    await attacker.closed(id);
    await us.until("the reason", () => evil()?.lastError?.includes("maximum-number-of-prefixes"));
    expect(await us.routes("evil")).toEqual([]);
    expect(resident(us.pid) - before).toBeLessThan(150);
    await undisturbed();
  }, 30_000);

  test("hundreds of connections over which half a message comes: few are kept, the peer still gets its session", async () => {
    await fresh();
    const ids = await Promise.all(Array.from({ length: 300 }, () => attacker.open(2000).catch(() => undefined)));
    for (const id of ids) if (id !== undefined) attacker.tell({ kind: "send", id, hex: MARKER });
    await undisturbed();
    expect(openFiles(us.pid)).toBeLessThan(60);
    for (const id of ids) if (id !== undefined) attacker.tell({ kind: "close", id });
    const id = await attacker.established();
    attacker.tell({ kind: "close", id });
    await attacker.closed(id);
  }, 30_000);

  test("RFC 5082 §3: with GTSM, a peer whose packets come with a lower TTL gets no session", async () => {
    await fresh({ ttlSecurity: 1 });
    // Its calls are dropped, or what it says.
    const id = await attacker.open(3000).catch(() => undefined);
    if (id !== undefined) attacker.tell({ kind: "send", id, hex: message(1, "04fdeb00090a00000300") });
    await expect(attacker.notified(id ?? 0, 3000)).rejects.toThrow(/notified/);
    expect(evil()).toMatchObject({ established: 0 });
    expect(evil()?.messages["open"]?.in ?? 0).toBe(0);
    await undisturbed();
  }, 30_000);
});

/** Its orders and what became of them. */
class Attacker implements AsyncDisposable {
  readonly #running: Running;
  readonly #news: AttackNews[] = [];
  #ids = 0;

  constructor(lab: Lab) {
    this.#running = lab.host("s").node("lab/programs/bgp-attacker.ts", [], {
      line: (line, from) => {
        if (from === "stdout") this.#news.push(JSON.parse(line) as AttackNews);
      },
    });
  }

  tell(order: AttackOrder): void {
    this.#running.write(`${JSON.stringify(order)}\n`);
  }
  /** A connection over which nothing was said. */
  async open(within = 10_000): Promise<number> {
    const id = ++this.#ids;
    this.tell({ kind: "connect", id, to: "10.0.0.1", asn: 65003, opens: false });
    await this.#heard(id, "open", within);
    return id;
  }
  /** An honest session; a speaker that has just lost one may refuse the first attempts. */
  async established(deaf = false): Promise<number> {
    for (let attempt = 0; ; attempt++) {
      const id = ++this.#ids;
      this.tell({ kind: "connect", id, to: "10.0.0.1", asn: 65003, opens: true, deaf });
      const news = await until("established or not", () => this.#of(id, "established") ?? this.#of(id, "closed"), {
        explain: () => JSON.stringify(this.#news.slice(-10)),
      });
      if (news.kind === "established") return id;
      if (attempt === 100) throw new Error(`no session: ${JSON.stringify(this.#news.slice(-10))}`);
      await new Promise((resume) => setTimeout(resume, 100));
    }
  }
  async notified(id: number, within?: number): Promise<string> {
    const news = await this.#heard(id, "notified", within);
    return news.kind === "notified" ? news.code : "";
  }
  async closed(id: number): Promise<void> {
    await this.#heard(id, "closed");
  }
  async done(id: number): Promise<number> {
    const news = await this.#heard(id, "done");
    return news.kind === "done" ? news.sent : 0;
  }
  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#running[Symbol.asyncDispose]();
  }

  #of(id: number, kind: AttackNews["kind"]): AttackNews | undefined {
    return this.#news.find((each) => each.id === id && each.kind === kind);
  }
  async #heard(id: number, kind: AttackNews["kind"], within = 20_000): Promise<AttackNews> {
    return await until(`${kind} of connection ${id}`, () => this.#of(id, kind), {
      within,
      explain: () => JSON.stringify(this.#news.filter((each) => each.id === id)),
    });
  }
}

/** MiB */
function resident(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN) / 1024;
}
function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
