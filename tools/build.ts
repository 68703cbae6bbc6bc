/**
 * `npm run build`: the programs as bundles in dist/, which need nothing but Node and the native binding that is copied
 * beside them.  `--measure` then starts the bundled daemon in a network namespace and prints how long it took from exec
 * until it was ready (root only).
 */
import { spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { build } from "esbuild";
import { createNamespace, deleteNamespace, spawnInside } from "../netstack/kernel/namespace.ts";
import { entryOf, mainOf, NEEDS } from "./entry.ts";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");

/** Bundle → its entry; those with a name of their own on the command line are started by a file that checks Node first. */
const PROGRAMS = {
  novaedge: { entry: "daemon/main.ts", command: true },
  pulse: { entry: "daemon/pulse/main.ts", command: false },
  dataplane: { entry: "proxy/main.ts", command: false },
  routing: { entry: "daemon/routing/main.ts", command: false },
  wan: { entry: "daemon/wan/main.ts", command: false },
  novactl: { entry: "cli/main.ts", command: true },
} as const;

rmSync(dist, { recursive: true, force: true });
for (const [name, { entry, command }] of Object.entries(PROGRAMS)) {
  const outfile = join(dist, command ? mainOf(name) : `${name}.cjs`);
  await build({
    entryPoints: [join(root, entry)],
    outfile,
    bundle: true,
    platform: "node",
    // Not ESM: importing node:http as a module evaluates all its exports, one of which loads a whole HTTP client (40 ms).
    format: "cjs",
    target: `node${NEEDS}`,
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    define: { "import.meta.url": "ownUrl" },
    banner: {
      js: `const ownUrl=require("node:url").pathToFileURL(__filename).href;`,
    },
    logLevel: "warning",
  });
  writeFileSync(outfile, uncopied(readFileSync(outfile, "utf8")));
  if (command) {
    const started = join(dist, `${name}.cjs`);
    writeFileSync(started, entryOf(name));
    chmodSync(started, 0o755);
  }
  process.stdout.write(`${basename(outfile)} ${Math.round(statSync(outfile).size / 1024)} KiB\n`);
}
copyBinding();
if (process.argv.includes("--measure")) await measure(Number(process.argv.at(-1)) || 10);

/**
 * The default import of a module of Node's is the module itself.  esbuild copies all exports beside it, which evaluates
 * what Node leaves for later: of node:util a stream for standard error, in each process at its start.
 */
function uncopied(text: string): string {
  return text.replaceAll(/(\w+)=__toESM\(require\("(node:\w+)"\),1\)/g, (_, name: string, module: string) => {
    const otherUse = new RegExp(`\\b${name}\\b(?!\\.default\\b|=__toESM|[,;])`).exec(text);
    if (otherUse !== null) throw new Error(`more of ${module} is used than its default, at ${otherUse.index}`);
    return `${name}={default:require("${module}")}`;
  });
}

/** koffi looks for its binding by the package's name, beside the bundle first. */
function copyBinding(): void {
  const name = `@koromix/koffi-linux-${process.arch}`;
  const from = join(root, "node_modules", name);
  const to = join(dist, "node_modules", name);
  mkdirSync(to, { recursive: true });
  for (const part of ["package.json", "index.js", `linux_${process.arch}`]) {
    if (!existsSync(join(from, part))) throw new Error(`${name} has no ${part}: run npm ci`);
    cpSync(join(from, part), join(to, part), { recursive: true });
  }
  process.stdout.write(
    `${name} ${Math.round(statSync(join(to, `linux_${process.arch}`, "koffi.node")).size / 1024)} KiB\n`,
  );
}

/** Milliseconds from exec to ready: the median, and all of them. */
async function measure(rounds: number): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "nv-ready-"));
  const namespace = `nv${process.pid}-ready`;
  createNamespace(namespace);
  try {
    writeFileSync(
      join(dir, "novaedge.yaml"),
      `node: {name: ready}\nadmin: {socket: ${dir}/run/admin.sock}\npaths: {state: ${dir}/state}\n`,
    );
    mkdirSync(join(dir, "conf.d"));
    writeFileSync(join(dir, "conf.d", "edge.yaml"), readFileSync(join(root, "tools", "ready.yaml")));
    const took: number[] = [];
    for (let round = 0; round < rounds + 1; round++) took.push(await ready(namespace, dir));
    took.shift(); // the first one fills the compile cache
    took.sort((a, b) => a - b);
    process.stdout.write(
      `ready after ${took[Math.floor(took.length / 2)]} ms (median of ${rounds}: ${took.join(", ")})\n`,
    );
  } finally {
    deleteNamespace(namespace);
    rmSync(dir, { recursive: true });
  }
}

function ready(namespace: string, dir: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const args = [join(dist, "novaedge.cjs"), "run", "--config", dir, "--log-format", "json"];
    const env = { ...process.env, NODE_COMPILE_CACHE: join(dir, "cache") };
    const child: ReturnType<typeof spawn> = spawnInside(namespace, process.execPath, args, {
      stdio: ["ignore", "ignore", "pipe"],
      env,
    });
    let text = "";
    let after: number | undefined;
    child.stderr?.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      const found = /"name":"daemon.ready","after":(\d+)/.exec(text)?.[1];
      if (found === undefined || after !== undefined) return;
      after = Number(found);
      child.kill("SIGTERM");
    });
    child.on("error", reject);
    child.on("exit", () =>
      after === undefined ? reject(new Error(`never ready:\n${text.slice(-2000)}`)) : resolve(after),
    );
  });
}
