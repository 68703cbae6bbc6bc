/**
 * wireguard-go processes: one for each device, in a session of its own, so that it outlives whoever started it.  A process
 * makes its device (a TUN) when it starts; the device goes with the process, and the process with the device.  The next
 * one to start finds a process by its UAPI socket.
 *
 * The socket lies in the file system (/run/wireguard), which is not divided as networks are: two devices of one name in
 * two network namespaces need two mount namespaces.
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { err, ok, type Result } from "../../../base/result.ts";
import { declare } from "../libc.ts";
import { answersAt, listenerAt } from "./uapi-door.ts";

/** Starts one; its device and its socket follow soon, or never: then `log` says why. */
export function startWireguardGo(ifname: string, log: string | undefined): Result<number, string> {
  let output: number | "ignore" = "ignore";
  try {
    const socket = socketOf(ifname);
    // Left behind by a killed process; wireguard-go itself refuses to start where one answers.
    if (existsSync(socket) && !answersAt(socket)) rmSync(socket, { force: true });
    mkdirSync(DIRECTORY, { recursive: true, mode: 0o755 });
    if (log !== undefined) {
      mkdirSync(dirname(log), { recursive: true, mode: 0o755 });
      output = openSync(log, "w", 0o600);
    }
    const child = spawn(PROGRAM, [ifname], {
      detached: true,
      cwd: "/",
      stdio: ["ignore", output, output],
      // Without the first it would fork once more, and the socket would name a process that is no more.
      env: { WG_PROCESS_FOREGROUND: "1", LOG_LEVEL: "error", PATH: process.env["PATH"] ?? SEARCH },
    });
    // The same failure that the missing pid tells at once, where Node's own loop turns.
    child.on("error", () => undefined);
    child.unref();
    return child.pid === undefined ? err(`${PROGRAM} could not be started: is it installed?`) : ok(child.pid);
  } catch (cause) {
    // A read-only /run, a full disk.
    if (cause instanceof Error && "code" in cause) return err(cause.message);
    throw cause;
  } finally {
    if (typeof output === "number") closeSync(output);
  }
}

/** The process behind the device, when it is one that we could have started; undefined when none answers. */
export function wireguardGoOf(ifname: string): number | undefined {
  const pid = listenerAt(socketOf(ifname));
  return pid !== undefined && runs(pid, ifname) ? pid : undefined;
}

/** Asks it to end; false when there is none. */
export function endWireguardGo(ifname: string): boolean {
  return signal(ifname, "SIGTERM");
}

/** For one that does not hear. */
export function killWireguardGo(ifname: string): boolean {
  return signal(ifname, "SIGKILL");
}

/**
 * Takes leave of a child that ended, which Node's own loop would do where it turned: 0 while it runs.  Of a process that
 * is no child of ours, -1.
 */
export function reap(pid: number): number {
  return waitpid(pid, new Int32Array(1), WNOHANG);
}

/** What a process that did not come up wrote last. */
export function lastWords(log: string | undefined): string | undefined {
  if (log === undefined || !existsSync(log)) return undefined;
  const lines = readFileSync(log, "utf8").trim().split("\n");
  const said = lines.filter((line) => /error|fail|denied|not permitted/i.test(line)).at(-1) ?? lines.at(-1);
  return said === "" ? undefined : said?.slice(0, 200);
}

export function socketOf(ifname: string): string {
  if (!/^[A-Za-z0-9_.-]{1,15}$/.test(ifname) || ifname.startsWith(".")) throw new TypeError(`not a name: ${ifname}`);
  return `${DIRECTORY}/${ifname}.sock`;
}

function signal(ifname: string, which: "SIGTERM" | "SIGKILL"): boolean {
  const pid = wireguardGoOf(ifname);
  if (pid === undefined) return false;
  try {
    process.kill(pid, which);
    return true;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ESRCH") return false;
    throw cause;
  }
}

/** A number may have passed to another process since. */
function runs(pid: number, ifname: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(ifname);
  } catch {
    return false; // gone meanwhile
  }
}

const PROGRAM = "wireguard-go";
const SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const DIRECTORY = "/run/wireguard";
const WNOHANG = 1;
const waitpid = declare<(pid: number, status: Int32Array, options: number) => number>("int waitpid(int, void *, int)");
