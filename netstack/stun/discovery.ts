/**
 * Finds out how the way outside treats one local port: mapping and filtering (RFC 5780 §4.2–4.4, in the terms of RFC 4787).
 * A server with two addresses tells all; two servers of one address each tell whether the mapping depends on the address.
 * Filtering is asked first, since the tests of mapping send to the very address that filtering must not know; and only when
 * `filtering` is wanted, for a mapping of before may still be open.  Sans-IO.
 */
import { formatIp } from "../../base/address.ts";
import { earliest, type Instant, ms } from "../../base/unit.ts";
import { encodeBindingRequest, type StunAddress, type StunChange, type StunMessage } from "./packet.ts";
import type { Behavior, Filtering, Mapping } from "./plan.ts";
import { type Outgoing, type Timing, Transaction, USUAL_TIMING } from "./transaction.ts";

export interface DiscoverySpec {
  /** Tried in turn until one answers; at most 8 count. */
  readonly servers: readonly StunAddress[];
  /** The local address and port that asks: equal to the mapped one, there is no NAT. */
  readonly local: StunAddress;
  readonly filtering: boolean;
  readonly timing?: Timing;
  /** Twelve random octets at each call. */
  readonly random: () => Uint8Array;
}

type Test = "first" | "filter-both" | "filter-port" | "map-address" | "map-port" | "second-server";

export class Discovery {
  readonly #spec: DiscoverySpec;
  readonly #timing: Timing;
  readonly #servers: StunAddress[];
  #test: Test = "first";
  #transaction: Transaction;
  /** Of both questions about filtering, the second, asked at the same time: silence is waited for once. */
  #beside: Transaction | undefined;
  #besideAnswered = false;
  #server: StunAddress;
  #first: StunAddress | undefined;
  #other: StunAddress | undefined;
  #second: StunAddress | undefined;
  #filtering: Filtering = "unknown";
  readonly #ports: number[] = [];
  #result: Behavior | undefined;

  constructor(spec: DiscoverySpec, now: Instant) {
    const [server, ...others] = spec.servers.slice(0, 8);
    if (server === undefined) throw new TypeError("no server to ask");
    this.#spec = spec;
    this.#timing = spec.timing ?? USUAL_TIMING;
    this.#server = server;
    this.#servers = others;
    this.#transaction = this.#ask(server, undefined, now);
  }

  /** There when all is known that can be. */
  get result(): Behavior | undefined {
    return this.#result;
  }
  /** Where the outside sees the port; there long before the result. */
  get mapped(): StunAddress | undefined {
    return this.#first;
  }
  get due(): Instant | undefined {
    return this.#result === undefined ? earliest(this.#transaction.due, this.#beside?.due) : undefined;
  }

  wake(now: Instant): readonly Outgoing[] {
    const out: Outgoing[] = [];
    while (this.#result === undefined) {
      const next = this.#transaction.wake(now);
      if (next === undefined) break;
      if (next === "over") this.#silent(now);
      else out.push(next);
    }
    const beside = this.#result === undefined ? this.#beside?.wake(now) : undefined;
    if (beside === "over") this.#beside = undefined;
    else if (beside !== undefined) out.push(beside);
    return out;
  }

  /** Whether the message belonged to this discovery. */
  received(message: StunMessage, from: StunAddress, now: Instant): boolean {
    if (this.#result !== undefined) return false;
    if (this.#beside?.answers(message, from) === true) {
      this.#besideAnswered = message.class === "success" && message.mapped !== undefined;
      this.#beside = undefined;
      return true;
    }
    if (!this.#transaction.answers(message, from)) return false;
    if (message.class === "error" || message.mapped === undefined) this.#silent(now);
    else this.#answered(message.mapped, message, now);
    return true;
  }

  #ask(to: StunAddress, change: StunChange | undefined, now: Instant): Transaction {
    const id = this.#spec.random();
    // That the server answers is known by then, and silence is what most gateways answer.
    const timing = change === undefined ? this.#timing : FILTER_TIMING;
    return new Transaction(
      { to, id, bytes: encodeBindingRequest(id, { change }), elsewhere: change !== undefined },
      timing,
      now,
    );
  }
  #next(test: Test, to: StunAddress, now: Instant, change?: StunChange): void {
    this.#beside = undefined;
    this.#test = test;
    this.#transaction = this.#ask(to, change, now);
  }

  #answered(mapped: StunAddress, message: StunMessage, now: Instant): void {
    switch (this.#test) {
      case "first":
        this.#first = mapped;
        this.#ports.push(mapped.port);
        this.#other = usable(message.other, this.#server);
        return this.#afterFirst(now);
      case "filter-both":
        this.#filtering = "endpoint-independent";
        return this.#mapping(now);
      case "filter-port":
        this.#filtering = "address-dependent";
        return this.#mapping(now);
      case "map-address":
        this.#second = mapped;
        this.#ports.push(mapped.port);
        if (this.#first !== undefined && same(mapped, this.#first)) return this.#done("endpoint-independent", TWO);
        return this.#next("map-port", this.#other ?? this.#server, now);
      case "map-port":
        this.#ports.push(mapped.port);
        return this.#second !== undefined && same(mapped, this.#second)
          ? this.#done("address-dependent", TWO)
          : this.#done("address-and-port-dependent", TWO);
      case "second-server":
        this.#ports.push(mapped.port);
        return this.#first !== undefined && same(mapped, this.#first)
          ? this.#done("endpoint-independent", "two servers see the same")
          : this.#done("address-and-port-dependent", "two servers see different ports or addresses");
    }
  }

  #silent(now: Instant): void {
    switch (this.#test) {
      case "first": {
        const server = this.#servers.shift();
        if (server === undefined) return this.#done("unknown", "no server answers");
        this.#server = server;
        return this.#next("first", server, now);
      }
      case "filter-both":
        if (this.#besideAnswered) this.#filtering = "address-dependent";
        else if (this.#beside !== undefined) {
          [this.#test, this.#transaction, this.#beside] = ["filter-port", this.#beside, undefined];
          return;
        } else this.#filtering = "address-and-port-dependent";
        return this.#mapping(now);
      case "filter-port":
        this.#filtering = "address-and-port-dependent";
        return this.#mapping(now);
      case "map-address":
      case "map-port":
        // The other address may be a private one, or firewalled: another server is as good.
        return this.#secondServer(now, `${textOf(this.#other)}, the server's other address, does not answer`);
      case "second-server":
        return this.#secondServer(now, "only one server answers");
    }
  }

  #afterFirst(now: Instant): void {
    const free = this.#first !== undefined && same(this.#first, this.#spec.local);
    if (this.#other !== undefined && this.#spec.filtering) {
      this.#next("filter-both", this.#server, now, { ip: true, port: true });
      this.#beside = this.#ask(this.#server, { ip: false, port: true }, now);
      return;
    }
    if (free) return this.#done("none", "the outside sees the port's own address");
    this.#mapping(now);
  }

  #mapping(now: Instant): void {
    if (this.#first !== undefined && same(this.#first, this.#spec.local)) {
      if (this.#filtering === "endpoint-independent") this.#filtering = "none";
      return this.#done("none", "the outside sees the port's own address");
    }
    if (this.#other === undefined) return this.#secondServer(now, "the server has one address only");
    this.#next("map-address", { ip: this.#other.ip, port: this.#server.port }, now);
  }

  #secondServer(now: Instant, why: string): void {
    const another = this.#servers.findIndex(({ ip }) => ip !== this.#server.ip);
    const [server] = another < 0 ? [] : this.#servers.splice(another, 1);
    if (server === undefined) this.#done("unknown", why);
    else this.#next("second-server", server, now);
  }

  #done(mapping: Mapping, why: string): void {
    this.#result = { mapped: this.#first, mapping, filtering: this.#filtering, ports: this.#ports, why };
  }
}

/** §6.1: really another address and port; what is the same says nothing. */
function usable(other: StunAddress | undefined, server: StunAddress): StunAddress | undefined {
  return other === undefined || other.ip === server.ip || other.port === server.port ? undefined : other;
}
function same(a: StunAddress, b: StunAddress): boolean {
  return a.ip === b.ip && a.port === b.port;
}
function textOf(address: StunAddress | undefined): string {
  return address === undefined ? "nothing" : formatIp(address.ip);
}
const FILTER_TIMING: Timing = { rto: ms(150), most: 3 };
const TWO = "by two addresses and two ports of one server";
