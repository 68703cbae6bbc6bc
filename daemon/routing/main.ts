/**
 * The routing process: BGP and OSPF with the addresses that they announce, on a loop and a heap of its own.  Started by
 * control with the channel on fd 3, when the configuration has something to route.
 *
 * When the channel ends, control is dead, and the data planes with it: virtual IPs are withdrawn, everything else is left
 * as for a restart, and the process ends, so that the next control can start a new one.
 */
import { Fault } from "../../base/fault.ts";
import { logTo } from "../../base/log.ts";
import { type ChildChannel, openChildChannel } from "../../netstack/kernel/channel.ts";
import type { Loop } from "../../netstack/kernel/loop.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { keepOnly, nameProcess } from "../../netstack/kernel/privileges.ts";
import { Routing } from "./routing.ts";
import type { FromRouting, ToRouting } from "./words.ts";

class Process {
  readonly #loop: Loop;
  readonly #channel: ChildChannel;
  readonly #routing: Routing;

  constructor(loop: Loop) {
    this.#loop = loop;
    this.#channel = openChildChannel(loop, {
      received: (message) => this.#received(message as ToRouting),
      ended: () => this.#routing.orphaned(),
    });
    this.#routing = new Routing({
      loop,
      tell: (message) => this.#channel.send(message),
      random: Math.random,
      ended: () => loop.stop(),
    });
    this.#channel.send({ kind: "hello", pid: process.pid } satisfies FromRouting);
  }

  /** Where "nobody" does not exist (a user namespace) it stays what it is, and says so. */
  confine(): void {
    if (process.getuid?.() !== 0) return;
    try {
      keepOnly(["NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE"], NOBODY);
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      const fields = { why: cause.message, level: "warn" };
      this.#channel.send({ kind: "event", name: "routing.privileges-kept", fields } satisfies FromRouting);
    }
  }

  run(): void {
    this.#loop.run();
    this.#loop[Symbol.dispose]();
  }

  #received(message: ToRouting): void {
    this.#routing.heard();
    if (message.kind === "ping") this.#channel.send({ kind: "pong", n: message.n } satisfies FromRouting);
    else this.#routing.command(message);
  }
}

/** The ring walks through all of them, used or not: 2 MiB.  Whoever finds none waits a turn. */
const CHUNKS = 64;
/** "nobody", everywhere. */
const NOBODY = { uid: 65534, gid: 65534 };

nameProcess("novaedge: routing");
// A terminal's Ctrl-C reaches the whole group: what it means for us comes from control.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
const loop = openLoop({ engine: "auto", chunks: CHUNKS, log: logTo(() => undefined, "error") });
const routing = new Process(loop);
routing.confine();
routing.run();
process.exit(0);
