/** A daemon as a process in a network namespace of its own, and what a test wants of it. */
import { type ChildProcess, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AdminCall, AdminCalls, Refusal } from "../../daemon/admin/api.ts";
import { createNamespace, deleteNamespace, spawnInside } from "../../netstack/kernel/namespace.ts";

export interface Line {
  readonly name: string;
  readonly [field: string]: unknown;
}

export class TestDaemon implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), "nv-daemon-"));
  readonly namespace = `nv${process.pid}-${++count}`;
  readonly socket = join(this.dir, "admin.sock");
  readonly lines: Line[] = [];
  readonly #script: string;
  #process: ChildProcess | undefined;
  #ended: Promise<number | string> = Promise.resolve(0);
  #waiting: (() => void)[] = [];

  /** `script` relative to this file. */
  constructor(script: string) {
    this.#script = fileURLToPath(new URL(script, import.meta.url));
    createNamespace(this.namespace);
    mkdirSync(join(this.dir, "conf.d"));
    writeFileSync(join(this.dir, "key"), "ab".repeat(32), { mode: 0o600 });
    this.settings("");
  }

  settings(more: string): void {
    this.put(
      "novaedge.yaml",
      `node: {name: one}
l2: {keyFile: ${this.dir}/key}
admin: {socket: ${this.socket}}
paths: {state: ${this.dir}/state}
${more}`,
    );
  }
  put(name: string, text: string): void {
    writeFileSync(join(this.dir, name), text);
  }
  path(name: string): string {
    return join(this.dir, name);
  }

  start(flags: readonly string[] = [], env: NodeJS.ProcessEnv = {}): this {
    const args = [this.#script, "run", "--config", this.dir, "--log-format", "json", "--workers", "2", ...flags];
    const child = spawnInside(this.namespace, process.execPath, args, {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, ...CACHED, ...env },
    });
    this.#process = child;
    this.#ended = new Promise((resolve) => child.on("exit", (code, signal) => resolve(signal ?? code ?? -1)));
    let rest = "";
    child.stderr?.setEncoding("utf8").on("data", (part: string) => {
      const lines = (rest + part).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines)
        this.lines.push(line.startsWith("{") ? (JSON.parse(line) as Line) : { name: "text", line });
      this.#wake();
    });
    return this;
  }
  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  get pid(): number {
    return this.#process?.pid ?? -1;
  }
  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }
  /** Exit status or signal. */
  get ended(): Promise<number | string> {
    return this.#ended;
  }
  /** All processes in the namespace, in ascending order. */
  pids(): readonly number[] {
    const text = execFileSync("ip", ["netns", "pids", this.namespace], { encoding: "utf8" });
    return text.split("\n").filter(Boolean).map(Number);
  }
  /** Forgets what was logged so far. */
  mark(): void {
    this.lines.length = 0;
  }
  /** The first line of that name (and these fields) since the mark. */
  async logged(name: string, fields: Readonly<Record<string, unknown>> = {}): Promise<Line> {
    // A test that is given up by its runner leaves everything behind: give up before.
    const until = performance.now() + PATIENCE;
    const alarm = setTimeout(() => this.#wake(), PATIENCE + 1);
    using _alarm = { [Symbol.dispose]: () => clearTimeout(alarm) };
    for (;;) {
      if (performance.now() > until) {
        const tail = this.lines.slice(-30).map((line) => JSON.stringify(line));
        throw new Error(`never logged: ${name} ${JSON.stringify(fields)}; instead:\n${tail.join("\n")}`);
      }
      const found = this.lines.find(
        (line) => line.name === name && Object.entries(fields).every(([key, value]) => line[key] === value),
      );
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Waits until all data planes accept on the listener. */
  async listening(key: string): Promise<void> {
    for (;;) {
      const { listeners } = await this.call("GET /v1/status");
      if (listeners.some((each) => each.key === key && each.workers === each.wanted)) return;
    }
  }

  call<Call extends AdminCall>(call: Call, body?: unknown): Promise<AdminCalls[Call]["answer"]> {
    return this.ask(call, body).then(({ status, body: answer }) => {
      if (status !== 200) throw new Error(`${call}: ${status} ${JSON.stringify(answer)}`);
      return answer as AdminCalls[Call]["answer"];
    });
  }
  refused(call: AdminCall, body?: unknown): Promise<Refusal> {
    return this.ask(call, body).then(({ status, body: answer }) => {
      if (status === 200) throw new Error(`${call} was not refused`);
      return answer as Refusal;
    });
  }
  ask(call: string, body?: unknown): Promise<{ readonly status: number; readonly body: unknown }> {
    const [method = "GET", path = "/"] = call.split(" ");
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath: this.socket, method, path, agent: false }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (part: string) => (text += part));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown }));
      });
      sent.on("error", reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
  /** curl inside the namespace: status line and body. */
  curl(url: string, ...args: readonly string[]): { readonly status: number; readonly body: string } {
    const inside = ["netns", "exec", this.namespace, "curl", "-s", "-m", "5", "-w", "\n%{http_code}", ...args, url];
    const text = execFileSync("ip", inside, { encoding: "utf8" });
    const cut = text.lastIndexOf("\n");
    return { status: Number(text.slice(cut + 1)), body: text.slice(0, cut) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.#ended;
    for (const pid of this.#strays()) process.kill(pid, "SIGKILL");
    deleteNamespace(this.namespace);
    rmSync(this.dir, { recursive: true });
  }
  /** Children that a killed daemon left: ours by the admin socket's register. */
  #strays(): readonly number[] {
    const register = `${this.socket}.children`;
    if (!existsSync(register)) return [];
    const left = JSON.parse(readFileSync(register, "utf8")) as { readonly pid: number; readonly started: string }[];
    return left.filter(({ pid, started }) => startedAt(pid) === started).map(({ pid }) => pid);
  }
}

/** Resolves when the process is gone (or a zombie of nobody). */
export async function gone(pid: number): Promise<void> {
  while (startedAt(pid) !== undefined) await new Promise((resolve) => setTimeout(resolve, 10));
}

function startedAt(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Compiled once, not by each of the many processes of many tests: that is most of what their starts take. */
const CACHED = { NODE_COMPILE_CACHE: join(import.meta.dirname, "../../node_modules/.cache/compile") };
let count = 0;
/** Milliseconds. */
const PATIENCE = 40_000;
