/** `npm run package`: .deb and .rpm in packages/, the same octets whoever makes them.  `--help` lists the options. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { VERSION } from "../base/version.ts";
import { makeDeb } from "./package/deb.ts";
import { makeRpm } from "./package/rpm.ts";
import { ARCHITECTURES, type Architecture } from "./package/runtime.ts";
import { type Making, sizeOf, stage } from "./package/stage.ts";

const root = join(import.meta.dirname, "..");
const FORMATS = { deb: makeDeb, rpm: makeRpm } as const;
type Format = keyof typeof FORMATS;

const USAGE = `npm run package [-- options]

  --format deb|rpm    one of them only; may be repeated
  --arch A            ${Object.keys(ARCHITECTURES).join(" or ")}; by default this machine's; may be repeated
  --version V         other than ${VERSION}: for tests of upgrades
  --quick             compressed fast and badly: for tests
  --out DIR           packages/

SOURCE_DATE_EPOCH is the time of every file (by default that of the last commit), NOVAEDGE_PACKAGER the maintainer.
`;

async function main(args: readonly string[]): Promise<number> {
  const options = parse(args);
  if (typeof options === "string") {
    process.stderr.write(options);
    return options === USAGE ? 0 : 64;
  }
  // What is made must not depend on whoever makes it.
  process.umask(0o022);
  for (const arch of options.archs) {
    const work = mkdtempSync(join(tmpdir(), "novaedge-package-"));
    try {
      const making: Making = { ...options, arch, epoch: epoch(), packager: packager() };
      const staged = join(work, "stage");
      await stage(staged, making);
      const unpacked = sizeOf(staged);
      for (const format of options.formats) {
        const own = join(work, `making-${format}`);
        mkdirSync(own);
        const made = FORMATS[format](staged, own, options.out, making);
        const digest = createHash("sha256").update(readFileSync(made)).digest("hex");
        const size = `${megabytes(statSync(made).size)}, unpacked ${megabytes(unpacked)}`;
        process.stdout.write(`${relative(process.cwd(), made)}  ${size}\n  sha256 ${digest}\n`);
      }
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return 0;
}

interface Options {
  readonly formats: readonly Format[];
  readonly archs: readonly Architecture[];
  readonly version: string;
  readonly quick: boolean;
  readonly out: string;
}

function parse(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        help: { type: "boolean", short: "h", default: false },
        format: { type: "string", multiple: true, default: Object.keys(FORMATS) },
        arch: { type: "string", multiple: true, default: [process.arch === "x64" ? "amd64" : process.arch] },
        version: { type: "string", default: VERSION },
        quick: { type: "boolean", default: false },
        out: { type: "string", default: join(root, "packages") },
      },
    });
    if (values.help) return USAGE;
    const formats = values.format.filter((each): each is Format => Object.hasOwn(FORMATS, each));
    const archs = values.arch.filter((each): each is Architecture => Object.hasOwn(ARCHITECTURES, each));
    if (formats.length < values.format.length) return `--format: one of ${Object.keys(FORMATS).join(", ")}\n`;
    if (archs.length < values.arch.length) return `--arch: one of ${Object.keys(ARCHITECTURES).join(", ")}\n`;
    // Digits and dots mean the same to dpkg and to rpm.
    if (!/^\d+(\.\d+)*$/.test(values.version)) return `--version: ${values.version} is not digits and dots\n`;
    return { formats, archs, version: values.version, quick: values.quick, out: resolve(values.out) };
  } catch (error) {
    if (error instanceof TypeError && "code" in error) return `${error.message}\n${USAGE}`;
    throw error;
  }
}

function epoch(): number {
  const text = process.env["SOURCE_DATE_EPOCH"] ?? timeOfCommit();
  if (!/^\d{1,10}$/.test(text)) throw new Error(`SOURCE_DATE_EPOCH: ${text} is not a number of seconds`);
  return Number(text);
}

function timeOfCommit(): string {
  try {
    return execFileSync("git", ["log", "-1", "--format=%ct"], { cwd: root, encoding: "utf8", stdio: "pipe" }).trim();
  } catch (error) {
    throw new Error("this is no clone: set SOURCE_DATE_EPOCH, the time of the files", { cause: error });
  }
}

function packager(): string {
  return process.env["NOVAEDGE_PACKAGER"] ?? "NovaEdge maintainers <packages@novaedge.example>";
}

function megabytes(octets: number): string {
  return `${(octets / 1e6).toFixed(1)} MB`;
}

process.exitCode = await main(process.argv.slice(2));
