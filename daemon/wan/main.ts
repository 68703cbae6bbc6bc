/**
 * The wan process: follows the WAN links and keeps tunnels, marks, rules and link tables as the plan has them, on a loop
 * and a heap of its own.  Started by control with the channel on fd 3, when the configuration has links or remote sites.
 *
 * When the channel ends for good, control is dead: everything stays in the kernel and goes on carrying traffic, and the process
 * ends, so that the next control can start a new one.
 *
 * It keeps its privileges: it starts wireguard-go, which needs them, and nft's rules name what root alone may see.
 */
import { LEVELS, type Level, logTo } from "../../base/log.ts";
import { Told } from "../../base/told.ts";
import { childArguments, doorOf } from "../../netstack/kernel/arguments.ts";
import { type ChildChannel, openChildChannel, TOLD } from "../../netstack/kernel/channel.ts";
import type { Loop } from "../../netstack/kernel/loop.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { nameProcess } from "../../netstack/kernel/privileges.ts";
import { Wan } from "./wan.ts";
import { type FromWan, lastingOfWan, type ToWan } from "./words.ts";

class Process {
  readonly #loop: Loop;
  readonly #channel: ChildChannel;
  readonly #wan: Wan;
  readonly #told = new Told<FromWan>(lastingOfWan);

  constructor(loop: Loop, { least, state, run, door }: Arguments) {
    this.#loop = loop;
    this.#channel = openChildChannel(
      loop,
      {
        received: (message) => this.#received(message as ToWan),
        adopted: () => this.#greet(),
        ended: () => this.#wan.orphaned(),
      },
      FRAMES,
      door,
    );
    const floor = LEVELS.indexOf(least);
    this.#wan = new Wan({
      loop,
      state,
      run,
      wall: Date.now,
      tell: (message) => {
        this.#told.note(message);
        if (message.kind !== "event" || levelOf(message.fields) >= floor) this.#channel.send(message);
      },
      ended: () => loop.stop(),
    });
    this.#channel.send({ kind: "hello", pid: process.pid } satisfies FromWan);
  }

  run(): void {
    this.#loop.run();
    this.#loop[Symbol.dispose]();
  }

  /** Another control: all that it must know. */
  #greet(): void {
    this.#channel.send({ kind: "hello", pid: process.pid } satisfies FromWan);
    for (const message of this.#told.all()) this.#channel.send(message);
    this.#channel.send(TOLD);
  }

  #received(message: ToWan): void {
    if (message.kind === "ping") this.#channel.send({ kind: "pong", n: message.n } satisfies FromWan);
    else this.#wan.command(message);
  }
}

interface Arguments {
  readonly least: Level;
  readonly state: string | undefined;
  readonly run: string | undefined;
  readonly door: number | undefined;
}

function argumentsOf(args: readonly string[]): Arguments {
  const least = LEVELS.find((each) => each === flag(args, "--log-level")) ?? "info";
  return { least, state: flag(args, "--state"), run: flag(args, "--run"), door: doorOf(args) };
}

function levelOf(fields: Readonly<Record<string, unknown>>): number {
  const at = LEVELS.findIndex((each) => each === fields["level"]);
  return at < 0 ? LEVELS.indexOf("info") : at;
}

function flag(args: readonly string[], name: string): string | undefined {
  const at = args.indexOf(name);
  return at < 0 ? undefined : args[at + 1];
}

const FRAMES = 3;
/** The ring walks through all of them, used or not: 2 MiB. */
const CHUNKS = 64;

nameProcess("novaedge: wan");
// A terminal's Ctrl-C reaches the whole group: what it means for us comes from control.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
const loop = openLoop({ engine: "auto", chunks: CHUNKS, log: logTo(() => undefined, "error") });
new Process(loop, argumentsOf(childArguments())).run();
process.exit(0);
