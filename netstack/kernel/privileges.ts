/**
 * What a process may do and how urgently: scheduling, memory that stays, names, and giving up privileges for good.
 * capabilities(7), sched(7), prctl(2).
 *
 * Capabilities, bounding set and no_new_privs belong to threads, and Node has several.  User and group ids go through
 * libc, which changes all threads at once and thereby takes their capabilities; no_new_privs reaches all of them with the
 * seccomp filter (seccomp.ts).  What came of it is read back from /proc for every thread.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { Fault } from "../../base/fault.ts";
import { errnoName } from "./errno.ts";
import * as libc from "./libc.ts";
import { confine } from "./seccomp.ts";

/**
 * Real-time scheduling for every thread of this process (a garbage collector's helper that is starved starves us), the
 * highest ordinary priority where that is forbidden; children start as ordinary processes.  Says which, for the status.
 */
export function raiseScheduling(): string {
  const parameters = new Uint8Array(Int32Array.of(RR_PRIORITY).buffer);
  const threads = threadIds();
  const failed = firstErrno(threads, (thread) => schedSetscheduler(thread, SCHED_RR | SCHED_RESET_ON_FORK, parameters));
  // Wake-ups on time: ordinary threads may be up to 50 µs late by default.
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  if (failed === 0) return `SCHED_RR ${RR_PRIORITY}`;
  for (const nice of [-20, -15]) {
    if (firstErrno(threads, (thread) => setpriority(PRIO_PROCESS, thread, nice)) === 0)
      return `nice ${nice} (SCHED_RR: ${errnoName(failed)})`;
  }
  return `ordinary (SCHED_RR: ${errnoName(failed)}, nice: ${errnoName(libc.errno())})`;
}

/** Keeps touched pages in memory; 0 or a positive errno.  Not for a process that drops privileges: mapping would fail later. */
export function lockMemory(): number {
  return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0 ? libc.errno() : 0;
}

/** The name in ps and top; the kernel's short form keeps 15 octets. */
export function nameProcess(name: string): void {
  process.title = name;
  const short = Buffer.alloc(16);
  short.write(name.slice(0, 15));
  libc.must(prctlName(PR_SET_NAME, short, 0, 0, 0), "prctl");
}

export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Becomes `user` with no capability and no way back.  Throws when anything is left; the process must end then. */
export function dropPrivileges(user: User): void {
  if (!(user.uid > 0 && user.gid > 0))
    throw new TypeError(`an unprivileged user with uid ${user.uid}, gid ${user.gid}`);
  const last = Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8"));
  const held = status("/proc/self/status");
  if (BigInt(`0x${held.get("CapEff") ?? "0"}`) & (1n << CAP_SETPCAP)) {
    for (let capability = 0; capability <= last; capability++)
      libc.must(prctl(PR_CAPBSET_DROP, capability, 0, 0, 0), "prctl", { option: "PR_CAPBSET_DROP", capability });
  }
  if (process.getuid?.() !== user.uid || process.getgid?.() !== user.gid) {
    libc.must(setgroups(1, new Uint8Array(Uint32Array.of(user.gid).buffer)), "setgroups");
    libc.must(setresgid(user.gid, user.gid, user.gid), "setresgid");
    libc.must(setresuid(user.uid, user.uid, user.uid), "setresuid");
  }
  libc.must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "prctl", { option: "PR_CAP_AMBIENT" });
  // struct __user_cap_header {version 3, this thread}, then two sets of {effective, permitted, inheritable}: all empty.
  libc.must(capset(new Uint8Array(Uint32Array.of(CAPABILITY_VERSION_3, 0).buffer), new Uint8Array(24)), "capset");
  libc.must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl", { option: "PR_SET_NO_NEW_PRIVS" });
  confine();
  const left = remaining(user);
  if (left.length > 0) throw new Fault("KERNEL_CALL", { call: "dropPrivileges", left: left.join(", ") });
}

/**
 * Keeps these for the calling thread, which does all the work; every other thread, and every program, gets none.  What
 * root may by its name alone is gone as well: afterwards this is `user`.
 */
export function keepOnly(kept: readonly Capability[], user: User): void {
  const held = BigInt(`0x${status("/proc/thread-self/status").get("CapPrm") ?? "0"}`);
  // A container may have been given fewer: what needs the others fails by itself, and says so.
  const bits = kept.map((name): number => CAPABILITIES[name]).filter((bit) => ((held >> BigInt(bit)) & 1n) === 1n);
  const last = Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8"));
  for (let capability = 0; capability <= last; capability++) {
    if (!bits.includes(capability))
      libc.must(prctl(PR_CAPBSET_DROP, capability, 0, 0, 0), "prctl", { option: "PR_CAPBSET_DROP", capability });
  }
  // A flag of this thread: libc changes the ids of all, and all others lose their capabilities with that.
  libc.must(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "prctl", { option: "PR_SET_KEEPCAPS" });
  libc.must(setgroups(1, new Uint8Array(Uint32Array.of(user.gid).buffer)), "setgroups");
  libc.must(setresgid(user.gid, user.gid, user.gid), "setresgid");
  libc.must(setresuid(user.uid, user.uid, user.uid), "setresuid");
  const mask = bits.reduce((sum, bit) => sum + 2 ** bit, 0);
  const sets = new Uint8Array(Uint32Array.of(mask, mask, 0, 0, 0, 0).buffer);
  libc.must(capset(new Uint8Array(Uint32Array.of(CAPABILITY_VERSION_3, 0).buffer), sets), "capset");
  libc.must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "prctl", { option: "PR_CAP_AMBIENT" });
  libc.must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl", { option: "PR_SET_NO_NEW_PRIVS" });
  confine();
  const left = beyond(mask);
  if (left.length > 0) throw new Fault("KERNEL_CALL", { call: "keepOnly", left: left.join(", ") });
}

export type Capability = keyof typeof CAPABILITIES;

/** Threads that hold a capability which is not in `mask`; all but this one must have none at all. */
function beyond(mask: number): readonly string[] {
  const own = readlinkSync("/proc/thread-self").split("/").pop();
  return threadIds().flatMap((thread) => {
    const now = status(`/proc/self/task/${thread}/status`);
    const allowed = String(thread) === own ? BigInt(mask) : 0n;
    return ["CapInh", "CapPrm", "CapEff", "CapAmb"].flatMap((name) => {
      const have = BigInt(`0x${now.get(name) ?? "0"}`);
      return (have & ~allowed) === 0n ? [] : [`thread ${thread} ${name} ${have.toString(16)}`];
    });
  });
}

/** What any thread still has beyond `user`: empty when privileges are gone. */
export function remaining(user: User): readonly string[] {
  const left: string[] = [];
  for (const thread of threadIds()) {
    const now = status(`/proc/self/task/${thread}/status`);
    const want: readonly (readonly [string, string])[] = [
      ["Uid", `${user.uid} ${user.uid} ${user.uid} ${user.uid}`],
      ["Gid", `${user.gid} ${user.gid} ${user.gid} ${user.gid}`],
      ["Groups", String(user.gid)],
      ["NoNewPrivs", "1"],
      ["Seccomp", "2"],
      ...["CapInh", "CapPrm", "CapEff", "CapAmb"].map((name) => [name, "0000000000000000"] as const),
    ];
    for (const [name, value] of want) {
      const have = now.get(name) ?? "";
      if (have !== value) left.push(`thread ${thread} ${name} ${have}`);
    }
  }
  return left;
}

function status(path: string): ReadonlyMap<string, string> {
  const lines = readFileSync(path, "utf8").split("\n");
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [
        line.slice(0, colon),
        line
          .slice(colon + 1)
          .trim()
          .replaceAll(/\s+/g, " "),
      ];
    }),
  );
}

function threadIds(): readonly number[] {
  return readdirSync("/proc/self/task").map(Number);
}

function firstErrno(threads: readonly number[], call: (thread: number) => number): number {
  for (const thread of threads) if (call(thread) < 0) return libc.errno();
  return 0;
}

const RR_PRIORITY = 10;
const SCHED_RR = 2;
const SCHED_RESET_ON_FORK = 0x40000000;
const PRIO_PROCESS = 0;
const MCL_CURRENT = 1;
const MCL_FUTURE = 2;
const MCL_ONFAULT = 4;
const PR_SET_NAME = 15;
const PR_CAPBSET_DROP = 24;
const PR_SET_TIMERSLACK = 29;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;
const CAP_SETPCAP = 8n;
const CAPABILITY_VERSION_3 = 0x20080522;
const PR_SET_KEEPCAPS = 8;
const CAPABILITIES = { NET_BIND_SERVICE: 10, NET_ADMIN: 12, NET_RAW: 13 } as const;

const schedSetscheduler = libc.declare<(thread: number, policy: number, parameters: Uint8Array) => number>(
  "int sched_setscheduler(int, int, void *)",
);
const setpriority = libc.declare<(which: number, who: number, nice: number) => number>(
  "int setpriority(int, int, int)",
);
const mlockall = libc.declare<(flags: number) => number>("int mlockall(int)");
const prctl = libc.declare<(option: number, a: number, b: number, c: number, d: number) => number>(
  "int prctl(int, ulong, ulong, ulong, ulong)",
);
const prctlName = libc.declare<(option: number, name: Uint8Array, b: number, c: number, d: number) => number>(
  "int prctl(int, void *, ulong, ulong, ulong)",
);
const setgroups = libc.declare<(count: number, groups: Uint8Array) => number>("int setgroups(size_t, void *)");
const setresgid = libc.declare<(real: number, effective: number, saved: number) => number>(
  "int setresgid(uint32, uint32, uint32)",
);
const setresuid = libc.declare<(real: number, effective: number, saved: number) => number>(
  "int setresuid(uint32, uint32, uint32)",
);
const capset = libc.declare<(header: Uint8Array, data: Uint8Array) => number>("int capset(void *, void *)");
