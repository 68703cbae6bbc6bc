/** A pulse process in a host's namespace, as control would run it. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { FromPulse, ToPulse } from "../../../daemon/pulse/words.ts";
import { spawnInside } from "../../../netstack/kernel/namespace.ts";
import { openParentChannel, type ParentChannel } from "../../../netstack/kernel/parent-channel.ts";
import type { VipReport } from "../../../netstack/vip/plan.ts";

export class PulseHost implements AsyncDisposable {
  readonly messages: FromPulse[] = [];
  readonly reports = new Map<string, VipReport>();
  readonly child: ChildProcess;
  readonly #channel: ParentChannel;
  readonly #waiting = new Set<() => void>();
  ended: string | undefined;

  constructor(namespace: string) {
    this.#channel = openParentChannel(
      {
        received: (message) => this.#received(message as FromPulse),
        ended: (why) => {
          this.ended = why;
          this.#look();
        },
      },
      false,
    );
    const [end] = this.#channel.childEnds;
    if (end === undefined) throw new TypeError("a channel without an end for the child");
    this.child = spawnInside(namespace, process.execPath, [PROGRAM, "--log-level", "debug"], {
      stdio: ["ignore", "inherit", "inherit", end],
    });
    this.#channel.spawned();
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }
  send(message: ToPulse): void {
    this.#channel.send(message);
  }
  /** Control dies: the channel ends. */
  hangUp(): void {
    this.#channel[Symbol.dispose]();
  }

  /** Resolves when `seen` holds; rejects after `within` ms with what was reported last. */
  async until(what: string, seen: () => boolean, within = 25_000): Promise<void> {
    if (seen()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (seen()) resolve();
      else if (this.ended !== undefined) reject(new Error(`${what}: the process ended (${this.ended})`));
    };
    const limit = setTimeout(() => {
      reject(
        new Error(`${what}: not within ${within} ms: ${this.messages.map((each) => JSON.stringify(each)).join("\n")}`),
      );
    }, within);
    this.#waiting.add(look);
    try {
      await promise;
    } finally {
      clearTimeout(limit);
      this.#waiting.delete(look);
    }
  }
  async state(vip: string, state: VipReport["state"], within?: number): Promise<void> {
    await this.until(`${vip} ${state}`, () => this.reports.get(vip)?.state === state, within);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hangUp();
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill("SIGCONT");
      this.child.kill("SIGKILL");
      await once(this.child, "exit");
    }
  }

  #received(message: FromPulse): void {
    this.messages.push(message);
    if (message.kind === "vip") this.reports.set(message.vip.name, message.vip);
    this.#look();
  }
  #look(): void {
    for (const look of this.#waiting) look();
  }
}

const PROGRAM = fileURLToPath(new URL("../../../daemon/pulse/main.ts", import.meta.url));
