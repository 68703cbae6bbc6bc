/**
 * Command line of the daemon.  A flag stands above the settings file.  Flags that users may know from elsewhere and that
 * belong to parts not built yet, or to resources, are refused with the way out.
 */
import { z } from "zod";
import { err, ok, type Result } from "../base/result.ts";
import { nearest } from "./nearest.ts";
import { absoluteFile, port, subdomain } from "./scalar.ts";
import { SETTINGS_FILE, type Settings } from "./settings.ts";

export type DaemonCommand =
  | { readonly kind: "run"; readonly settingsFile: string; override(settings: Settings): Settings }
  /** Only says whether the configuration is right. */
  | { readonly kind: "check"; readonly settingsFile: string; override(settings: Settings): Settings }
  | { readonly kind: "version" }
  | { readonly kind: "help" };

/** What an operator reads; exit with 64 (EX_USAGE). */
export type BadFlag = { readonly kind: "bad-flag"; readonly message: string };

export function parseFlags(argv: readonly string[]): Result<DaemonCommand, BadFlag> {
  const values = new Map<string, string>();
  for (let index = 0; index < argv.length; index++) {
    const written = argv[index] ?? "";
    if (written === "--help" || written === "-h") return ok({ kind: "help" });
    if (written === "--version" || written === "-V") return ok({ kind: "version" });
    if (!written.startsWith("--")) return bad(`unexpected argument ${written}`);
    const [name, inline] = split(written.slice(2));
    const refused = REFUSED[name];
    if (refused !== undefined) return bad(`--${name}: ${refused}`);
    if (name === "check") {
      if (inline !== undefined) return bad("--check takes no value");
      values.set(name, "");
      continue;
    }
    const flag = FLAGS.find((each) => each.name === name);
    if (flag === undefined) {
      const near = nearest(name, [...FLAGS.map((each) => each.name), "check", "help", "version"]);
      return bad(`unknown flag --${name}${near === undefined ? "" : `; did you mean --${near}?`}`);
    }
    const value = inline ?? argv[++index];
    if (value === undefined) return bad(`--${name} needs a value: ${flag.value}`);
    if (!flag.schema.safeParse(value).success) return bad(`--${name}: ${JSON.stringify(value)} is not ${flag.value}`);
    values.set(name, value);
  }
  const override = (settings: Settings): Settings =>
    FLAGS.reduce((sum, flag) => {
      const value = values.get(flag.name);
      return value === undefined ? sum : flag.apply(sum, value);
    }, settings);
  const settingsFile = values.get("settings") ?? SETTINGS_FILE;
  return ok({ kind: values.has("check") ? "check" : "run", settingsFile, override });
}

export function flagsHelp(): string {
  const rows = [
    ...FLAGS.map((flag) => [`--${flag.name} ${flag.sample}`, flag.about]),
    ["--check", "say whether the configuration is right (exit 0) or not (exit 78), and end"],
    ["--version", "print the version"],
    ["--help", "print this"],
  ];
  const width = Math.max(...rows.map(([left = ""]) => left.length));
  return rows.map(([left = "", right]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
}

interface Flag {
  readonly name: string;
  readonly sample: string;
  /** What a value is, for messages. */
  readonly value: string;
  readonly about: string;
  readonly schema: z.ZodType;
  apply(settings: Settings, value: string): Settings;
}

const portText = z
  .string()
  .regex(/^[0-9]{1,5}$/)
  .transform(Number)
  .pipe(port);
const LEVELS = ["trace", "debug", "info", "warn", "error"] as const;

const FLAGS: readonly Flag[] = [
  {
    name: "settings",
    sample: "FILE",
    value: "an absolute path",
    about: `settings of this node (${SETTINGS_FILE})`,
    schema: absoluteFile,
    apply: (settings) => settings,
  },
  {
    name: "config",
    sample: "DIR",
    value: "an absolute path",
    about: "directory with the resources (paths.config)",
    schema: absoluteFile,
    apply: (settings, config) => ({ ...settings, paths: { ...settings.paths, config } }),
  },
  {
    name: "state",
    sample: "DIR",
    value: "an absolute path",
    about: "directory for what survives a restart (paths.state)",
    schema: absoluteFile,
    apply: (settings, state) => ({ ...settings, paths: { ...settings.paths, state } }),
  },
  {
    name: "admin-socket",
    sample: "PATH",
    value: "an absolute path",
    about: "Unix socket of novactl (admin.socket)",
    schema: absoluteFile,
    apply: (settings, socket) => ({ ...settings, admin: { ...settings.admin, socket } }),
  },
  {
    name: "node-name",
    sample: "NAME",
    value: "a name of lower-case letters, digits, '-' and '.'",
    about: "name of this node (node.name)",
    schema: subdomain,
    apply: (settings, name) => ({ ...settings, node: { ...settings.node, name } }),
  },
  {
    name: "metrics-port",
    sample: "PORT",
    value: "a port from 1 to 65535",
    about: "port of the metrics (metrics.port)",
    schema: portText,
    apply: (settings, value) => ({ ...settings, metrics: { ...settings.metrics, port: Number(value) } }),
  },
  {
    name: "health-port",
    sample: "PORT",
    value: "a port from 1 to 65535",
    about: "port of /healthz and /readyz (health.port)",
    schema: portText,
    apply: (settings, value) => ({ ...settings, health: { ...settings.health, port: Number(value) } }),
  },
  {
    name: "log-level",
    sample: "LEVEL",
    value: `one of ${LEVELS.join(", ")}`,
    about: "least important lines that are logged (log.level)",
    schema: z.enum(LEVELS),
    apply: (settings, value) => {
      const level = LEVELS.find((each) => each === value) ?? settings.log.level;
      return { ...settings, log: { ...settings.log, level } };
    },
  },
];

const NO_HUB = "this version has no hub; leave the flag out, the node reads its own files";
const REFUSED: Readonly<Record<string, string>> = {
  "controller-addr": NO_HUB,
  "controller-address": NO_HUB,
  "grpc-port": NO_HUB,
  "leader-election": NO_HUB,
  "leader-elect": NO_HUB,
  "http-port": "ports are listeners of a ProxyGateway (spec.listeners[].port)",
  "https-port": "this version has no HTTPS; ports are listeners of a ProxyGateway (spec.listeners[].port)",
  "novanet-socket": "this version does not talk to NovaNet; leave the flag out",
  "health-probe-port": "use --health-port",
  "metrics-address": "write metrics.address in the settings file",
};

function split(text: string): readonly [string, string | undefined] {
  const equals = text.indexOf("=");
  return equals < 0 ? [text, undefined] : [text.slice(0, equals), text.slice(equals + 1)];
}
function bad(message: string): Result<never, BadFlag> {
  return err({ kind: "bad-flag", message });
}
