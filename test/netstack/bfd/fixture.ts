/** Sessions without a kernel: the engine of two hosts, a wire between them, and a clock that is told. */
import { createHash, createHmac } from "node:crypto";
import { type Ip, ipv4 } from "../../../base/address.ts";
import { type Instant, instant, ms } from "../../../base/unit.ts";
import type { Digests } from "../../../netstack/bfd/auth.ts";
import type { Action, SessionConfig, Timing, UnsolicitedConfig } from "../../../netstack/bfd/event.ts";
import { type ControlPacket, decode, encode } from "../../../netstack/bfd/packet.ts";
import type { Session } from "../../../netstack/bfd/session.ts";
import { type Arrival, Sessions } from "../../../netstack/bfd/sessions.ts";

export const A: Ip = ipv4("10.0.0.1");
export const B: Ip = ipv4("10.0.0.2");
export const TIMING: Timing = {
  desiredMinTx: ms(50),
  requiredMinRx: ms(50),
  multiplier: 3,
  echoTx: undefined,
  requiredMinEchoRx: ms(0),
  demand: false,
};
export const DIGESTS: Digests = {
  md5: (bytes) => createHash("md5").update(bytes).digest(),
  sha1: (bytes) => createHash("sha1").update(bytes).digest(),
};

export function config(changes: Partial<SessionConfig> = {}): SessionConfig {
  return {
    ids: ["s"],
    peer: B,
    local: undefined,
    ifname: "eth0",
    hops: "single",
    minTtl: 255,
    role: "active",
    timing: TIMING,
    auth: undefined,
    adminDown: false,
    unsolicited: false,
    ...changes,
  };
}

export function packet(changes: Partial<ControlPacket> = {}): ControlPacket {
  return {
    diagnostic: "none",
    state: "down",
    poll: false,
    final: false,
    controlPlaneIndependent: false,
    demand: false,
    multiplier: 3,
    myDiscriminator: 77,
    yourDiscriminator: 0,
    desiredMinTx: ms(1000),
    requiredMinRx: ms(50),
    requiredMinEchoRx: ms(0),
    auth: undefined,
    ...changes,
  };
}

export function arrival(changes: Partial<Arrival> = {}): Arrival {
  return { hops: "single", from: B, to: A, ifname: "eth0", ttl: 255, ...changes };
}

/** One host's engine with a seeded source of numbers; `now` is moved by hand. */
export class Engine {
  now: Instant = instant(1000);
  readonly sessions: Sessions;
  #seed: number;

  constructor(seed = 1) {
    this.#seed = seed;
    this.sessions = new Sessions({
      random: () => this.random(),
      discriminator: () => Math.floor(this.random() * 2 ** 32),
      digests: DIGESTS,
      proof: (bytes) => createHmac("sha256", String(seed)).update(bytes).digest(),
    });
  }

  random(): number {
    this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
    return this.#seed / 2 ** 32;
  }
  configure(configs: readonly SessionConfig[], unsolicited: readonly UnsolicitedConfig[] = []): readonly Action[] {
    return this.sessions.configure(configs, unsolicited, this.now);
  }
  hear(heard: ControlPacket, where: Partial<Arrival> = {}): readonly Action[] {
    return this.receive(encode(heard), where);
  }
  receive(bytes: Uint8Array, where: Partial<Arrival> = {}): readonly Action[] {
    return this.sessions.receive(bytes, arrival(where), this.now);
  }
  /** Wakes as often as it wants within `span`; everything that it did. */
  pass(span: number): readonly Action[] {
    const end = instant(this.now + span);
    const done: Action[] = [];
    for (let at = this.sessions.nextWake(); at !== undefined && at <= end; at = this.sessions.nextWake()) {
      if (at > this.now) this.now = at;
      done.push(...this.sessions.wake(this.now, true));
    }
    this.now = end;
    return done;
  }
  only(): Session {
    const [session] = this.sessions.all();
    if (session === undefined) throw new Error("no session");
    return session;
  }
}

export function sent(actions: readonly Action[]): readonly ControlPacket[] {
  return actions.flatMap((action) => {
    if (action.kind !== "send") return [];
    const decoded = decode(action.octets);
    if (!decoded.ok) throw new Error(decoded.error.kind);
    return [decoded.value];
  });
}

/** A session in the state, reached as the protocol reaches it. */
export function engineIn(state: "admin-down" | "down" | "init" | "up", changes: Partial<SessionConfig> = {}): Engine {
  const engine = new Engine();
  engine.configure([config({ ...changes, adminDown: state === "admin-down" })]);
  const your = engine.only().localDiscriminator;
  if (state === "init" || state === "up") engine.hear(packet({ state: "down" }));
  if (state === "up") engine.hear(packet({ state: "up", yourDiscriminator: your, desiredMinTx: ms(50) }));
  // The answer to the poll that follows.
  if (state === "up") engine.hear(packet({ state: "up", yourDiscriminator: your, desiredMinTx: ms(50), final: true }));
  if (engine.only().state !== state) throw new Error(`${engine.only().state} instead of ${state}`);
  return engine;
}
