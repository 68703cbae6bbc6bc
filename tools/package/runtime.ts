/**
 * What a package carries that we have not written: the Node runtime and koffi's native binding, of the versions and with the
 * checksums that package-lock.json names.  Those of this machine are in node_modules; another architecture's are fetched by
 * npm and kept in node_modules/.cache.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "../..");

export const ARCHITECTURES = {
  amd64: { node: "x64", rpm: "x86_64", strip: "strip", stripIn: "binutils" },
  arm64: { node: "arm64", rpm: "aarch64", strip: "aarch64-linux-gnu-strip", stripIn: "binutils-aarch64-linux-gnu" },
} as const;
/** Debian's names. */
export type Architecture = keyof typeof ARCHITECTURES;

export interface Runtime {
  /** Folders of the npm packages. */
  readonly node: string;
  readonly binding: string;
}

export function runtimeFor(arch: Architecture): Runtime {
  const { node } = ARCHITECTURES[arch];
  return { node: npmPackage(`node-linux-${node}`), binding: npmPackage(`@koromix/koffi-linux-${node}`) };
}

/** Without symbols: 116 of 150 MB.  What Node exports to addons stays. */
export function strippedCopy(arch: Architecture, from: string, to: string): void {
  const { strip, stripIn } = ARCHITECTURES[arch];
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  try {
    execFileSync(strip, ["--strip-all", "--remove-section=.comment", to], { stdio: "pipe" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new Error(`there is no ${strip}: apt-get install ${stripIn}`, { cause: error });
  }
}

function npmPackage(name: string): string {
  const installed = join(root, "node_modules", name);
  return existsSync(installed) ? installed : fetched(name);
}

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
}

function fetched(name: string): string {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, Locked>>;
  };
  const { version, integrity } = lock.packages[`node_modules/${name}`] ?? {};
  if (version === undefined || integrity === undefined) throw new Error(`package-lock.json does not name ${name}`);
  const kept = join(root, "node_modules/.cache/packages", `${name.replaceAll("/", "+")}-${version}`);
  if (existsSync(kept)) return kept;
  process.stdout.write(`fetching ${name} ${version}\n`);
  const unpacked = `${kept}.${process.pid}`;
  mkdirSync(unpacked, { recursive: true });
  try {
    const said = execFileSync("npm", ["pack", "--silent", "--json", `${name}@${version}`], {
      cwd: unpacked,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [packed] = JSON.parse(said) as readonly { readonly filename: string }[];
    if (packed === undefined) throw new Error(`npm pack ${name} wrote nothing`);
    const archive = join(unpacked, packed.filename);
    const [algorithm = "", digest] = integrity.split(/-(.*)/s);
    const found = createHash(algorithm).update(readFileSync(archive)).digest("base64");
    if (found !== digest)
      throw new Error(`${name} ${version} is not what package-lock.json names: ${algorithm}-${found}`);
    execFileSync("tar", ["-xzf", archive, "--strip-components=1", "--no-same-owner", "-C", unpacked]);
    rmSync(archive);
    renameSync(unpacked, kept);
  } finally {
    rmSync(unpacked, { recursive: true, force: true });
  }
  return kept;
}
