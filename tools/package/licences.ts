/**
 * The notices of everything in the package, as Debian's machine-readable copyright file (copyright-format 1.0).  The texts
 * and the names in them are those that the npm packages carry.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Runtime } from "./runtime.ts";

const root = join(import.meta.dirname, "../..");
const OURS = "2026 NovaEdge maintainers";

/** All of `dependencies` in package.json are in the bundles; a test holds them together. */
export const BUNDLED = ["koffi", "yaml", "zod"] as const;

export function copyrightFile(runtime: Runtime): string {
  const bundled = BUNDLED.map((name) => ({ name, text: licenceText(join(root, "node_modules", name)) }));
  const holders = bundled.map(({ name, text }) => holderIn(name, text));
  const stanzas = [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: novaedge",
    files("*", [OURS], "Apache-2.0"),
    files("usr/lib/novaedge/*.cjs", [OURS, ...holders], ["Apache-2.0", ...BUNDLED].join(" and ")),
    files("usr/lib/novaedge/node_modules/*", holders.slice(0, 1), BUNDLED[0]),
    files("usr/lib/novaedge/bin/node", ["Node.js contributors, and those whom the text names"], "node"),
    "License: Apache-2.0\n On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.",
    ...bundled.map(({ name, text }) => `License: ${name}\n${indented(text)}`),
    `License: node\n${indented(licenceText(runtime.node))}`,
  ];
  return `${stanzas.join("\n\n")}\n`;
}

function files(pattern: string, holders: readonly string[], licence: string): string {
  return `Files: ${pattern}\nCopyright: ${holders.join("\n           ")}\nLicense: ${licence}`;
}

function holderIn(name: string, text: string): string {
  const found = /^Copyright *(?:\([cC]\))? *(.+)$/m.exec(text)?.[1];
  if (found === undefined) throw new Error(`the licence of ${name} names nobody`);
  return found.replaceAll(/ +/g, " ").trim();
}

function licenceText(folder: string): string {
  const found = readdirSync(folder).find((name) => /^licen[cs]e(\.|$)/i.test(name));
  if (found === undefined) throw new Error(`${folder} has no licence`);
  return readFileSync(join(folder, found), "utf8");
}

function indented(text: string): string {
  return text
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => (line.trim() === "" ? " ." : ` ${line}`))
    .join("\n");
}
