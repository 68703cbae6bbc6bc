/** Drives the health checks of all endpoints of one worker: machine.ts decides, check.ts asks. */
import type { Ms } from "../../base/unit.ts";
import { ms, since } from "../../base/unit.ts";
import type { Endpoint as Address } from "../../netstack/kernel/loop.ts";
import type { HealthCheckConfig } from "../config.ts";
import type { Traffic } from "../traffic.ts";
import { ticksOf } from "../wheel.ts";
import { Check, checkRequest } from "./check.ts";
import { born, type Event, type Health, step } from "./machine.ts";

/** An endpoint to be checked. */
export interface Target {
  readonly backend: string;
  readonly endpoint: string;
  readonly address: Address;
  readonly config: HealthCheckConfig;
}
export type Found = (target: Target, healthy: boolean, why: string) => void;

export class Checker {
  readonly #traffic: Traffic;
  readonly #found: Found;
  readonly #chance: () => number;
  readonly #watched = new Map<string, Watched>();

  /** `found` is called on every change of an endpoint's health; `chance` is uniform in [0, 1). */
  constructor(traffic: Traffic, found: Found, chance: () => number) {
    this.#traffic = traffic;
    this.#found = found;
    this.#chance = chance;
  }

  /** Checks exactly `targets` from now on; what is known of those that stay is kept, and told again. */
  watch(targets: readonly Target[]): void {
    const gone = new Set(this.#watched.keys());
    for (const target of targets) {
      const key = `${target.backend}|${target.endpoint}`;
      gone.delete(key);
      const watched = this.#watched.get(key);
      if (watched === undefined) this.#watched.set(key, new Watched(this.#traffic, target, this.#found, this.#chance));
      else watched.retarget(target);
    }
    for (const key of gone) {
      this.#watched.get(key)?.stop();
      this.#watched.delete(key);
    }
  }
}

class Watched {
  readonly #traffic: Traffic;
  readonly #found: Found;
  readonly #chance: () => number;
  #target: Target;
  #health: Health;
  #check: Check | undefined = undefined;
  #alarm: Disposable | undefined = undefined;

  constructor(traffic: Traffic, target: Target, found: Found, chance: () => number) {
    this.#traffic = traffic;
    this.#target = target;
    this.#found = found;
    this.#chance = chance;
    this.#health = born(target.config.interval, traffic.loop.now(), chance());
    this.#rearm();
  }

  retarget(target: Target): void {
    this.#target = target;
    const { state, why } = this.#health;
    if (state !== "unknown") this.#found(target, state === "healthy", why);
    // A shorter interval counts from now on.
    const at = this.#health.checkAt;
    const { loop } = this.#traffic;
    if (at === undefined || since(loop.now(), at) <= target.config.interval) return;
    this.#health = { ...this.#health, checkAt: born(target.config.interval, loop.now(), this.#chance()).checkAt };
    this.#rearm();
  }
  stop(): void {
    this.#alarm?.[Symbol.dispose]();
    this.#check?.cancel();
  }

  #feed(event: Event): void {
    const { config } = this.#target;
    const [next, actions] = step(this.#health, event, config, this.#traffic.loop.now(), this.#chance());
    this.#health = next;
    for (const action of actions) {
      if (action.kind === "check") this.#start(config.timeout);
      else this.#found(this.#target, action.healthy, action.why);
    }
    this.#rearm();
  }
  #start(timeout: Ms): void {
    const { loop, wheel } = this.#traffic;
    const { address, endpoint, config } = this.#target;
    const request = config.httpPath === undefined ? undefined : checkRequest(config.httpPath, endpoint);
    this.#check = new Check(loop, wheel, address, request, ticksOf(ms(timeout)), (healthy, why) => {
      this.#check = undefined;
      this.#feed({ kind: "checked", healthy, why });
    });
  }
  #rearm(): void {
    this.#alarm?.[Symbol.dispose]();
    const at = this.#health.checkAt;
    this.#alarm = at === undefined ? undefined : this.#traffic.loop.wakeAt(at, () => this.#feed({ kind: "wake" }));
  }
}
