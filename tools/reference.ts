/**
 * `npm run docs`: docs/configuration.md, novactl.md, errors.md and the JSON Schemas, written from the sources.  With --check it
 * writes nothing and fails when a committed file is stale.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Field, fieldsOf } from "../resources/fields.ts";
import { resourcesJsonSchema, settingsJsonSchema } from "../resources/json-schema.ts";
import { documentSchema } from "../resources/kinds.ts";
import { API_VERSION, KIND_NAMES, type Kind } from "../resources/names.ts";
import { settingsSchema } from "../resources/settings.ts";
import { notYet } from "../resources/unsupported.ts";
import { errorsPage, novactlPage } from "./reference-codes.ts";
import { EXAMPLES, INTRODUCTION, KIND_NOTES, MORE_EXAMPLES, SDWAN_NOTES, SETTINGS_NOTES } from "./reference-text.ts";

const ROOT = join(import.meta.dirname, "..");

/** Path → content of every generated file. */
export function generated(): ReadonlyMap<string, string> {
  return new Map([
    ["docs/configuration.md", configuration()],
    ["docs/errors.md", errorsPage()],
    ["docs/novactl.md", novactlPage()],
    ["docs/schema/resources.json", `${JSON.stringify(resourcesJsonSchema(), undefined, 2)}\n`],
    ["docs/schema/settings.json", `${JSON.stringify(settingsJsonSchema(), undefined, 2)}\n`],
  ]);
}

export function stale(): readonly string[] {
  return [...generated()].flatMap(([path, content]) => (current(path) === content ? [] : [path]));
}

function current(path: string): string | undefined {
  try {
    return readFileSync(join(ROOT, path), "utf8");
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return undefined;
    throw thrown;
  }
}

function configuration(): string {
  const kinds = Object.keys(KIND_NAMES) as Kind[];
  return [
    INTRODUCTION,
    "## Node settings: /etc/novaedge/novaedge.yaml\n",
    SETTINGS_NOTES,
    SDWAN_NOTES,
    example("settings"),
    table(fieldsOf(settingsSchema)),
    "## Metadata of every resource\n",
    table(metadataFields()),
    ...kinds.map(kindSection),
    "## Known, but not supported in this version\n",
    "These are refused by name, so that nobody relies on what is not there.\n",
    notYet()
      .map((each) => `- ${each}\n`)
      .join(""),
    "The codes of findings are in [errors.md](errors.md), the commands in [novactl.md](novactl.md).\n",
  ].join("\n");
}

/** Of one kind, whose name is the only difference to the others. */
function metadataFields(): readonly Field[] {
  return fieldsOf(documentSchema("ProxyGateway"))
    .filter(({ path }) => !path.startsWith("spec"))
    .map((field) => (field.path === "kind" ? { ...field, type: Object.keys(KIND_NAMES).join(" | ") } : field));
}

function kindSection(kind: Kind): string {
  const { about, names, namespaced } = KIND_NAMES[kind];
  const scope = namespaced ? "Belongs to a namespace." : "Belongs to no namespace.";
  const fields = fieldsOf(documentSchema(kind)).filter(({ path }) => path.startsWith("spec."));
  return [
    `## ${kind}\n`,
    `${about} ${scope} \`novactl get ${names.join("|")}\`\n`,
    KIND_NOTES[kind],
    example(kind),
    table(fields),
  ].join("\n");
}

function example(name: keyof typeof EXAMPLES): string {
  if (name === "settings") return fenced(EXAMPLES[name]);
  const more = MORE_EXAMPLES[name];
  const texts = [EXAMPLES[name], ...(more === undefined ? [] : [more])];
  return texts.map((text) => fenced(`apiVersion: ${API_VERSION}\nkind: ${name}\n${text}`)).join("\n");
}

function fenced(text: string): string {
  return `\`\`\`yaml\n${text.trimEnd()}\n\`\`\`\n`;
}

function table(fields: readonly Field[]): string {
  const rows = fields.map(({ path, type, required, default: fallback, about }) => {
    const preset = required ? "required" : fallback === undefined ? "" : `\`${fallback}\``;
    return `| \`${path}\` | ${cell(type)} | ${preset} | ${cell(about)} |\n`;
  });
  return `| Field | Type | Default | Meaning |\n|---|---|---|---|\n${rows.join("")}`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

if (import.meta.main) {
  if (process.argv.includes("--check")) {
    const old = stale();
    for (const path of old) console.error(`${path} is stale: npm run docs`);
    process.exitCode = old.length > 0 ? 1 : 0;
  } else {
    for (const [path, content] of generated()) writeFileSync(join(ROOT, path), content);
  }
}
