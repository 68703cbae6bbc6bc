/**
 * FRR on a host of a lab: its daemons in the foreground, one pathspace (`-N`) of their own, which goes with them.
 * Configuration goes through vtysh once all are up, since each daemon refuses the others' words.
 */
import { execFileSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../base/fault.ts";
import type { Host } from "../host.ts";
import type { Running } from "../process.ts";
import { frrConfig } from "./frr-config.ts";
import type { RouterSpec } from "./router.ts";
import { until } from "./until.ts";
import { openVty, type Vty } from "./vty.ts";

export type FrrDaemon = "zebra" | "mgmtd" | "staticd" | "bfdd" | "bgpd" | "ospfd" | "ospf6d";

export interface Frr extends AsyncDisposable {
  readonly make: "frr";
  readonly pathspace: string;
  /** One daemon's answer: `ask("bgpd", "show bgp summary json")`. */
  ask(daemon: FrrDaemon, command: string): Promise<string>;
  json<T>(daemon: FrrDaemon, command: string): Promise<T>;
  /** Configuration lines to one running daemon, as typed after `configure terminal`. */
  configure(daemon: FrrDaemon, lines: string | readonly string[]): Promise<void>;
  /** Ends one daemon, or starts it again with the configuration that it had. */
  end(daemon: FrrDaemon, signal?: NodeJS.Signals): Promise<void>;
  restart(daemon: FrrDaemon): Promise<void>;
  running(daemon: FrrDaemon): Running;
  /** What all of them logged. */
  log(): string;
}

export interface FrrOptions {
  /** By default those that the description needs. */
  readonly daemons?: readonly FrrDaemon[];
  /** More arguments of one daemon, for instance `["-K", "60"]` for zebra. */
  readonly args?: Readonly<Partial<Record<FrrDaemon, readonly string[]>>>;
  /** A configuration file that a daemon reads itself: long lists load faster than through vtysh. */
  readonly files?: Readonly<Partial<Record<FrrDaemon, string>>>;
}

/** Starts FRR with a description, or with a configuration in its own words. */
export async function startFrr(host: Host, wanted: RouterSpec | string, options: FrrOptions = {}): Promise<Frr> {
  sweepPathspaces();
  const pathspace = host.namespace;
  const directory = join(RUN, pathspace);
  const { uid, gid } = owner();
  mkdirSync(directory, { recursive: true });
  chownSync(directory, uid, gid);
  const own = join(directory, "run");
  mkdirSync(join(own, pathspace), { recursive: true });
  chownSync(own, uid, gid);
  const config = typeof wanted === "string" ? wanted : frrConfig(wanted);
  const file = join(directory, "frr.conf");
  writeFileSync(file, config, { mode: 0o644 });
  const daemons = options.daemons ?? needed(typeof wanted === "string" ? undefined : wanted);
  const running = new Map<FrrDaemon, Running>();
  const vtys = new Map<FrrDaemon, Vty>();

  const launch = async (daemon: FrrDaemon): Promise<void> => {
    const text = options.files?.[daemon];
    const path = text === undefined ? "/dev/null" : join(directory, `${daemon}.conf`);
    if (text !== undefined) writeFileSync(path, text, { mode: 0o644 });
    const socket = join(directory, `${daemon}.vty`);
    rmSync(socket, { force: true });
    const log = ["--log", `file:${join(directory, `${daemon}.log`)}`, "--log-level", "notifications"];
    const names = ["-N", pathspace, "-u", "frr", "-g", "frr", "-A", "127.0.0.1", "-P", "0"];
    const files = ["-f", path, "-i", join(directory, `${daemon}.pid`)];
    const more = options.args?.[daemon] ?? [];
    const command = [join(PROGRAMS, daemon), ...names, ...files, ...log, ...more];
    const started = host.spawn("sh", ["-c", ALONE, directory, own, ...command]);
    running.set(daemon, started);
    let over = false;
    void started.finished.finally(() => (over = true));
    const vty = await until(`${daemon}.vty`, () => openVty(socket).catch(() => undefined), {
      explain: () => `${started.output()} ${logOf(directory)}`,
      within: 30_000,
      giveUp: () => over,
    });
    vtys.set(daemon, vty);
  };
  const load = async (): Promise<void> => {
    // vtysh looks for a file of its own first, and would take the machine's.
    writeFileSync(join(directory, "vtysh.conf"), "");
    const { stdout, stderr } = await host.exec("vtysh", ["--config_dir", RUN, "-N", pathspace, "-f", file], {
      anyCode: true,
    });
    const refused = `${stdout}\n${stderr}`.split("\n").filter((line) => /^%|error|unknown command/i.test(line));
    if (refused.length > 0) throw new Fault("LAB", { host: host.name, refused: refused.join("; ") });
  };
  const vty = (daemon: FrrDaemon): Vty => {
    const open = vtys.get(daemon);
    if (open === undefined) throw new TypeError(`lab: no ${daemon} runs on ${host.name}`);
    return open;
  };
  const dispose = async (): Promise<void> => {
    for (const each of vtys.values()) each[Symbol.dispose]();
    await Promise.all([...running.values()].map((each) => each[Symbol.asyncDispose]()));
    rmSync(directory, { recursive: true, force: true });
  };
  const frr: Frr = {
    make: "frr",
    pathspace,
    ask: (daemon, command) => vty(daemon).ask(command),
    async json<T>(daemon: FrrDaemon, command: string) {
      return JSON.parse(await vty(daemon).ask(command)) as T;
    },
    async configure(daemon, lines) {
      const commands = typeof lines === "string" ? lines.split("\n") : lines;
      await vty(daemon).ask("configure terminal");
      try {
        for (const line of commands) if (line.trim() !== "") await vty(daemon).ask(line.trim());
      } finally {
        await vty(daemon).ask("end");
      }
    },
    async end(daemon, signal = "SIGTERM") {
      vtys.get(daemon)?.[Symbol.dispose]();
      vtys.delete(daemon);
      const one = running.get(daemon);
      one?.signal(signal);
      await one?.finished;
    },
    async restart(daemon) {
      await launch(daemon);
      await load();
    },
    running(daemon) {
      const one = running.get(daemon);
      if (one === undefined) throw new TypeError(`lab: no ${daemon} runs on ${host.name}`);
      return one;
    },
    log: () => logOf(directory),
    [Symbol.asyncDispose]: dispose,
  };
  try {
    const [first, ...rest] = daemons;
    if (first !== undefined) await launch(first); // zebra before those that register with it
    await Promise.all(rest.map(launch));
    await load();
    return frr;
  } catch (error) {
    await dispose();
    throw error;
  }
}

function needed(spec: RouterSpec | undefined): readonly FrrDaemon[] {
  const versions = (spec?.ospf ?? []).map((ospf) => ospf.version);
  return [
    "zebra",
    ...((spec?.ospf ?? []).some((ospf) => ospf.networks !== undefined) ? (["staticd"] as const) : []),
    "bfdd",
    ...(spec === undefined || spec.bgp !== undefined ? (["bgpd"] as const) : []),
    ...(versions.includes(2) ? (["ospfd"] as const) : []),
    ...(versions.includes(3) ? (["ospf6d"] as const) : []),
  ];
}

function logOf(directory: string): string {
  const read = (file: string): string => readFileSync(join(directory, file), "utf8");
  return readdirSync(directory)
    .filter((file) => file.endsWith(".log"))
    .map((file) => `--- ${file}\n${read(file)}`)
    .join("\n");
}

/** Pathspaces of labs whose namespace is gone: a lab that was killed leaves them. */
function sweepPathspaces(): void {
  if (!existsSync(RUN)) return;
  for (const name of readdirSync(RUN))
    if (/^nv[0-9]+-/.test(name) && statSync(join(RUN, name)).isDirectory() && !existsSync(`/run/netns/${name}`))
      rmSync(join(RUN, name), { recursive: true, force: true });
}

function owner(): { readonly uid: number; readonly gid: number } {
  const number = (flag: string): number => Number(execFileSync("id", [flag, "frr"], { encoding: "utf8" }));
  return { uid: number("-u"), gid: number("-g") };
}

const RUN = "/var/run/frr";
/**
 * FRR 8.4 keeps what OSPF must know after a restart outside the pathspace, where another lab's daemon would begin with
 * it. So each sees a directory of its own there; a host's programs have mounts of their own anyway (ip-netns(8)).
 */
const ALONE = `own=$1; shift; mount --bind "$0" "$own/\${0##*/}" && mount --rbind "$own" ${RUN} && exec "$@"`;
const PROGRAMS = "/usr/lib/frr";
