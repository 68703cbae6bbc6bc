/** Child processes of a lab: run to the end, or keep with their output at hand. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { Fault } from "../base/fault.ts";

export interface Finished {
  /** undefined: ended by a signal. */
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What the process reads; nothing by default. */
  readonly input?: string;
  /** Called with each whole line of stdout or stderr. */
  readonly line?: (line: string, from: "stdout" | "stderr") => void;
}

/** A running process.  Disposing kills it with all its descendants and waits for its end. */
export interface Running extends AsyncDisposable {
  readonly pid: number;
  readonly finished: Promise<Finished>;
  /** What it wrote so far (the last MiB). */
  output(): string;
  /** Resolves with the first line, old or new, that matches; rejects when the process ends without one. */
  says(pattern: RegExp, within?: number): Promise<string>;
  write(text: string): void;
  signal(signal: NodeJS.Signals): void;
  /** The same signal to the process and all its descendants, gathered first. */
  signalTree(signal: NodeJS.Signals): readonly number[];
}

export function start(command: string, args: readonly string[], options: SpawnOptions = {}): Running {
  const child = spawn(command, args, {
    stdio: ["pipe", "pipe", "pipe"],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
    detached: true, // a Ctrl-C on the terminal is for the creator, which ends the others in its own order
  });
  if (options.input !== undefined) child.stdin.end(options.input);
  // A process that ends before it has read everything is told by its exit, not by EPIPE.
  child.stdin.on("error", () => undefined);
  const texts = { stdout: "", stderr: "" };
  const rest = { stdout: "", stderr: "" };
  let all = "";
  let tell: () => void = () => undefined;
  for (const from of ["stdout", "stderr"] as const)
    child[from].setEncoding("utf8").on("data", (text: string) => {
      texts[from] = (texts[from] + text).slice(-KEPT);
      all = (all + text).slice(-KEPT);
      if (options.line !== undefined) {
        const lines = (rest[from] + text).split("\n");
        rest[from] = lines.pop() ?? "";
        for (const line of lines) options.line(line, from);
      }
      tell();
    });
  const finished = ended(child, command, texts);
  finished.catch(() => undefined);

  const says = async (pattern: RegExp, within = 10_000): Promise<string> => {
    const match = (): string | undefined => all.split("\n").find((line) => pattern.test(line));
    const missing = (why: string): Fault =>
      new Fault("LAB", { command, args: args.join(" "), missing: pattern.source, why, output: all.slice(-2000) });
    return await new Promise<string>((resolve, reject) => {
      const late = setTimeout(() => reject(missing(`${within} ms passed`)), within);
      const before = tell;
      const look = (): void => {
        const line = match();
        if (line === undefined) return;
        clearTimeout(late);
        tell = before;
        resolve(line);
      };
      tell = () => {
        before();
        look();
      };
      finished.then(
        () => {
          look();
          clearTimeout(late);
          reject(missing("the process ended"));
        },
        (error: unknown) => {
          clearTimeout(late);
          reject(error as Error);
        },
      );
      look();
    });
  };

  return {
    get pid() {
      return child.pid ?? 0;
    },
    finished,
    output: () => all,
    says,
    write: (text) => void child.stdin.write(text),
    signal: (signal) => void child.kill(signal),
    signalTree(signal) {
      const pids = child.pid === undefined || child.exitCode !== null ? [] : treeOf(child.pid);
      for (const pid of pids) send(pid, signal);
      return pids;
    },
    async [Symbol.asyncDispose]() {
      this.signalTree("SIGKILL");
      await finished.catch(() => undefined);
    },
  };
}

/** Runs to the end; a failure is a Fault with what the process said unless `allowed` holds the code. */
export async function run(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { readonly anyCode?: boolean } = {},
): Promise<Finished> {
  const done = await start(command, args, { input: "", ...options }).finished;
  if (done.code !== 0 && options.anyCode !== true)
    throw new Fault("LAB", { command: [command, ...args].join(" "), code: done.code, said: done.stderr.trim() });
  return done;
}

/** `pid` and its descendants, parents first. */
export function treeOf(pid: number): readonly number[] {
  let children: string;
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  } catch {
    return []; // ended meanwhile
  }
  return [
    pid,
    ...children
      .split(" ")
      .filter(Boolean)
      .flatMap((child) => treeOf(Number(child))),
  ];
}

/** A process that is gone already is fine. */
export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function ended(
  child: ChildProcess,
  command: string,
  texts: { readonly stdout: string; readonly stderr: string },
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(new Fault("LAB", { command, why: error.message }, error)));
    child.once("close", (code, signal) =>
      resolve({ code: code ?? undefined, signal: signal ?? undefined, stdout: texts.stdout, stderr: texts.stderr }),
    );
  });
}

const KEPT = 2 ** 20;
