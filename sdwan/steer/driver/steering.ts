/**
 * Steering of packets in the kernel: classification, rules, tables of links.  Everything that it puts there stays and goes
 * on working when this process ends; the next one changes nothing that is right.
 */
import { Fault } from "../../../base/fault.ts";
import { after, ms } from "../../../base/unit.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { lanesOf } from "../lanes.ts";
import type { LinkFacts, SteeringPlan } from "../part.ts";
import { RouteKeeper } from "./route-keeper.ts";
import { RulesetKeeper } from "./ruleset-keeper.ts";

export interface SteeringParts {
  readonly loop: Loop;
  /** Directory for what must outlive a reboot; undefined = nothing does. */
  readonly state: string | undefined;
  readonly event: (name: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** Of the network namespace that the calling thread is in when it is made. */
export class Steering implements Disposable {
  readonly #parts: SteeringParts;
  readonly #routes = new RouteKeeper();
  readonly #rules = new RulesetKeeper();
  #plan: SteeringPlan | undefined;
  #facts: readonly LinkFacts[] = [];
  /** Links whose way to the internet is known to be dead. */
  readonly #noInternet = new Set<string>();
  #again: Disposable | undefined;

  constructor(parts: SteeringParts) {
    this.#parts = parts;
  }

  /** What is wanted, and what is known of links: to be called whenever either changes. */
  plan(plan: SteeringPlan, facts: readonly LinkFacts[]): void {
    this.#plan = plan;
    this.#facts = facts;
    this.#keep();
  }

  /** The way to the internet by a link died, or lives again. */
  internet(link: string, alive: boolean): void {
    if (alive) this.#noInternet.delete(link);
    else this.#noInternet.add(link);
    this.#keep();
  }

  /** Takes away all of it. */
  remove(): void {
    this.#plan = undefined;
    this.#rules.remove();
    this.#routes.remove();
  }

  [Symbol.dispose](): void {
    this.#again?.[Symbol.dispose]();
    this.#routes[Symbol.dispose]();
    this.#rules[Symbol.dispose]();
  }

  #keep(): void {
    const plan = this.#plan;
    if (plan === undefined) return;
    this.#again?.[Symbol.dispose]();
    this.#again = undefined;
    // Routes that cannot be made must not keep the rules away, nor the other way round.
    const rules = this.#attempt(() => {
      const changed = this.#rules.keep(plan);
      this.#rules.setDead(this.#dead(plan));
      return changed;
    });
    const routes = this.#attempt(() => this.#routes.keep(plan, this.#facts));
    const changed = routes?.changed ?? [];
    if (rules === true || changed.length > 0) {
      this.#parts.event("wan.steering-changed", { rules: rules === true, routes: changed });
    }
    if (routes !== undefined && routes.refused.length > 0) this.#refused(routes.refused.join("; "));
  }

  #attempt<T>(run: () => T): T | undefined {
    try {
      return run();
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      this.#refused(cause.message);
      return undefined;
    }
  }

  #dead(plan: SteeringPlan): readonly number[] {
    const down = new Set(this.#facts.filter(({ state }) => state === "down").map(({ name }) => name));
    return lanesOf(plan)
      .pinned.filter(({ link }) => down.has(link) || this.#noInternet.has(link))
      .map(({ value }) => value);
  }

  #refused(why: string): void {
    this.#parts.event("wan.steering-refused", { level: "warn", why });
    const { loop } = this.#parts;
    this.#again ??= loop.wakeAt(after(loop.now(), RETRY), () => this.#keep());
  }
}

const RETRY = ms(2000);
