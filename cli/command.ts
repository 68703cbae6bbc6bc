/** What a command is.  One table of these (commands.ts) drives parsing, help and completion. */
import type { Refusal } from "../daemon/admin/api.ts";
import type { DiagnosticCode } from "../resources/diagnostic.ts";
import type { AdminClient } from "./client.ts";

export interface Command {
  readonly name: string;
  readonly about: string;
  readonly arguments: readonly Argument[];
  readonly flags: readonly Flag[];
  readonly examples: readonly string[];
  /** Loaded when it runs: novactl starts with little. */
  load(): Promise<Action>;
}

export interface Argument {
  readonly name: string;
  readonly required: boolean;
  readonly complete: "kind" | "name" | "shell" | "peer" | "none";
  /** What it may be, for completion; what is not among them is refused by the command. */
  readonly choices?: readonly string[];
}

export interface Flag {
  /** Without dashes. */
  readonly name: string;
  readonly short: string | undefined;
  /** undefined: a switch. */
  readonly value: FlagValue | undefined;
  readonly about: string;
}
export interface FlagValue {
  readonly sample: string;
  /** Undefined takes any text. */
  readonly choices: readonly string[] | undefined;
  readonly complete: "file" | "none";
  /** May be given several times. */
  readonly many: boolean;
}

export type Action = (call: Call) => Promise<ExitCode>;

export interface Call {
  readonly io: Io;
  readonly client: AdminClient;
  readonly arguments: readonly string[];
  /** Values of a flag in the order given; a switch has one empty value. */
  readonly flags: ReadonlyMap<string, readonly string[]>;
}

export function flagOf(call: Call, name: string): string | undefined {
  return call.flags.get(name)?.at(-1);
}
export function isSet(call: Call, name: string): boolean {
  return call.flags.has(name);
}

/** The terminal and the process, as far as commands may touch them. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** All of standard input. */
  stdin(): Promise<string>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly colour: boolean;
  /** Ends streams (Ctrl-C, closed output). */
  readonly signal: AbortSignal;
  /** Wall clock, milliseconds since the epoch. */
  now(): number;
}

/** sysexits.h where it has a number; 3 as `systemctl status` says "not running". */
export const EXIT = { ok: 0, failed: 1, notRunning: 3, usage: 64, permission: 77, configuration: 78 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What novactl says itself; a refusal by the daemon keeps the daemon's code. */
export type CliCode =
  | "USAGE"
  | "SELECTOR"
  | "NO_FILES"
  | "NOT_RUNNING"
  | "NO_ANSWER"
  | "BAD_ANSWER"
  | "PERMISSION"
  | "RUNNING"
  | "OUTPUT"
  | "INTERNAL";
/** Diagnostic codes where the command line has the same fault as a file could have. */
export type CommandCode = CliCode | Refusal["code"] | DiagnosticCode | `HTTP_${number}`;

/** An answer that a command gives instead of its result: printed as "novactl: error: …", never as a stack. */
export class CommandError extends Error {
  readonly exit: ExitCode;
  readonly code: CommandCode;
  readonly hint: string | undefined;
  constructor(exit: ExitCode, code: CommandCode, message: string, hint?: string) {
    super(message);
    this.name = "CommandError";
    this.exit = exit;
    this.code = code;
    this.hint = hint;
  }
}
