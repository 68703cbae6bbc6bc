/** The admin API as functions: HTTP over the daemon's Unix socket. */
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import type { TraceLine } from "../base/trace.ts";
import type { AdminCall, AdminCalls, AdminEvent, Refusal } from "../daemon/admin/api.ts";
import { formatDiagnostic, isError } from "../resources/diagnostic.ts";
import { type CommandCode, CommandError, EXIT, type ExitCode } from "./command.ts";

export class AdminClient {
  readonly #socket: string;
  constructor(socket: string) {
    this.#socket = socket;
  }

  /** `query` for GET, `body` for POST. */
  async call<C extends AdminCall>(
    call: C,
    body?: AdminCalls[C]["request"],
    query: Readonly<Record<string, string>> = {},
  ): Promise<AdminCalls[C]["answer"]> {
    const response = await this.#send(call, body, query);
    const text = await textOf(response);
    if (response.statusCode === 200) return parse(text) as AdminCalls[C]["answer"];
    throw refused(response.statusCode ?? 0, text);
  }

  async *events(query: Readonly<Record<string, string>>, signal: AbortSignal): AsyncGenerator<AdminEvent> {
    const lines = this.#lines("GET /v1/events", query, signal, query["follow"] === "1");
    for await (const line of lines) yield parse(line) as AdminEvent;
  }
  /** Without end. */
  async *trace(query: Readonly<Record<string, string>>, signal: AbortSignal): AsyncGenerator<TraceLine> {
    for await (const line of this.#lines("GET /v1/trace", query, signal, true)) yield parse(line) as TraceLine;
  }
  /** Lines as they are on disk. */
  records(query: Readonly<Record<string, string>>, signal: AbortSignal): AsyncGenerator<string> {
    return this.#lines("GET /v1/wan/records", query, signal, false);
  }

  /** Ends when the daemon ends it; throws when the daemon goes away while it is followed. */
  async *#lines(
    call: AdminCall,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
    followed: boolean,
  ): AsyncGenerator<string> {
    const response = await this.#send(call, undefined, query);
    if (response.statusCode !== 200) throw refused(response.statusCode ?? 0, await textOf(response));
    const stop = (): void => void response.destroy();
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    let rest = "";
    try {
      for await (const part of response.setEncoding("utf8") as AsyncIterable<string>) {
        const lines = (rest + part).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) if (line !== "") yield line;
      }
    } catch (thrown) {
      if (!signal.aborted) throw unreachable(this.#socket, thrown);
    } finally {
      signal.removeEventListener("abort", stop);
    }
    if (followed && !signal.aborted) throw unreachable(this.#socket, undefined);
  }

  #send(call: AdminCall, body: unknown, query: Readonly<Record<string, string>>): Promise<IncomingMessage> {
    const [method = "GET", path = "/"] = call.split(" ");
    const search = new URLSearchParams(query).toString();
    return new Promise((resolve, reject) => {
      let answered = false;
      const sent: ClientRequest = request(
        {
          socketPath: this.#socket,
          method,
          path: search === "" ? path : `${path}?${search}`,
          headers: { host: "admin", ...(body === undefined ? {} : { "content-type": "application/json" }) },
          agent: false,
        },
        (response) => {
          answered = true;
          resolve(response);
        },
      );
      sent.on("error", (error) => reject(unreachable(this.#socket, error)));
      // A hung daemon must not hang its operator; a followed stream has no such limit once it has begun.
      sent.setTimeout(ANSWER_WITHIN, () => {
        if (!answered) sent.destroy(new Error("no answer"));
      });
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
const ANSWER_WITHIN = 30_000;

async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const part of response.setEncoding("utf8") as AsyncIterable<string>) text += part;
  return text;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    throw new CommandError(EXIT.failed, "BAD_ANSWER", "the daemon's answer is not JSON");
  }
}

/** A refusal by the daemon, as the command's own end. */
function refused(status: number, text: string): CommandError {
  const body = parse(text) as Partial<Refusal>;
  const problems = body.problems ?? [];
  const exit: ExitCode = body.code === "INVALID" || problems.some(isError) ? EXIT.configuration : EXIT.failed;
  const message = body.message ?? `the daemon answered ${status}`;
  return new RefusedError(exit, body.code ?? `HTTP_${status}`, message, problems);
}

/** Carries the findings, whose places the caller may have to translate. */
export class RefusedError extends CommandError {
  readonly problems: Refusal["problems"];
  constructor(exit: ExitCode, code: CommandCode, message: string, problems: Refusal["problems"]) {
    const count = problems.filter(isError).length;
    const told = `refused for ${count} error${count === 1 ? "" : "s"}; nothing has changed`;
    super(exit, code, count === 0 ? message : told);
    this.problems = problems;
  }
  lines(): string {
    return this.problems.map((problem) => `${formatDiagnostic(problem)}\n`).join("");
  }
}

function unreachable(socket: string, cause: unknown): CommandError {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "EACCES" || code === "EPERM") {
    const hint = "run it as root, or as a member of the socket's group";
    return new CommandError(EXIT.permission, "PERMISSION", `no access to ${socket}`, hint);
  }
  if (code === "ENOENT" || code === "ECONNREFUSED") {
    const hint = "systemctl status novaedge; --socket names another daemon's socket";
    return new CommandError(
      EXIT.notRunning,
      "NOT_RUNNING",
      `the daemon does not run (nothing answers on ${socket})`,
      hint,
    );
  }
  const why = cause instanceof Error ? cause.message : "the connection ended";
  return new CommandError(EXIT.notRunning, "NO_ANSWER", `the daemon went away or does not answer: ${why}`);
}
