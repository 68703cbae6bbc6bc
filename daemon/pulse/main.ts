/**
 * The pulse process: everything of virtual IPs, BFD and WAN paths that has a millisecond deadline, on a loop and a heap
 * of its own, so that nothing that control or a data plane does can delay a heartbeat.  Started by control with the
 * channel on fd 3.
 *
 * When the channel ends for good, control is dead: our peers get the virtual IPs at once, and the process ends soon, so that
 * the next control can start a new one.  While another control may still come (channel.ts), nothing is given up, and it is
 * told everything when it does.  When control stands still, what it said about health is soon worth nothing: addresses
 * that somebody else can serve are given away.
 */
import type { Level } from "../../base/log.ts";
import { LEVELS, logTo } from "../../base/log.ts";
import { unreachable } from "../../base/result.ts";
import { Told } from "../../base/told.ts";
import { after, type Ms, ms } from "../../base/unit.ts";
import { BfdDriver } from "../../netstack/bfd/driver/bfd-driver.ts";
import { childArguments, doorOf } from "../../netstack/kernel/arguments.ts";
import { type ChildChannel, openChildChannel, TOLD } from "../../netstack/kernel/channel.ts";
import type { Loop } from "../../netstack/kernel/loop.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { lockMemory, nameProcess, raiseScheduling } from "../../netstack/kernel/privileges.ts";
import { NodeDriver } from "../../netstack/vip/driver/node-driver.ts";
import { Steering } from "./steering.ts";
import { Traces } from "./traces.ts";
import { type FromPulse, lastingOfPulse, type ToPulse } from "./words.ts";

class Pulse {
  readonly #loop: Loop;
  readonly #node: NodeDriver;
  readonly #bfd: BfdDriver;
  readonly #steering: Steering;
  readonly #traces: Traces;
  readonly #channel: ChildChannel;
  /** What is told before the channel is open. */
  readonly #early: FromPulse[] = [];
  readonly #told = new Told<FromPulse>(lastingOfPulse);
  readonly #scheduling: string;
  #ending = false;
  /** Looks at the clock without a ping between; undefined before the first ping. */
  #silence: number | undefined;

  constructor(loop: Loop, least: Level, door: number | undefined) {
    this.#loop = loop;
    const log = logTo(
      (level, name, fields) => this.#tell({ kind: "event", name, fields: { ...fields, level } }),
      least,
    );
    this.#traces = new Traces((n, line) => this.#tell({ kind: "trace", n, line }), Date.now);
    this.#node = new NodeDriver({
      loop,
      log,
      incarnation: incarnation(),
      tell: (message) => this.#tell(message),
      tracer: this.#traces.of("arp"),
    });
    this.#steering = new Steering({ loop, tell: (message) => this.#tell(message), wall: Date.now });
    this.#bfd = new BfdDriver({
      loop,
      tell: (news) => {
        this.#steering.bfd(news); // before control: a path may be dead
        this.#tell(news);
      },
      tracer: this.#traces.of("bfd"),
      wall: Date.now,
    });
    const channel = openChildChannel(
      loop,
      {
        received: (message) => this.#received(message as ToPulse),
        adopted: () => this.#greet(),
        ended: () => this.#orphaned(),
      },
      FRAMES,
      door,
    );
    this.#channel = channel;
    this.#scheduling = raiseScheduling();
    this.#hello();
    for (const message of this.#early.splice(0)) channel.send(message);
  }

  run(): void {
    lockMemory(); // a page fault is a late heartbeat; where it is forbidden, later is what we get
    this.#loop.run();
    this.#loop[Symbol.dispose]();
  }

  #hello(): void {
    this.#channel.send({ kind: "hello", pid: process.pid, scheduling: this.#scheduling } satisfies FromPulse);
  }
  /** Another control: all that it must know. */
  #greet(): void {
    if (this.#ending) return;
    this.#traces.endAll();
    this.#hello();
    for (const message of this.#told.all()) this.#channel.send(message);
    this.#channel.send(TOLD);
  }

  #tell(message: FromPulse): void {
    // What has changed since is said once.
    this.#told.note(message.kind === "shields" ? { ...message, changes: [] } : message);
    if (this.#channel === undefined) this.#early.push(message);
    else this.#channel.send(message);
    if (message.kind === "withdrawn" && this.#ending) this.#end(ORPHAN_HANDOVER);
  }

  #received(message: ToPulse): void {
    switch (message.kind) {
      case "plan": {
        const names = new Set(message.plan.segments.flatMap(({ vips }) => vips.map(({ name }) => name)));
        this.#told.keepOnly((each) => each.kind !== "vip" || names.has(each.vip.name));
        this.#node.plan(message.plan);
        break;
      }
      case "withdraw":
        this.#node.withdraw(ms(message.handover));
        break;
      case "stop":
        if (message.lanes === true) this.#steering.remove();
        this.#end(ms(0));
        break;
      case "bfd":
        this.#bfd.plan(message.plan);
        break;
      case "bfd-report":
        this.#bfd.report();
        break;
      case "steer":
        this.#steering.plan(message.plan);
        break;
      case "path-report":
        this.#steering.report();
        break;
      case "trace":
        this.#traces.begin(message.n, message.protocol, message.peer);
        break;
      case "untrace":
        this.#traces.end(message.n);
        break;
      case "ping":
        this.#pinged();
        this.#channel.send({ kind: "pong", n: message.n } satisfies FromPulse);
        break;
      default:
        unreachable(message);
    }
  }

  #pinged(): void {
    if (this.#silence === undefined) this.#listen();
    else if (this.#silence >= SILENT) this.#node.control(false);
    this.#silence = 0;
  }

  /** Looks are counted, not time: when this process itself stood still, pings wait to be read. */
  #listen(): void {
    this.#loop.wakeAt(after(this.#loop.now(), LOOK_EVERY), () => {
      if (this.#ending) return;
      this.#silence = (this.#silence ?? 0) + 1;
      if (this.#silence >= SILENT) this.#node.control(true);
      this.#listen();
    });
  }

  #orphaned(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#loop.wakeAt(after(this.#loop.now(), ORPHAN_PATIENCE), () => this.#end(ms(0)));
    this.#node.withdraw(ORPHAN_HANDOVER);
  }

  #end(wait: Ms): void {
    this.#loop.wakeAt(after(this.#loop.now(), wait), () => {
      this.#bfd[Symbol.dispose]();
      this.#steering[Symbol.dispose]();
      this.#node[Symbol.dispose]();
      this.#loop.stop();
    });
  }
}

/** The realtime clock in microseconds: larger at each start as long as that clock does not go back between two. */
function incarnation(): number {
  return Date.now() * 1000;
}

function logLevel(args: readonly string[]): Level {
  const at = args.indexOf("--log-level");
  const wanted = at < 0 ? "info" : args[at + 1];
  return LEVELS.find((level) => level === wanted) ?? "info";
}

const FRAMES = 3;
/** A data plane whose control died finishes within seconds: what it carries is handed back to us this long. */
const ORPHAN_HANDOVER = ms(1000);
const ORPHAN_PATIENCE = ms(1300);
/** Control pings twice as often. */
const LOOK_EVERY = ms(1000);
const SILENT = 5;

nameProcess("novaedge: pulse");
// A terminal's Ctrl-C reaches the whole group: what it means for us comes from control.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
const loop = openLoop({ engine: "auto", chunks: 64, log: logTo(() => undefined, "error") });
const args = childArguments();
new Pulse(loop, logLevel(args), doorOf(args)).run();
process.exit(0);
