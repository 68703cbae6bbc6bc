/** The tree that both packages share, as it stands on a host's disk. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { bundle, copyBinding, installedBinding } from "../bundle.ts";
import { mainOf } from "../entry.ts";
import { manPages } from "./man.ts";
import { ARCHITECTURES, type Architecture, runtimeFor, strippedCopy } from "./runtime.ts";

const root = join(import.meta.dirname, "../..");
const LIB = "usr/lib/novaedge";

export interface Making {
  readonly version: string;
  readonly arch: Architecture;
  /** SOURCE_DATE_EPOCH: the time of every file, seconds. */
  readonly epoch: number;
  /** "Name <address>" */
  readonly packager: string;
  /** Compressed fast, for tests; not for a release. */
  readonly quick: boolean;
}

/** Fills `tree`, which must not exist. */
export async function stage(tree: string, { version, arch, epoch }: Making): Promise<void> {
  const runtime = runtimeFor(arch);
  await bundle(join(tree, LIB), version);
  copyBinding(runtime.binding, join(tree, LIB), ARCHITECTURES[arch].node);
  strippedCopy(arch, join(runtime.node, "bin/node"), join(tree, LIB, "bin/node"));
  for (const command of ["novaedge", "novactl"]) {
    rmSync(join(tree, LIB, `${command}.cjs`));
    const main = `${LIB}/${mainOf(command)}`;
    put(tree, main, readFileSync(join(tree, main), "utf8").replace(/^#!.*\n/, ""));
    // Below bin/, so that SELinux takes it for a program; without a suffix it is CommonJS.
    const program = `#!/${LIB}/bin/node\n"use strict";\nrequire("../${mainOf(command)}");\n`;
    put(tree, `${LIB}/bin/${command}`, program, 0o755);
    mkdirSync(join(tree, "usr/bin"), { recursive: true });
    symlinkSync(`../lib/novaedge/bin/${command}`, join(tree, "usr/bin", command));
  }
  const copies = {
    "systemd/novaedge.service": "usr/lib/systemd/system/novaedge.service",
    "systemd/sysusers.conf": "usr/lib/sysusers.d/novaedge.conf",
    "systemd/tmpfiles.conf": "usr/lib/tmpfiles.d/novaedge.conf",
    "systemd/sysctl.conf": "usr/lib/sysctl.d/60-novaedge.conf",
    "systemd/rt_protos.d/novaedge.conf": "etc/iproute2/rt_protos.d/novaedge.conf",
    "packaging/novaedge.yaml": "etc/novaedge/novaedge.yaml",
  };
  for (const [from, to] of Object.entries(copies)) put(tree, to, readFileSync(join(root, from)));
  put(tree, "usr/share/bash-completion/completions/novactl", completion(tree, "bash"));
  put(tree, "usr/share/fish/vendor_completions.d/novactl.fish", completion(tree, "fish"));
  const operations = readFileSync(join(root, "docs/operations.md"), "utf8");
  const date = new Date(epoch * 1000).toISOString().slice(0, 10);
  for (const [name, page] of manPages({ version, date, operations }))
    put(tree, `usr/share/man/man${name.at(-1)}/${name}.gz`, zipped(page));
}

/** Written by the bundled novactl, with this machine's binding: it calls nothing of it. */
export function completion(tree: string, shell: "bash" | "zsh" | "fish"): string {
  return execFileSync(process.execPath, [join(tree, LIB, mainOf("novactl")), "completion", shell], {
    encoding: "utf8",
    env: { NODE_PATH: dirname(dirname(installedBinding(process.arch))) },
  });
}

export function put(tree: string, path: string, content: string | Uint8Array, mode = 0o644): void {
  const file = join(tree, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  chmodSync(file, mode);
}

/** gzip -9n: no name, no time, and the same system in its head wherever it was made. */
export function zipped(text: string): Uint8Array {
  const octets = gzipSync(text, { level: 9 });
  octets[9] = 3; // RFC 1952: Unix
  return octets;
}

/** Paths below `tree`, sorted; directories end in "/". */
export function listing(tree: string): readonly string[] {
  return readdirSync(tree, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name).slice(tree.length + 1) + (entry.isDirectory() ? "/" : ""))
    .sort();
}

/** Octets of all regular files. */
export function sizeOf(tree: string): number {
  return listing(tree)
    .map((path) => lstatSync(join(tree, path)))
    .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0);
}

/** Every file and directory gets the release's time and modes that no umask decides. */
export function settle(tree: string, epoch: number): void {
  for (const path of [...listing(tree).toReversed(), ""]) {
    const file = join(tree, path);
    const stat = lstatSync(file);
    if (stat.isSymbolicLink()) {
      lutimesSync(file, epoch, epoch);
      continue;
    }
    chmodSync(file, stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o755 : 0o644);
    utimesSync(file, epoch, epoch);
  }
}

/** A file appears under its name when it is whole. */
export function delivered(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, `${to}.new`);
  renameSync(`${to}.new`, to);
}
