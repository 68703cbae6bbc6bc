/**
 * The routing process: BGP and OSPF with the addresses that they announce, on a loop and a heap of its own.  Started by
 * control with the channel on fd 3, when the configuration has something to route.
 *
 * When the channel ends for good, control is dead, and the data planes with it: virtual IPs are withdrawn, everything else
 * is left as for a restart, and the process ends, so that the next control can start a new one.  While another control may
 * still come (channel.ts), nothing is withdrawn but what nobody serves (silence.ts).
 */
import { Fault } from "../../base/fault.ts";
import { logTo } from "../../base/log.ts";
import { Told } from "../../base/told.ts";
import { childArguments, doorOf } from "../../netstack/kernel/arguments.ts";
import { type ChildChannel, openChildChannel, TOLD } from "../../netstack/kernel/channel.ts";
import type { Loop } from "../../netstack/kernel/loop.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { keepOnly, nameProcess } from "../../netstack/kernel/privileges.ts";
import { Routing } from "./routing.ts";
import { type FromRouting, lastingOfRouting, type ToRouting } from "./words.ts";

class Process {
  readonly #loop: Loop;
  readonly #channel: ChildChannel;
  readonly #routing: Routing;
  readonly #told = new Told<FromRouting>(lastingOfRouting);

  constructor(loop: Loop, door: number | undefined) {
    this.#loop = loop;
    this.#channel = openChildChannel(
      loop,
      {
        received: (message) => this.#received(message as ToRouting),
        adopted: () => this.#greet(),
        ended: () => this.#routing.orphaned(),
      },
      FRAMES,
      door,
    );
    this.#routing = new Routing({
      loop,
      tell: (message) => {
        this.#told.note(message);
        this.#channel.send(message);
      },
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

  /** Another control: all that it must know. */
  #greet(): void {
    this.#routing.adopted();
    this.#channel.send({ kind: "hello", pid: process.pid } satisfies FromRouting);
    for (const message of this.#told.all()) this.#channel.send(message);
    this.#channel.send(TOLD);
  }

  #received(message: ToRouting): void {
    this.#routing.heard();
    if (message.kind === "ping") this.#channel.send({ kind: "pong", n: message.n } satisfies FromRouting);
    else this.#routing.command(message);
  }
}

const FRAMES = 3;
/** The ring walks through all of them, used or not: 2 MiB.  Whoever finds none waits a turn. */
const CHUNKS = 64;
/** "nobody", everywhere. */
const NOBODY = { uid: 65534, gid: 65534 };

nameProcess("novaedge: routing");
// A terminal's Ctrl-C reaches the whole group: what it means for us comes from control.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
const loop = openLoop({ engine: "auto", chunks: CHUNKS, log: logTo(() => undefined, "error") });
const routing = new Process(loop, doorOf(childArguments()));
routing.confine();
routing.run();
process.exit(0);
