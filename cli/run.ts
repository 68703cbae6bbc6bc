/** One run of novactl: parse, act, end with a status.  No error of any kind reaches the terminal as a stack. */
import { errnoWords } from "../base/errno.ts";
import { Fault } from "../base/fault.ts";
import { AdminClient, RefusedError } from "./client.ts";
import { type CommandCode, CommandError, EXIT, type ExitCode, type Io } from "./command.ts";
import { COMMANDS, GLOBAL_FLAGS } from "./commands.ts";
import { clean, paint } from "./output.ts";
import { parseArguments } from "./parse.ts";

export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  const parsed = parseArguments(argv, COMMANDS, GLOBAL_FLAGS);
  if (!parsed.ok) return complain(io, EXIT.usage, "USAGE", parsed.error.message, parsed.error.hint ?? "novactl help");
  const { command, arguments: words, flags } = parsed.value;
  if (flags.has("help")) {
    const { helpOf } = await import("./help.ts");
    io.out(helpOf(command));
    return EXIT.ok;
  }
  const socket = flags.get("socket")?.[0] ?? io.env["NOVAEDGE_SOCKET"] ?? SOCKET;
  try {
    const act = await command.load();
    return await act({ io, client: new AdminClient(socket), arguments: words, flags });
  } catch (thrown) {
    return ended(io, thrown);
  }
}
/** As daemon/admin/api.ts and the settings have it; repeated so that a call loads no schema. */
const SOCKET = "/run/novaedge/admin.sock";

/** As text from Node, as a number (EPERM, EACCES) from the kernel. */
const DENIED = new Set<unknown>(["EACCES", "EPERM", 1, 13]);

function ended(io: Io, thrown: unknown): ExitCode {
  if (thrown instanceof RefusedError) io.err(thrown.lines());
  if (thrown instanceof CommandError) return complain(io, thrown.exit, thrown.code, thrown.message, thrown.hint);
  if (thrown instanceof Fault) {
    const { path, errno } = thrown.fields;
    const told =
      typeof path === "string" && typeof errno === "string"
        ? `${path}: ${errnoWords(errno)}`
        : thrown.message.replace(`${thrown.code}: `, "");
    const denied = DENIED.has(thrown.fields["errno"] ?? thrown.fields["code"]);
    return complain(io, denied ? EXIT.permission : EXIT.failed, thrown.code, told);
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (io.env["NOVAEDGE_DEBUG"] !== undefined && thrown instanceof Error) io.err(`${thrown.stack ?? ""}\n`);
  return complain(io, EXIT.failed, "INTERNAL", message, "this is a bug of novactl; NOVAEDGE_DEBUG=1 shows where");
}

function complain(io: Io, exit: ExitCode, code: CommandCode, message: string, hint?: string): ExitCode {
  io.err(`novactl: ${paint(io, "error", "bad")}: ${clean(message)} [${code}]\n`);
  if (hint !== undefined) io.err(`  hint: ${clean(hint)}\n`);
  return exit;
}
