/** `npm run check`: the whole quick gate. Every step runs even when an earlier one fails, so that one run shows all. */
import { spawn } from "node:child_process";

const bin = "node_modules/.bin";
const STEPS: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ["types", `${bin}/tsc`, "-p", "."],
  ["purity", `${bin}/tsc`, "-p", "tsconfig.pure.json"],
  ["lint", `${bin}/oxlint`, "--type-aware", "--quiet"],
  ["format", `${bin}/biome`, "check", "--linter-enabled=false", "."],
  ["dead code", `${bin}/knip`, "--no-progress"],
  [
    "layers and unit tests",
    process.execPath,
    "test/run.ts",
    "test/layers",
    "test/base",
    "test/resources",
    "test/proxy/http1",
    "test/proxy/route",
    "test/netstack/wire",
    "test/netstack/vip",
  ],
];

const failed: string[] = [];
for (const [name, command, ...args] of STEPS) {
  const started = performance.now();
  const { code, output } = await run(command, args);
  const took = `${((performance.now() - started) / 1000).toFixed(1)} s`;
  process.stdout.write(`${code === 0 ? "ok  " : "FAIL"} ${name} (${took})\n`);
  if (code !== 0) {
    failed.push(name);
    process.stdout.write(`${output.trimEnd()}\n`);
  }
}
process.stdout.write(failed.length === 0 ? "check: clean\n" : `check: failed: ${failed.join(", ")}\n`);
process.exit(failed.length === 0 ? 0 : 1);

function run(command: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (data) => (output += String(data)));
    child.stderr.on("data", (data) => (output += String(data)));
    child.on("error", fail);
    child.on("close", (code) => done({ code: code ?? 1, output }));
  });
}
