/**
 * The programs as bundles, which need nothing but Node and the native binding that stands beside them: dist/ for
 * `npm run build`, the packages for `npm run package`.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";
import { VERSION } from "../base/version.ts";
import { entryOf, mainOf, NEEDS } from "./entry.ts";

const root = join(import.meta.dirname, "..");

/** Bundle → its entry; those with a name of their own on the command line are started by a file that checks Node first. */
const PROGRAMS = {
  novaedge: { entry: "daemon/main.ts", command: true },
  pulse: { entry: "daemon/pulse/main.ts", command: false },
  dataplane: { entry: "proxy/main.ts", command: false },
  routing: { entry: "daemon/routing/main.ts", command: false },
  wan: { entry: "daemon/wan/main.ts", command: false },
  novactl: { entry: "cli/main.ts", command: true },
} as const;

/** Empties `directory` and writes the bundles there.  They are the same octets wherever, and whenever, they are made. */
export async function bundle(directory: string, version: string = VERSION): Promise<void> {
  rmSync(directory, { recursive: true, force: true });
  for (const [name, { entry, command }] of Object.entries(PROGRAMS)) {
    const outfile = join(directory, command ? mainOf(name) : `${name}.cjs`);
    await build({
      absWorkingDir: root,
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
      plugins: [
        {
          name: "version",
          setup(own) {
            own.onLoad({ filter: /\/base\/version\.ts$/ }, () => ({
              contents: `export const VERSION = ${JSON.stringify(version)};`,
              loader: "ts",
            }));
          },
        },
      ],
      logLevel: "warning",
    });
    writeFileSync(outfile, uncopied(readFileSync(outfile, "utf8")));
    if (command) {
      const started = join(directory, `${name}.cjs`);
      writeFileSync(started, entryOf(name));
      chmodSync(started, 0o755);
    }
    process.stdout.write(`${basename(outfile)} ${Math.round(statSync(outfile).size / 1024)} KiB\n`);
  }
}

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

/** koffi looks for its binding by the package's name, beside the bundle first.  `from`: the folder of that package. */
export function copyBinding(from: string, directory: string, arch: string): void {
  const name = `@koromix/koffi-linux-${arch}`;
  const to = join(directory, "node_modules", name);
  mkdirSync(to, { recursive: true });
  for (const part of ["package.json", "index.js", `linux_${arch}`]) {
    if (!existsSync(join(from, part))) throw new Error(`${from} has no ${part}: run npm ci`);
    cpSync(join(from, part), join(to, part), { recursive: true });
  }
  process.stdout.write(`${name} ${Math.round(statSync(join(to, `linux_${arch}`, "koffi.node")).size / 1024)} KiB\n`);
}

/** Of the installed packages. */
export function installedBinding(arch: string): string {
  return join(root, "node_modules/@koromix", `koffi-linux-${arch}`);
}
