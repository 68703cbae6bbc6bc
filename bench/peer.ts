/** Peers come from Debian's packages; a bench installs what is missing, as root, and says so. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const PATHS = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** The full path of `command`, installing `debianPackage` first when it is missing. */
export function peer(command: string, debianPackage: string): string {
  const found = find(command);
  if (found !== undefined) return found;
  process.stderr.write(`bench: installing Debian package ${debianPackage}\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = ["install", "-y", "-qq", "--no-install-recommends", debianPackage];
  using _ = startsNothing();
  if (spawnSync("apt-get", install, { env, stdio: "ignore" }).status !== 0) {
    execFileSync("apt-get", ["update", "-qq"], { env, stdio: "inherit" });
    execFileSync("apt-get", install, { env, stdio: "inherit" });
  }
  const installed = find(command);
  if (installed === undefined) throw new Error(`${debianPackage} did not bring ${command}`);
  return installed;
}

/** A program is wanted, not the service that comes with it: while this holds, packages start nothing. */
function startsNothing(): Disposable {
  const policy = "/usr/sbin/policy-rc.d";
  if (existsSync(policy)) return { [Symbol.dispose]: () => undefined };
  writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  return { [Symbol.dispose]: () => rmSync(policy, { force: true }) };
}

function find(command: string): string | undefined {
  return PATHS.map((path) => `${path}/${command}`).find((path) => existsSync(path));
}

/** CPU time of a process with all its threads, in microseconds, from the scheduler's own nanosecond account. */
export function cpuMicroseconds(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]) / 1000)
    .reduce((sum, each) => sum + each, 0);
}

/** How often its threads have gone to sleep. */
export function sleeps(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((task) => /^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/task/${task}/status`, "utf8")))
    .reduce((sum, found) => sum + Number(found?.[1] ?? 0), 0);
}

/** Memory in MiB; what is shared with others counts in part. */
export function pssMiB(pid: number): number {
  const kib = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1];
  return Number(kib ?? 0) / 1024;
}

/** Peak resident set in MiB. */
export function peakMiB(pid: number): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? Number.NaN) / 1024;
}

/** The process and its descendants. */
export function family(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return [pid, ...(children === "" ? [] : children.split(" ").flatMap((child) => family(Number(child))))];
}
