/**
 * A machine with systemd as PID 1 in the network namespace of a lab's host, by systemd-nspawn on a host whose own PID 1 may
 * be anything.  Nothing of the machine's is touched: files are an overlay in a mount namespace that goes with the process,
 * control groups have a name of ours.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Finished, type Running, run, start } from "../../lab/process.ts";
import { eventually } from "../scenario/daemon.ts";

export class Container implements AsyncDisposable {
  readonly #name: string;
  readonly #directory: string;
  readonly #launcher: Running;
  /** Its PID 1, as this machine numbers it. */
  readonly leader: number;

  private constructor(name: string, directory: string, launcher: Running, leader: number) {
    this.#name = name;
    this.#directory = directory;
    this.#launcher = launcher;
    this.leader = leader;
  }

  /** Resolves when systemd has started what it starts. */
  static async boot(tree: string, namespace: string): Promise<Container> {
    const directory = mkdtempSync(join(tmpdir(), "novaedge-container-"));
    sweep();
    const name = `${PREFIX}${process.pid}-${++booted}`;
    for (const hierarchy of hierarchies()) mkdirSync(join(hierarchy, name));
    const script = [
      // nspawn makes its groups below its caller's: two containers in one group would collide.
      ...hierarchies().map((hierarchy) => `echo $$ > ${hierarchy}/${name}/cgroup.procs`),
      `mount -t tmpfs -o size=2g ${name} ${directory}`,
      `mkdir -p ${directory}/upper/etc ${directory}/work ${directory}/root`,
      // A machine without an id boots for the first time, and asks who it is.
      `echo ${randomBytes(16).toString("hex")} > ${directory}/upper/etc/machine-id`,
      `echo ${name} > ${directory}/upper/etc/hostname`,
      `mount -t overlay -o lowerdir=${tree},upperdir=${directory}/upper,workdir=${directory}/work ${name} ${directory}/root`,
      [
        "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network exec systemd-nspawn --quiet --boot --register=no --keep-unit",
        `--directory=${directory}/root --machine=${name} --network-namespace-path=/run/netns/${namespace}`,
        "--console=passive --link-journal=no --resolv-conf=off --timezone=off",
        // Those of an ordinary machine that the daemon may use; and io_uring, seccomp filters, real-time scheduling.
        "--capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_BPF,CAP_SYS_ADMIN,CAP_SYS_NICE,CAP_IPC_LOCK",
        "--system-call-filter='bpf sched_setscheduler @io-event io_uring_setup io_uring_enter io_uring_register'",
      ].join(" "),
    ].join(" && ");
    // Should this process be killed, so is nspawn, and its machine with it.
    const alone = ["--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"];
    const launcher = start("setpriv", [...alone, "sh", "-c", script]);
    try {
      const leader = await eventually("the container has a PID 1", () => childOf(launcher.pid, launcher), PATIENCE);
      const container = new Container(name, directory, launcher, leader);
      await eventually(
        "systemd is up",
        async () => {
          const { stdout } = await container.attempt("systemctl", "is-system-running");
          return /^(running|degraded)/.test(stdout) ? true : undefined;
        },
        PATIENCE,
      );
      return container;
    } catch (error) {
      const said = launcher.output();
      await launcher[Symbol.asyncDispose]();
      await remove(name, directory);
      throw new Error(`the container did not boot: ${said.slice(-2000)}`, { cause: error });
    }
  }

  /** A command in it; a non-zero exit is a Fault. */
  async exec(command: string, ...args: readonly string[]): Promise<string> {
    const { stdout, stderr } = await run("nsenter", this.#entering(command, args), {});
    return stdout + stderr;
  }
  /** A command in it, whatever its exit. */
  attempt(command: string, ...args: readonly string[]): Promise<Finished> {
    return run("nsenter", this.#entering(command, args), { anyCode: true });
  }

  /** A file of it, as this machine sees it. */
  path(file: string): string {
    return `/proc/${this.leader}/root${file}`;
  }
  read(file: string): string {
    return readFileSync(this.path(file), "utf8");
  }
  write(file: string, content: string | Uint8Array, mode = 0o644): void {
    mkdirSync(dirname(this.path(file)), { recursive: true });
    writeFileSync(this.path(file), content, { mode });
  }
  has(file: string): boolean {
    return existsSync(this.path(file));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // SIGRTMIN+4: systemd powers off; a machine that hangs is killed.
    spawn("kill", ["-s", "RTMIN+4", String(this.leader)], { stdio: "ignore" });
    const late = setTimeout(() => this.#launcher.signalTree("SIGKILL"), PATIENCE);
    await this.#launcher.finished;
    clearTimeout(late);
    await remove(this.#name, this.#directory);
  }

  #entering(command: string, args: readonly string[]): readonly string[] {
    const into = ["-t", String(this.leader), "-m", "-u", "-i", "-n", "-p", "-C"];
    return [...into, "env", "-i", ...ENVIRONMENT, command, ...args];
  }
}

const ENVIRONMENT = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=dumb", "LC_ALL=C.UTF-8"];
let booted = 0;
const PREFIX = "nvct-";

/** Empty groups of machines whose test was killed. */
function sweep(): void {
  for (const hierarchy of hierarchies()) {
    for (const group of readdirSync(hierarchy)) {
      const pid = group.startsWith(PREFIX) ? /^\d+/.exec(group.slice(PREFIX.length))?.[0] : undefined;
      if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeGroups(join(hierarchy, group));
    }
  }
}

/** The unified one, and the named one of systemd where version 1 is mounted as well. */
function hierarchies(): readonly string[] {
  const all = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup"];
  return all.filter((each) => existsSync(join(each, "cgroup.procs")));
}

/** nspawn's child is the machine's PID 1. */
function childOf(pid: number, launcher: Running): number | undefined {
  const found = childrenOf(pid).find((child) => comm(child) === "systemd");
  if (found === undefined && !existsSync(`/proc/${pid}`)) throw new Error(launcher.output());
  return found;
}
function childrenOf(pid: number): readonly number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    return []; // it ended
  }
}
function comm(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return undefined; // it ended
  }
}

/** The last processes of a machine that was killed leave their groups a moment later. */
async function remove(name: string, directory: string): Promise<void> {
  for (const hierarchy of hierarchies())
    await eventually("the control groups are empty", () => removeGroups(join(hierarchy, name)), PATIENCE);
  rmSync(directory, { recursive: true, force: true });
}
function removeGroups(group: string): true | undefined {
  try {
    if (!existsSync(group)) return true;
    for (const entry of readdirSync(group, { withFileTypes: true }))
      if (entry.isDirectory() && removeGroups(join(group, entry.name)) === undefined) return undefined;
    rmdirSync(group);
    return true;
  } catch (error) {
    if (["EBUSY", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** Milliseconds: a machine of two cores on which everything is tested at once. */
const PATIENCE = 180_000;
