/**
 * The command line of `novaedge`.  Flags beat the settings file.  The names are those of the agent that operators know;
 * a flag that this version cannot honour is refused by name, with the way that works.
 */
import { parseArgs } from "node:util";
import { LEVELS, type Level } from "../base/log.ts";
import { err, ok, type Result } from "../base/result.ts";
import type { Settings } from "../resources/settings.ts";

export type Command =
  | { readonly kind: "run"; readonly flags: Flags }
  | { readonly kind: "check"; readonly flags: Flags }
  | { readonly kind: "version" }
  | { readonly kind: "help" };

/** Only what was given. */
export interface Flags {
  readonly config: string;
  readonly nodeName: string | undefined;
  readonly metricsPort: number | undefined;
  readonly healthPort: number | undefined;
  readonly adminSocket: string | undefined;
  readonly stateDir: string | undefined;
  readonly workers: number | undefined;
  readonly engine: Settings["dataplane"]["engine"] | undefined;
  readonly logLevel: Level | undefined;
  readonly logFormat: Settings["log"]["format"] | undefined;
}

export function parseCommand(args: readonly string[]): Result<Command, string> {
  const [command, ...rest] = args;
  if (command === undefined || command === "help" || command === "--help" || command === "-h")
    return ok({ kind: "help" });
  if (command === "version" || command === "--version") return ok({ kind: "version" });
  if (command !== "run" && command !== "check") return err(`unknown command "${command}"; see novaedge help`);
  const refused = rest.map((each) => REFUSED[each.split("=", 1)[0] ?? ""]).find((each) => each !== undefined);
  if (refused !== undefined) return err(refused);
  const parsed = attempt(rest);
  if (!parsed.ok) return parsed;
  const values = parsed.value;
  if (values["help"] === true) return ok({ kind: "help" });
  const problems: string[] = [];
  const number = (name: string, from: number, to: number): number | undefined => {
    const text = values[name];
    if (typeof text !== "string") return undefined;
    const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= from && value <= to)) problems.push(`--${name}: ${text} is not a number from ${from} to ${to}`);
    return value;
  };
  const choice = <T extends string>(name: string, choices: readonly T[]): T | undefined => {
    const text = values[name];
    if (typeof text !== "string") return undefined;
    const found = choices.find((each) => each === text);
    if (found === undefined) problems.push(`--${name}: ${text} is none of ${choices.join(", ")}`);
    return found;
  };
  const text = (name: string): string | undefined => (typeof values[name] === "string" ? values[name] : undefined);
  const flags: Flags = {
    config: text("config") ?? SETTINGS_FILE,
    nodeName: text("node-name"),
    metricsPort: number("metrics-port", 1, 65_535),
    healthPort: number("health-port", 1, 65_535) ?? number("health-probe-port", 1, 65_535),
    adminSocket: text("admin-socket"),
    stateDir: text("state-dir"),
    workers: number("workers", 1, 256),
    engine: choice("engine", ["auto", "io_uring", "epoll"]),
    logLevel: choice("log-level", LEVELS),
    logFormat: choice("log-format", ["auto", "json", "journal", "text"]),
  };
  return problems.length > 0 ? err(problems.join("\n")) : ok({ kind: command, flags });
}

/** The settings with the flags in force. */
export function withFlags(settings: Settings, flags: Flags): Settings {
  const { node, metrics, health, admin, paths, dataplane, log } = settings;
  return {
    ...settings,
    node: { ...node, ...given("name", flags.nodeName) },
    metrics: { ...metrics, ...given("port", flags.metricsPort) },
    health: { ...health, ...given("port", flags.healthPort) },
    admin: { ...admin, ...given("socket", flags.adminSocket) },
    paths: { ...paths, ...given("state", flags.stateDir) },
    dataplane: { ...dataplane, ...given("workers", flags.workers), ...given("engine", flags.engine) },
    log: { ...log, ...given("level", flags.logLevel), ...given("format", flags.logFormat) },
  };
}

const SETTINGS_FILE = "/etc/novaedge/novaedge.yaml";

export const HELP = `novaedge - virtual IPs and the proxy behind them

  novaedge run [flags]      run the daemon
  novaedge check [flags]    read the configuration, print each problem with its line, exit 0 or 78
  novaedge version

Flags (they beat the settings file):
  --config FILE|DIR    settings file (${SETTINGS_FILE}), or a directory with novaedge.yaml and conf.d/
  --node-name NAME     unique on the segment (the host's name)
  --metrics-port N     Prometheus metrics (9090)
  --health-port N      /healthz and /readyz (8080); also --health-probe-port
  --admin-socket PATH  Unix socket for novactl (/run/novaedge/admin.sock)
  --state-dir DIR      what must survive a restart (/var/lib/novaedge)
  --workers N          data-plane processes (one per CPU)
  --engine E           auto, io_uring or epoll
  --log-level L        trace, debug, info, warn or error (info)
  --log-format F       auto, json, journal or text

Exit status: 0 stopped or fine, 1 failed, 64 wrong usage, 78 configuration refused.
`;

/** BSD's sysexits.h, as the unit's RestartPreventExitStatus expects them. */
export const EXIT = { ok: 0, failed: 1, usage: 64, config: 78 } as const;

type Values = Readonly<Record<string, string | boolean | undefined>>;

function attempt(args: readonly string[]): Result<Values, string> {
  try {
    return ok(parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false }).values);
  } catch (error) {
    if (error instanceof TypeError && "code" in error) return err(error.message);
    throw error;
  }
}

function given<K extends string, V>(key: K, value: V | undefined): { readonly [key in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [key in K]: V });
}

const string = { type: "string" } as const;
const OPTIONS = {
  help: { type: "boolean", short: "h" },
  config: { type: "string", short: "c" },
  "node-name": string,
  "metrics-port": string,
  "health-port": string,
  "health-probe-port": string,
  "admin-socket": string,
  "state-dir": string,
  workers: string,
  engine: string,
  "log-level": string,
  "log-format": string,
} as const;

const LATER = "is not supported in this version";
const REFUSED: Readonly<Record<string, string>> = {
  "--controller-addr": `--controller-addr ${LATER}: there is no hub yet, resources are files in conf.d`,
  "--controller-address": `--controller-address ${LATER}: there is no hub yet, resources are files in conf.d`,
  "--http-port": "--http-port: ports are those of the listeners of each ProxyGateway (spec.listeners[].port)",
  "--https-port": `--https-port: HTTPS ${LATER}; ports are those of the listeners of each ProxyGateway`,
  "--novanet-socket": `--novanet-socket ${LATER}`,
};
