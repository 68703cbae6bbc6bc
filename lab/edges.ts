/** Edge hosts that run the daemon: their files, their processes, and what they say of themselves. */
import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { Fault } from "../base/fault.ts";
import type { Lab } from "./build.ts";
import type { Running, SpawnOptions } from "./process.ts";

/** Where the files of `lab/demo` say they are. */
export const DEMO_DIRECTORY = "/run/novaedge-demo";

/**
 * Copies the demo's configuration into `directory`, with paths that fit and a key of its own.  `edit` may change each file
 * on the way (path relative to the directory, text).
 */
export function writeConfiguration(directory: string, edit: (path: string, text: string) => string = same): void {
  cpSync(join(import.meta.dirname, "demo"), directory, { recursive: true });
  for (const path of filesIn(directory)) {
    const file = join(directory, path);
    writeFileSync(file, edit(path, readFileSync(file, "utf8").replaceAll(DEMO_DIRECTORY, directory)));
  }
  writeFileSync(join(directory, "l2.key"), `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
}

/** One daemon's life. */
export interface Edge {
  readonly name: string;
  readonly running: Running;
  readonly socket: string;
  /** One answer of the admin API (daemon/admin/api.ts); a Fault when it does not answer. */
  get<T>(path: string): Promise<T>;
  /** The same for an answer of JSON lines. */
  list<T>(path: string): Promise<readonly T[]>;
  /** Resolves when the daemon serves its configuration. */
  ready(within?: number): Promise<void>;
}

/** Starts the daemon on host `name` with the files that writeConfiguration wrote. */
export function startEdge(lab: Lab, name: string, directory: string, options: SpawnOptions = {}): Edge {
  mkdirSync(join(directory, name, "state"), { recursive: true });
  const socket = join(directory, name, "admin.sock");
  const program = join(import.meta.dirname, "../daemon/main.ts");
  const config = join(directory, name, "novaedge.yaml");
  return edgeOf(name, socket, lab.host(name).node(program, ["run", "--config", config], options));
}

/** A daemon that somebody else has started; `running`: what ends when it does for good. */
export function edgeOf(name: string, socket: string, running: Running): Edge {
  const get = async <T>(path: string): Promise<T> => JSON.parse(await getText(socket, path)) as T;
  return {
    name,
    running,
    socket,
    get,
    async list<T>(path: string) {
      const lines = (await getText(socket, path)).split("\n").filter((line) => line !== "");
      return lines.map((line) => JSON.parse(line) as T);
    },
    async ready(within = 60_000) {
      let over = false;
      void running.finished.finally(() => {
        over = true;
      });
      for (const until = performance.now() + within; ; ) {
        const phase = await get<{ readonly phase: string }>("/v1/status").then(
          (status) => status.phase,
          () => "silent",
        );
        if (phase === "ready" || phase === "degraded") return;
        if (over || performance.now() > until)
          throw new Fault("LAB", { edge: name, phase, output: running.output().slice(-2000) });
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  };
}

function getText(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const failed = (cause?: unknown): void =>
      reject(new Fault("LAB", { why: "no answer from the daemon", socketPath, path }, cause));
    // A connection kept for later may be closed by the daemon in the moment of its use.
    const asked = request({ socketPath, path, timeout: 10_000, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
      });
      response.on("error", failed);
      response.on("end", () => {
        if (response.statusCode === 200) resolve(text);
        else failed(new Fault("LAB", { status: response.statusCode, text }));
      });
    });
    asked.on("timeout", () => asked.destroy());
    asked.on("error", failed);
    asked.end();
  });
}

function filesIn(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((path) =>
    statSync(join(directory, path)).isFile(),
  );
}
function same(_: string, text: string): string {
  return text;
}
