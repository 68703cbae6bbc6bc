/** A hand on the other end of one connection: says what it likes, and reads what the speaker answers. */
import { ipv4, ipv6, parsePrefix } from "../../../base/address.ts";
import { type Instant, instant, ms } from "../../../base/unit.ts";
import type { Action, Connection, Event } from "../../../netstack/bgp/event.ts";
import { NO_OPTIONAL, type PathAttributes } from "../../../netstack/bgp/packet/attribute.ts";
import { attributesOf } from "../../../netstack/bgp/packet/attributes.ts";
import type { Capability } from "../../../netstack/bgp/packet/capability.ts";
import { BEFORE_OPEN, decode, encode } from "../../../netstack/bgp/packet/codec.ts";
import { Framer } from "../../../netstack/bgp/packet/framing.ts";
import { Interner } from "../../../netstack/bgp/packet/interner.ts";
import type { Agreed, Message, Open } from "../../../netstack/bgp/packet/message.ts";
import { type Nlri, nlriOf } from "../../../netstack/bgp/packet/nlri.ts";
import { encodeUpdate } from "../../../netstack/bgp/packet/packing.ts";
import type { BgpPlan } from "../../../netstack/bgp/plan.ts";
import { Speaker } from "../../../netstack/bgp/speaker.ts";
import { seeded } from "./world.ts";

/** A speaker with its clock. */
export class Desk {
  readonly speaker = new Speaker(seeded(5));
  now = 1_000_000;
  readonly actions: Action[] = [];
  readonly #calls: Call[] = [];

  at(): Instant {
    return instant(this.now);
  }
  feed(event: Event): readonly Action[] {
    const actions = this.speaker.handle(event, this.at());
    this.actions.push(...actions);
    for (const action of actions) {
      if (action.kind === "send") this.#of(action.connection)?.heard(action.bytes);
      if (action.kind === "close") this.#of(action.connection)?.end();
      if (action.kind === "updates") this.pull(action.connection);
      if (action.kind === "routes") while (this.speaker.nextRoutes(1000).length > 0);
    }
    return actions;
  }
  plan(plan: BgpPlan): void {
    this.feed({ kind: "plan", plan });
  }
  pull(connection: Connection): void {
    for (;;) {
      const messages = this.speaker.nextUpdates(connection, 65_536, this.at());
      if (messages.length === 0) return;
      for (const bytes of messages) this.#of(connection)?.heard(bytes);
    }
  }
  /** Lets time pass, timer by timer. */
  wait(span: number): void {
    const until = this.now + span;
    for (;;) {
      const wake = this.speaker.nextWake();
      if (wake === undefined || wake > until) break;
      this.now = Math.max(this.now, wake);
      this.feed({ kind: "wake" });
    }
    this.now = until;
  }
  /** A call from outside. */
  call(remote: string, local = "10.0.0.1", ifname: string | undefined = "eth0"): Call {
    const call = new Call(this, this.speaker.allot());
    this.#calls.push(call);
    const ends = { local: ipv4(local), remote: ipv4(remote), ifname, addresses: [ipv4(local), ipv6("2001:db8::1")] };
    this.feed({ kind: "incoming", connection: call.connection, ends });
    return call;
  }
  /** Answers the speaker's own call. */
  answer(): Call {
    const action = this.actions.findLast((each) => each.kind === "connect");
    if (action?.kind !== "connect") throw new TypeError("nobody called");
    const call = new Call(this, action.connection);
    this.#calls.push(call);
    const local = ipv4("10.0.0.1");
    const ends = { local, remote: action.call.ip, ifname: "eth0", addresses: [local] };
    this.feed({ kind: "opened", connection: call.connection, ends });
    return call;
  }

  #of(connection: Connection): Call | undefined {
    return this.#calls.find((each) => each.connection === connection);
  }
}

export class Call {
  readonly desk: Desk;
  readonly connection: Connection;
  closed = false;
  readonly messages: Message[] = [];
  agreed: Agreed = BEFORE_OPEN;
  readonly #framer = new Framer();

  constructor(desk: Desk, connection: Connection) {
    this.desk = desk;
    this.connection = connection;
    this.#framer.most = 65_535;
  }

  heard(bytes: Uint8Array): void {
    const refused = this.#framer.feed(bytes, 0, bytes.length, (octets, start, end) => {
      const decoded = decode(octets, start, end, { ...this.agreed, mostIn: 65_535 }, new Interner());
      if (!decoded.ok) throw new TypeError(`the speaker said ${JSON.stringify(decoded.error)}`);
      this.messages.push(decoded.value);
      return true;
    });
    if (refused !== undefined) throw new TypeError(`the speaker sent ${refused.kind}`);
  }
  end(): void {
    this.closed = true;
  }
  raw(bytes: Uint8Array): void {
    this.desk.feed({ kind: "received", connection: this.connection, bytes });
  }
  say(message: Exclude<Message, { kind: "update" }>): void {
    this.raw(encode(message, this.agreed));
  }
  open(some: Partial<Open> = {}, more: readonly Capability[] = []): void {
    const asn = some.asn ?? 65002;
    const capabilities: readonly Capability[] = [
      { kind: "multiprotocol", family: "ipv4" },
      { kind: "multiprotocol", family: "ipv6" },
      { kind: "four-octet-asn", asn },
      ...more,
    ];
    const has = (kind: Capability["kind"]): boolean => more.some((each) => each.kind === kind);
    this.say({ kind: "open", asn, holdTime: ms(90_000), routerId: ipv4("10.0.0.2"), capabilities, ...some });
    this.agreed = {
      ...this.agreed,
      fourOctetAsn: true,
      families: ["ipv4", "ipv6"],
      routeRefresh: has("route-refresh"),
      enhancedRouteRefresh: has("enhanced-route-refresh"),
      addPathSend: has("add-path") ? ["ipv4"] : [],
    };
  }
  /** To Established. */
  up(some: Partial<Open> = {}, more: readonly Capability[] = []): this {
    this.open(some, more);
    this.say({ kind: "keepalive" });
    return this;
  }
  announce(prefixes: readonly string[], some: Partial<PathAttributes> = {}, pathIds?: readonly number[]): void {
    this.update([], [{ nlri: listOf(prefixes, pathIds), attributes: attributesFor(some) }]);
  }
  withdraw(prefixes: readonly string[], pathIds?: readonly number[]): void {
    this.update([listOf(prefixes, pathIds)], []);
  }
  update(
    unreach: readonly Nlri[],
    reach: readonly { nlri: Nlri; attributes: PathAttributes }[],
    endOfRib?: "ipv4" | "ipv6",
  ): void {
    for (const bytes of encodeUpdate({ unreach, reach, endOfRib }, { ...this.agreed, addPathReceive: [] }))
      this.raw(bytes);
  }
  get last(): Message | undefined {
    return this.messages.at(-1);
  }
  /** "open", "keepalive", "notification cease/…", in order. */
  get said(): readonly string[] {
    return this.messages.map((each) => (each.kind === "notification" ? `${each.kind} ${each.reason}` : each.kind));
  }
}

export function attributesFor(some: Partial<PathAttributes>): PathAttributes {
  return attributesOf({
    origin: "igp",
    asPath: [{ kind: "sequence", asns: [65002] }],
    nextHop: { global: ipv4("10.0.0.2"), linkLocal: undefined },
    ...NO_OPTIONAL,
    ...some,
  });
}
function listOf(prefixes: readonly string[], pathIds?: readonly number[]): Nlri {
  const parsed = prefixes.map((text) => {
    const prefix = parsePrefix(text);
    if (!prefix.ok) throw new TypeError(text);
    return prefix.value;
  });
  return nlriOf(typeof parsed[0]?.ip === "string" ? "ipv6" : "ipv4", parsed, pathIds);
}
export function endsText(desk: Desk, peer: string): string {
  const { state, lastError } = desk.speaker.report(peer, 0) ?? { state: "gone", lastError: undefined };
  return `${state}: ${lastError ?? ""}`;
}
