/** Entry of a data-plane process; control.ts says what it is started with. */
import { closeSync, readFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { parseArgs } from "node:util";
import { Fault } from "../base/fault.ts";
import { LEVELS, type Level, logTo } from "../base/log.ts";
import { Told } from "../base/told.ts";
import { childArguments } from "../netstack/kernel/arguments.ts";
import { openChildChannel, TOLD } from "../netstack/kernel/channel.ts";
import { openLoop } from "../netstack/kernel/open-loop.ts";
import { offer } from "../netstack/kernel/output.ts";
import { dropPrivileges, nameProcess, type User } from "../netstack/kernel/privileges.ts";
import { randomOctets } from "../netstack/kernel/random.ts";
import { type FromDataplane, lastingOfDataplane, type ToDataplane } from "./control.ts";
import { Worker } from "./worker.ts";

const STDOUT = 1;
const STDERR = 2;
const FRAMES = 3;
const DESCRIPTORS = 4;
/** Milliseconds for what is under way when control has died. */
const ORPHAN_GRACE = 5000;

const { values } = parseArgs({
  args: [...childArguments()],
  options: {
    worker: { type: "string", default: "0" },
    engine: { type: "string", default: "auto" },
    user: { type: "string", default: "nobody" },
    "log-level": { type: "string", default: "info" },
  },
});
const index = Number(values.worker);
const log = logTo(
  (level, name, fields) => {
    const line = { time: new Date().toISOString(), level, name, ...fields };
    // A reader that does not keep up loses lines of ours, not traffic.
    offer(STDERR, Buffer.from(`${JSON.stringify(line)}\n`));
  },
  LEVELS.find((level): level is Level => level === values["log-level"]) ?? "info",
  { process: `dataplane/${index}` },
);

nameProcess(`novaedge: dataplane/${index}`);
// Control decides when we end, by a message or by its own death: a terminal's Ctrl-C reaches the whole process group.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

const loop = openLoop({ engine: engineOf(values.engine), log });
// What is compiled is kept for the next start, now: the user that this process becomes may not write there.
flushCompileCache();
// Before the first octet of anybody else is looked at.
if (process.getuid?.() === 0 && values.user !== "root") dropPrivileges(userOf(values.user));

const told = new Told<FromDataplane>(lastingOfDataplane);
const worker = new Worker({
  loop,
  log,
  index,
  pid: process.pid,
  descriptors: descriptorLimit(),
  send: (message) => {
    told.note(message);
    channel.send(message);
  },
  sink: (octets) => {
    const taken = offer(STDOUT, octets);
    // Nobody will ever read it.
    return taken < 0 ? octets.length : taken;
  },
  close: closeSync,
  wallClock: Date.now,
  chance: Math.random,
  seed: randomOctets(12),
  finished: () => loop.stop(),
});
const channel = openChildChannel(
  loop,
  {
    // The frames come from control, which made them from checked types; this process trusts nobody else.
    received: (message) => worker.message(message as ToDataplane),
    receivedFd: (key, fd) => worker.plane.socket(key, fd),
    // Another control starts data planes of its own, and this one serves until they do.
    adopted: () => {
      worker.greet();
      for (const message of told.all()) channel.send(message);
      channel.send(TOLD);
    },
    ended: (why) => {
      log.warn("control.gone", { why });
      worker.drain(ORPHAN_GRACE);
    },
  },
  FRAMES,
  DESCRIPTORS,
);
worker.start();
loop.run();
// No disposal: the kernel takes everything back, and faster.
process.exit(0);

function engineOf(text: string): "auto" | "io_uring" | "epoll" {
  if (text === "auto" || text === "io_uring" || text === "epoll") return text;
  throw new TypeError(`--engine ${text}`);
}

/** Node has raised the soft limit to the hard one. */
function descriptorLimit(): number {
  const line = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  return line === null ? Number.POSITIVE_INFINITY : Number(line[1]);
}

/** A name of /etc/passwd, or "uid:gid". */
function userOf(name: string): User {
  const numbers = /^(\d+):(\d+)$/.exec(name);
  if (numbers !== null) return { uid: Number(numbers[1]), gid: Number(numbers[2]) };
  for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
    const [login, , uid, gid] = line.split(":");
    if (login === name) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Fault("FILE", { path: "/etc/passwd", user: name, why: "no such user" });
}
