/** The wan process as control starts it, in a namespace: what it says, and how it ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { FromWan, ToWan } from "../../../daemon/wan/words.ts";
import { pathOf } from "../../../netstack/kernel/namespace.ts";
import { openParentChannel, type ParentChannel } from "../../../netstack/kernel/parent-channel.ts";
import type { LinkReport, TunnelReport } from "../../../sdwan/underlay-plan.ts";

const PROGRAM = fileURLToPath(new URL("../../../daemon/wan/main.ts", import.meta.url));

export class WanProcess implements AsyncDisposable {
  readonly said: FromWan[] = [];
  readonly links = new Map<string, LinkReport>();
  /** By device and site. */
  readonly tunnels = new Map<string, TunnelReport>();
  readonly exited: Promise<number | string>;
  readonly #child: ChildProcess;
  readonly #channel: ParentChannel;
  readonly #waiting = new Set<() => void>();
  #over = false;

  constructor(namespace: string, state: string) {
    this.#channel = openParentChannel(
      { received: (message) => this.#received(message as FromWan), ended: () => undefined },
      false,
    );
    const [end] = this.#channel.childEnds;
    if (end === undefined) throw new TypeError("a channel without an end for the child");
    const args = [`--net=${pathOf(namespace)}`, "--", process.execPath, PROGRAM, "--state", state, "--run", state];
    this.#child = spawn("nsenter", args, { stdio: ["ignore", "inherit", "inherit", end] });
    this.#channel.spawned();
    this.exited = new Promise((resolve) => {
      this.#child.on("exit", (code, signal) => {
        this.#over = true;
        resolve(signal ?? code ?? -1);
        this.#wake();
      });
    });
  }

  send(message: ToWan): void {
    this.#channel.send(message);
  }
  /** Resolves with the first value that is not undefined. */
  async until<T>(what: string, look: () => T | undefined): Promise<T> {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.#over) throw new Error(`ended before: ${what}; ${this.#last()}`);
      if (Date.now() > deadline) throw new Error(`waited in vain for: ${what}; ${this.#last()}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      const alarm = setTimeout(resolve, 250);
      await promise;
      clearTimeout(alarm);
    }
  }
  event(name: string): FromWan | undefined {
    return this.said.find((each) => each.kind === "event" && each.name === name);
  }
  /** As if control had died. */
  hangUp(): void {
    this.#channel[Symbol.dispose]();
  }
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exited;
    this.#channel[Symbol.dispose]();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#over) await this.kill();
    else this.#channel[Symbol.dispose]();
  }

  #received(message: FromWan): void {
    this.said.push(message);
    if (message.kind === "link") this.links.set(message.link.name, message.link);
    if (message.kind === "link-gone") this.links.delete(message.name);
    if (message.kind === "tunnel") this.tunnels.set(`${message.tunnel.ifname} ${message.tunnel.site}`, message.tunnel);
    if (message.kind === "tunnel-gone") this.tunnels.delete(`${message.ifname} ${message.site}`);
    this.#wake();
  }
  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
  #last(): string {
    return this.said
      .slice(-12)
      .map((each) => JSON.stringify(each))
      .join("\n");
  }
}

const PATIENCE = 45_000;
