/**
 * Network namespaces by name, as `ip netns` keeps them: a bind mount in /run/netns each, so that both see the same ones.
 * For the lab and tests; needs CAP_SYS_ADMIN.
 *
 * A namespace belongs to a thread.  `inside` moves the calling thread for one synchronous section and back: sockets
 * opened in it stay in that namespace for ever, whoever uses them later.  Asynchronous work must not be begun in it (it
 * would run on other threads, or after the way back).
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { Fault } from "../../base/fault.ts";
import { declare, must } from "./libc.ts";
import { RouteSocket } from "./netlink/route-socket.ts";

/** Creates it with its loopback interface up. */
export function createNamespace(name: string): void {
  prepareDirectory();
  const path = pathOf(name);
  writeFileSync(path, "", { flag: "wx", mode: 0o444 });
  const home = openSync(OWN, "r");
  try {
    must(unshare(CLONE_NEWNET), "unshare", { namespace: name });
    try {
      must(mount(OWN, path, "none", MS_BIND, null), "mount", { path });
      using route = new RouteSocket();
      route.changeLink("lo", { up: true });
    } finally {
      must(setns(home, CLONE_NEWNET), "setns", { namespace: "own" });
    }
  } catch (cause) {
    rmSync(path, { force: true });
    throw cause;
  } finally {
    closeSync(home);
  }
}

/** Returns false when there is none.  Processes and sockets in it keep it alive until they end. */
export function deleteNamespace(name: string): boolean {
  const path = pathOf(name);
  if (!existsSync(path)) return false;
  // A file that lost its mount (a crash between the two steps of creating) is removed all the same.
  umount2(path, MNT_DETACH);
  rmSync(path, { force: true });
  return true;
}

export function listNamespaces(): readonly string[] {
  return existsSync(DIRECTORY) ? readdirSync(DIRECTORY) : [];
}

/** Runs a synchronous function with the calling thread inside `name`. */
export function inside<T>(name: string, run: () => T): T {
  const home = openSync(OWN, "r");
  try {
    const there = openNamespace(name);
    try {
      must(setns(there, CLONE_NEWNET), "setns", { namespace: name });
    } finally {
      closeSync(there);
    }
    try {
      const result = run();
      if (result instanceof Promise) throw new TypeError("inside() takes synchronous functions only");
      return result;
    } finally {
      // Were this to fail, the thread would go on in the wrong namespace: nothing after it could be trusted.
      must(setns(home, CLONE_NEWNET), "setns", { namespace: "own" });
    }
  } finally {
    closeSync(home);
  }
}

/** A file descriptor of the namespace, to move links into; the caller closes it. */
export function openNamespace(name: string): number {
  try {
    return openSync(pathOf(name), "r");
  } catch (cause) {
    throw new Fault("FILE", { path: pathOf(name), what: "network namespace" }, cause);
  }
}

/** Starts a process inside `name`.  It is `command` itself, not a shell around it: nsenter replaces itself by it. */
export function spawnInside(
  name: string,
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): ChildProcess {
  return spawn("nsenter", [`--net=${pathOf(name)}`, "--", command, ...args], options);
}

export function pathOf(name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/.test(name)) throw new TypeError(`not a namespace's name: ${name}`);
  return `${DIRECTORY}/${name}`;
}

/** As `ip netns add`: a shared mount, so that namespaces of other mount namespaces see and release what we bind. */
function prepareDirectory(): void {
  mkdirSync(DIRECTORY, { recursive: true, mode: 0o755 });
  if (mount("", DIRECTORY, "none", MS_SHARED | MS_REC, null) === 0) return;
  must(mount(DIRECTORY, DIRECTORY, "none", MS_BIND | MS_REC, null), "mount", { path: DIRECTORY });
  must(mount("", DIRECTORY, "none", MS_SHARED | MS_REC, null), "mount", { path: DIRECTORY, how: "shared" });
}

const unshare = declare<(flags: number) => number>("int unshare(int)");
const setns = declare<(fd: number, type: number) => number>("int setns(int, int)");
const mount = declare<(source: string, target: string, type: string, flags: number, data: null) => number>(
  "int mount(str, str, str, ulong, void *)",
);
const umount2 = declare<(target: string, flags: number) => number>("int umount2(str, int)");
const DIRECTORY = "/run/netns";
const OWN = "/proc/thread-self/ns/net";
const CLONE_NEWNET = 0x40000000;
const MS_BIND = 4096;
const MS_REC = 16384;
const MS_SHARED = 1 << 20;
const MNT_DETACH = 2;
