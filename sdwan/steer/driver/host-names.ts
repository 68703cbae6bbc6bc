/** Host names of classes: DNS is overheard while any class has some, and what is learnt goes into the kernel's sets. */
import { type Ip, isIpv4, octetsOfIp } from "../../../base/address.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import type { Element } from "../../../netstack/kernel/netlink/nftables-elements.ts";
import type { ClassSpec } from "../../underlay-plan.ts";
import { hostSets } from "../class-chains.ts";
import { type LearnCounters, Learner, type Learnt } from "../learn.ts";
import { hearDns } from "./dns-ear.ts";

export class HostNames implements Disposable {
  readonly #loop: Loop;
  readonly #place: (set: string, elements: readonly Element[]) => void;
  readonly #learner = new Learner();
  #ear: Disposable | undefined;
  #lists: readonly (readonly string[])[] = [];
  #refused = 0;

  constructor(loop: Loop, place: (set: string, elements: readonly Element[]) => void) {
    this.#loop = loop;
    this.#place = place;
  }

  /** After the rules are in place: what is known goes into sets that are new. */
  plan(classes: readonly ClassSpec[]): void {
    const lists = classes.map(({ match }) => match.hosts).filter((hosts) => hosts.length > 0);
    const isHeard = this.#ear !== undefined || lists.length === 0;
    if (isHeard && JSON.stringify(lists) === JSON.stringify(this.#lists)) return;
    this.#lists = lists;
    if (lists.length === 0) {
      this.#ear?.[Symbol.dispose]();
      this.#ear = undefined;
    } else {
      this.#ear ??= hearDns(this.#loop, {
        heard: (message) => this.#put(this.#learner.hear(message, this.#loop.now())),
        refused: () => {
          this.#refused++;
        },
      });
    }
    this.#put(this.#learner.watch(lists.flat(), this.#loop.now()));
  }

  hostOf(ip: Ip, hosts: readonly string[]): string | undefined {
    return this.#learner.hostOf(ip, hosts, this.#loop.now());
  }

  counters(): LearnCounters & { readonly refused: number } {
    return { ...this.#learner.counters(), refused: this.#refused };
  }

  [Symbol.dispose](): void {
    this.#ear?.[Symbol.dispose]();
    this.#ear = undefined;
  }

  #put(learnt: readonly Learnt[]): void {
    const sets = new Map<string, Map<Ip, Element>>();
    for (const { ip, pattern, time } of learnt) {
      for (const hosts of this.#lists.filter((list) => list.includes(pattern))) {
        const { v4, v6 } = hostSets(hosts);
        const set = isIpv4(ip) ? v4 : v6;
        const elements = sets.get(set) ?? new Map<Ip, Element>();
        sets.set(set, elements.set(ip, { key: octetsOfIp(ip), timeout: time }));
      }
    }
    for (const [set, elements] of sets) this.#place(set, [...elements.values()]);
  }
}
