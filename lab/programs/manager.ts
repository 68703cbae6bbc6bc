/**
 * A service manager in small, for one daemon: what systemd does with READY, STOPPING, WATCHDOG, FDSTORE and FDSTOREREMOVE,
 * Restart=always with a pause (but not after 64 and 78), restarts and stops.  manager.ts DIRECTORY COMMAND ARGS...
 *
 * Commands on standard input: `restart`, `kill`, `stop`, `program COMMAND ARGS...` (what the next start runs).  Events on
 * standard output, a line of JSON each.  `systemctl list-jobs` of the daemon is a script that this program writes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { receiveMessage } from "../../netstack/kernel/descriptors.ts";
import * as libc from "../../netstack/kernel/libc.ts";
import { AF_UNIX, encodeUnix } from "../../netstack/kernel/sockaddr.ts";

/** Milliseconds. */
const WATCHDOG = 10_000;
const RESTART_AFTER = 100;
const pollfd = new Int32Array(2);
const poll = libc.declare<(fds: Uint8Array, count: number, timeout: number) => number>("int poll(void *, ulong, int)");
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0x80000;

const [directory = "", ...first] = process.argv.slice(2);
const UNIT = "novaedge.service";
const notify = join(directory, "notify");
const jobs = join(directory, "jobs");
const bin = join(directory, "bin");
let program = first;
/** Name → descriptor, in the order in which they came. */
const store = new Map<string, number>();
let daemon: ChildProcess | undefined;
let stopping: "restart" | "stop" | undefined;
let fedAt = performance.now();
let starts = 0;
let startedAt = 0;
let announced = false;

mkdirSync(bin, { recursive: true });
writeFileSync(jobs, "");
writeFileSync(join(bin, "systemctl"), `#!/bin/sh\nexec cat ${jobs}\n`, { mode: 0o755 });
const socket = libc.must(libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
const address = encodeUnix(notify);
libc.must(libc.bind(socket, address, address.length), "bind");
begin();
setInterval(look, 2);
createInterface({ input: process.stdin }).on("line", (line) => {
  const [word, ...rest] = line.split(" ");
  if (word === "restart" || word === "stop") ask(word);
  else if (word === "kill") daemon?.kill("SIGKILL");
  else if (word === "program") program = rest;
});

function say(event: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify({ starts, ...event })}\n`);
}

function ask(job: "restart" | "stop"): void {
  stopping = job;
  writeFileSync(jobs, `7 ${UNIT} ${job} running\n`);
  daemon?.kill("SIGTERM");
}

function begin(): void {
  starts++;
  announced = false;
  startedAt = performance.now();
  fedAt = startedAt;
  const names = [...store.keys()];
  const passed = { LISTEN_FDS: String(names.length), LISTEN_FDNAMES: names.join(":") };
  const [command = "", ...args] = program;
  // The process id is known to the process alone before it runs the program.
  const child = spawn("sh", ["-c", 'LISTEN_PID=$$ exec "$0" "$@"', command, ...args], {
    stdio: ["ignore", "inherit", "inherit", ...store.values()],
    env: {
      ...process.env,
      ...(names.length > 0 ? passed : {}),
      NOTIFY_SOCKET: notify,
      NOVAEDGE_UNIT: UNIT,
      WATCHDOG_USEC: String(WATCHDOG * 1000),
      PATH: `${bin}:${process.env["PATH"]}`,
    },
  });
  daemon = child;
  child.on("exit", (code, signal) => {
    say({ event: "ended", how: signal ?? code });
    daemon = undefined;
    const again = stopping !== "stop" && code !== 64 && code !== 78;
    const pause = stopping === "restart" ? 0 : RESTART_AFTER;
    stopping = undefined;
    writeFileSync(jobs, "");
    if (again) setTimeout(begin, pause);
    else empty();
  });
  say({ event: "begun", pid: child.pid, passed: names });
}

function empty(): void {
  for (const fd of store.values()) closeSync(fd);
  store.clear();
  say({ event: "stopped" });
  process.exit(0);
}

/** What the daemon says, what is kept of whom has ended, and whether the watchdog is fed. */
function look(): void {
  for (let message = receiveMessage(socket); message.kind === "message"; message = receiveMessage(socket))
    heard(message.text, message.fds);
  for (const [name, fd] of store) {
    if (!isHungUp(fd)) continue;
    closeSync(fd);
    store.delete(name);
  }
  // Before READY it is the time to start that is limited, and generously.
  if (!announced || daemon === undefined || stopping !== undefined || performance.now() - fedAt < WATCHDOG) return;
  say({ event: "watchdog" });
  fedAt = performance.now();
  daemon.kill("SIGABRT");
}

function heard(text: string, fds: readonly number[]): void {
  const words = new Map(text.split("\n").map((line) => [line.split("=")[0] ?? "", line.slice(line.indexOf("=") + 1)]));
  const name = words.get("FDNAME") ?? "";
  const [fd] = fds;
  if (words.has("FDSTORE") && fd !== undefined && !store.has(name)) store.set(name, fd);
  else for (const each of fds) closeSync(each);
  if (words.has("FDSTOREREMOVE")) {
    const kept = store.get(name);
    if (kept !== undefined) closeSync(kept);
    store.delete(name);
  }
  if (words.has("WATCHDOG")) fedAt = performance.now();
  if (words.has("READY") && !announced) {
    announced = true;
    say({ event: "ready", after: Math.round(performance.now() - startedAt), status: words.get("STATUS") });
  }
}

function isHungUp(fd: number): boolean {
  pollfd[0] = fd;
  pollfd[1] = 0;
  return poll(new Uint8Array(pollfd.buffer), 1, 0) > 0;
}
