/**
 * `npm start`: the demo, a lab of two edges that share a virtual IP on this one machine; or, with `--config DIR`, the daemon
 * on this host itself.  Everything the demo makes goes with it, however it ends (lab/guardian.ts).
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Fault } from "../base/fault.ts";
import { openScene } from "./demo/scene.ts";
import { screenOn } from "./demo/screen.ts";

async function main(args: readonly string[]): Promise<number> {
  if (args.some((each) => each === "--config" || each.startsWith("--config="))) {
    return mayRun() ? await daemon(args) : 1;
  }
  const parsed = parse(args);
  if (typeof parsed === "string") {
    process.stderr.write(`${parsed}\n${USAGE}`);
    return 64;
  }
  if (parsed.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  return mayRun() ? await demo(parsed.port) : 1;
}

function mayRun(): boolean {
  if (process.getuid?.() === 0) return true;
  const why = "npm start makes network namespaces and opens raw sockets, so it needs root: sudo npm start\n";
  process.stderr.write(why);
  return false;
}

async function demo(port: number): Promise<number> {
  const ended = untilSignal();
  try {
    const opened = openScene(port, (step) => process.stdout.write(`${step}\n`));
    // A signal during the set-up waits for its end: then everything is known that has to be taken down.
    await using scene = await opened;
    using screen = screenOn(process.stdout);
    const draw = setInterval(() => screen.show(scene.facts()), DRAW_EVERY);
    await Promise.race([ended, orphaned()]);
    clearInterval(draw);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    process.stderr.write(`the demo could not go on: ${error.message}\n`);
    return 1;
  }
  process.stdout.write("everything is removed\n");
  return 0;
}

/** The daemon gets our arguments and our signals, and gives us its exit status. */
async function daemon(args: readonly string[]): Promise<number> {
  const program = join(import.meta.dirname, "../daemon/main.ts");
  const child = spawn(process.execPath, [program, "run", ...args], { stdio: "inherit" });
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  return await new Promise((resolve, reject) => {
    child.once("error", (error) => reject(new Fault("CHILD", { program }, error)));
    child.once("exit", (code, signal) => resolve(code ?? (signal === "SIGTERM" || signal === "SIGINT" ? 0 : 1)));
  });
}

/** Ctrl-C, an orderly end, a lost terminal, or output that nobody reads. */
function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    let first: number | undefined;
    for (const signal of SIGNALS)
      process.on(signal, () => {
        const now = performance.now();
        first ??= now;
        // As in the daemon: npm passes on the Ctrl-C that the terminal has sent us too.  That is one wish, not two.
        // Impatience after it is fine: the guardian removes what an exit leaves.
        if (now - first > SAME_WISH) process.exit(130);
        resolve();
      });
    for (const stream of [process.stdout, process.stderr]) stream.on("error", () => resolve());
  });
}

/** npm, or the shell around us, was killed and could tell us nothing. */
function orphaned(): Promise<void> {
  const parent = process.ppid;
  return new Promise((resolve) => {
    const look = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(look);
      resolve();
    }, DRAW_EVERY);
    look.unref();
  });
}

interface Options {
  readonly help: boolean;
  readonly port: number;
}
function parse(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { help: { type: "boolean", short: "h" }, port: { type: "string" } },
    });
    const port = Number(values.port ?? "8080");
    if (!Number.isInteger(port) || port < 1 || port > 65_000) return `--port: ${values.port} is not a port`;
    return { help: values.help === true, port };
  } catch (error) {
    if (error instanceof TypeError && "code" in error) return error.message;
    throw error;
  }
}

const USAGE = `npm start [-- --port N]        the demo; N is the first port to try for the address on this host (8080)
npm start -- --config DIR      the daemon on this host, with DIR/novaedge.yaml and DIR/conf.d; the other flags of
                               \`novaedge run\` go with it (--health-port 8082)
`;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const DRAW_EVERY = 250;
const SAME_WISH = 300;

process.exitCode = await main(process.argv.slice(2));
