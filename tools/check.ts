/** `npm run check`: the whole quick gate. Every step runs even when an earlier one fails, so that one run shows all. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

const bin = "node_modules/.bin";
type Step = readonly [name: string, command: string, ...args: string[]];
const LONG = new Set([
  "attack",
  "converge",
  "faults",
  "hours",
  "prefixes",
  "properties",
  "replay",
  "weather",
  "worlds",
]);
/** Words of tests that make namespaces or open sockets. */
const KERNEL = /\b(Segment|buildLab|spawnInside|getuid|openLoop|UNABLE|WITHOUT)\b/;

const STEPS: readonly Step[] = [
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
    "test/conformance",
    "test/resources",
    "test/proxy/http1",
    "test/proxy/route",
    "test/netstack/wire",
    "test/netstack/stun",
    ...["bfd", "bgp", "ospf", "vip"].flatMap((engine) => unitTests(`test/netstack/${engine}`)),
    ...["choose", "link", "nat", "overlay", "probe", "steer"].flatMap((part) => unitTests(`test/sdwan/${part}`)),
  ],
];

const failed: string[] = [];
const [tests, ...reading] = STEPS.toReversed();
// Those that only read keep one core busy each; the tests take two for themselves.
await Promise.all([inTurn(reading), inTurn(reading)]);
await inTurn(tests === undefined ? [] : [tests]);
process.stdout.write(failed.length === 0 ? "check: clean\n" : `check: failed: ${failed.join(", ")}\n`);
process.exit(failed.length === 0 ? 0 : 1);

/** Takes steps from the list until none is left. */
async function inTurn(steps: Step[]): Promise<void> {
  for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
    const [name, command, ...args] = step;
    const started = performance.now();
    const { code, output } = await run(command, args);
    const took = `${((performance.now() - started) / 1000).toFixed(1)} s`;
    process.stdout.write(`${code === 0 ? "ok  " : "FAIL"} ${name} (${took})\n`);
    if (code === 0) continue;
    failed.push(name);
    process.stdout.write(`${output.trimEnd()}\n`);
  }
}

/** Without drivers, which need namespaces, and without what plays hours or thousands of games: `npm test` has them. */
function unitTests(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name === "packet" || (name.endsWith(".test.ts") && !LONG.has(name.slice(0, -".test.ts".length))))
    .map((name) => `${folder}/${name}`)
    .filter((path) => !path.endsWith(".ts") || !KERNEL.test(readFileSync(path, "utf8")));
}

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
