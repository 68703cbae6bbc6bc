/**
 * The wan process on a loop: links, tunnels and classification, joined.  Each has its part of the plan; what one finds
 * out the others are told here.
 */
import { join } from "node:path";
import type { Log } from "../../base/log.ts";
import { unreachable } from "../../base/result.ts";
import type { Loop } from "../../netstack/kernel/loop.ts";
import { Links } from "../../sdwan/link/driver/links.ts";
import type { UnderlayPlan } from "../../sdwan/underlay-plan.ts";
import { Outbox } from "./outbox.ts";
import type { FromWan, ToWan } from "./words.ts";

export interface WanParts {
  readonly loop: Loop;
  readonly log: Log;
  /** Directory for what must outlive a reboot; undefined = nothing does. */
  readonly state: string | undefined;
  /** Milliseconds since the epoch. */
  readonly wall: () => number;
  readonly tell: (message: FromWan) => void;
  /** The process shall end: everything is said and done. */
  readonly ended: () => void;
}

type Command = Exclude<ToWan, { readonly kind: "ping" }>;

export class Wan implements Disposable {
  readonly #parts: WanParts;
  readonly #outbox: Outbox;
  readonly #links: Links;
  #plan: UnderlayPlan | undefined;
  #stopping = false;

  constructor(parts: WanParts) {
    this.#parts = parts;
    const { loop, wall, tell, state } = parts;
    this.#outbox = new Outbox(loop, tell);
    this.#links = new Links({
      loop,
      wall,
      usageFile: state === undefined ? undefined : join(state, "wan-usage.json"),
      on: {
        changed: (link) => this.#outbox.put({ kind: "link", link: { ...link, nat: undefined } }),
        gone: (name) => this.#outbox.put({ kind: "link-gone", name }),
        roamed: () => undefined,
        pathMtu: () => undefined,
        event: (name, fields) => tell({ kind: "event", name, fields }),
      },
    });
  }

  command(command: Command): void {
    switch (command.kind) {
      case "plan":
        this.#plan = command.plan;
        return this.#links.plan(command.plan.links);
      case "internet":
        return this.#links.internet(command.link, command.alive);
      case "stop":
        return this.#stop();
      case "ask":
      case "measure-bandwidth":
      case "rediscover":
        throw new TypeError(`${command.kind} is not known yet`);
      default:
        unreachable(command);
    }
  }

  /** Control is dead: what is in the kernel stays and goes on; another control soon begins anew. */
  orphaned(): void {
    this.#stop();
  }

  get plan(): UnderlayPlan | undefined {
    return this.#plan;
  }

  [Symbol.dispose](): void {
    this.#outbox[Symbol.dispose]();
    this.#links[Symbol.dispose]();
  }

  #stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#outbox.flush();
    this.#parts.tell({ kind: "stopped" });
    this[Symbol.dispose]();
    this.#parts.ended();
  }
}
