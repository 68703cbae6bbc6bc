/**
 * The man pages: novaedge(8), novactl(1), novaedge.yaml(5).  Written from what the commands, the schemas and
 * docs/operations.md say, so that nothing is said twice.  man(7) macros; checked by `mandoc -Tlint` in the tests.
 */
import { EXIT, type Flag } from "../../cli/command.ts";
import { COMMANDS, GLOBAL_FLAGS } from "../../cli/commands.ts";
import { usageOf } from "../../cli/parse.ts";
import { HELP } from "../../daemon/flags.ts";
import { type Field, fieldsOf } from "../../resources/fields.ts";
import { documentSchema } from "../../resources/kinds.ts";
import { API_VERSION, KIND_NAMES, type Kind } from "../../resources/names.ts";
import { settingsSchema } from "../../resources/settings.ts";
import { EXITS } from "../reference-codes.ts";
import { EXAMPLES } from "../reference-text.ts";

export interface Release {
  readonly version: string;
  /** YYYY-MM-DD */
  readonly date: string;
  /** The text of docs/operations.md, whose table of files the pages repeat. */
  readonly operations: string;
}

/** File name ("novactl.1") → page. */
export function manPages(release: Release): ReadonlyMap<string, string> {
  return new Map([
    ["novaedge.8", daemonPage(release)],
    ["novactl.1", controlPage(release)],
    ["novaedge.yaml.5", settingsPage(release)],
  ]);
}

function daemonPage(release: Release): string {
  const blocks = HELP.trimEnd().split("\n\n");
  const [title = "", commands = "", flags = "", exits = ""] = blocks;
  const about = title.replace(/^novaedge - /, "");
  if (blocks.length !== 4 || about === title) throw new Error("the help of novaedge has another form: see man.ts");
  return page("novaedge", 8, release, [
    ["NAME", `novaedge \\- ${text(about)}`],
    ["SYNOPSIS", rowsOf(commands).map(synopsis).join("\n.br\n")],
    [
      "DESCRIPTION",
      `${text("The daemon reads the settings of this host from /etc/novaedge/novaedge.yaml and what it serves from /etc/novaedge/conf.d.  systemd starts it as novaedge.service; novactl asks and tells it.")}`,
    ],
    ["COMMANDS", rowsOf(commands).map(tagged).join("\n")],
    ["OPTIONS", `${text("They beat the settings file.")}\n${rowsOf(flags).map(tagged).join("\n")}`],
    [
      "SIGNALS",
      [
        tagged(["SIGTERM, SIGINT", "stop: withdraw virtual IPs, finish requests; a second one skips the waiting"]),
        tagged(["SIGHUP", "read the files again"]),
      ].join("\n"),
    ],
    ["EXIT STATUS", text(exits.replace(/^Exit status: /, ""))],
    ["FILES", files(release.operations)],
    ["SEE ALSO", seeAlso("novactl(1)", "novaedge.yaml(5)", "systemctl(1)", "journalctl(1)")],
  ]);
}

function controlPage(release: Release): string {
  const commands = COMMANDS.map((command) => {
    const flags = command.flags.map(flagRow).map(tagged);
    const examples = `.PP\n${literal(command.examples.map((each) => `${each}\n`).join(""))}`;
    const usage = `.B ${escaped(usageOf(command))}`;
    return [`.SS ${command.name}`, text(`${sentence(command.about)}`), ".PP", usage, ...flags, examples].join("\n");
  });
  const kinds = Object.values(KIND_NAMES).map(({ kind, names }) => tagged([names.join(", "), kind]));
  const exits = (Object.keys(EXIT) as (keyof typeof EXIT)[]).map((name) => tagged([String(EXIT[name]), EXITS[name]]));
  return page("novactl", 1, release, [
    ["NAME", "novactl \\- ask and tell the NovaEdge daemon of this host"],
    ["SYNOPSIS", ".B novactl\n.I command\n.RI [ flags ]"],
    [
      "DESCRIPTION",
      text(
        "Talks to the daemon over its admin socket; whoever may open the socket (root, and the group novaedge-admin) may do everything.",
      ),
    ],
    ["COMMANDS", commands.join("\n")],
    ["OPTIONS OF EVERY COMMAND", GLOBAL_FLAGS.map(flagRow).map(tagged).join("\n")],
    ["KINDS", kinds.join("\n")],
    ["EXIT STATUS", exits.join("\n")],
    ["ENVIRONMENT", tagged(["NOVAEDGE_SOCKET", "the admin socket, where --socket is not given"])],
    ["SEE ALSO", seeAlso("novaedge(8)", "novaedge.yaml(5)")],
  ]);
}

function settingsPage(release: Release): string {
  const kinds = (Object.keys(KIND_NAMES) as Kind[]).map((kind) => {
    const fields = fieldsOf(documentSchema(kind)).filter(({ path }) => path.startsWith("spec."));
    return [
      `.SS ${kind}`,
      text(KIND_NAMES[kind].about),
      literal(`apiVersion: ${API_VERSION}\nkind: ${kind}\n${EXAMPLES[kind].trimEnd()}\n`),
      ...fields.map(fieldEntry),
    ].join("\n");
  });
  return page("novaedge.yaml", 5, release, [
    ["NAME", "novaedge.yaml \\- settings and resources of novaedge(8)"],
    [
      "DESCRIPTION",
      [
        "/etc/novaedge/novaedge.yaml says what this host is; the files /etc/novaedge/conf.d/*.yaml say what it serves, as resources with apiVersion, kind, metadata and spec.",
        "The files are YAML 1.2 and read strictly: an unknown field, a wrong type or a reference that leads nowhere refuses the whole change, and what ran goes on.",
        "Durations are written 50ms, 2s, 1h30m; sizes are octets or 512Ki, 10Mi, 1G.",
      ]
        .map(text)
        .join("\n"),
    ],
    ["SETTINGS", [literal(`${EXAMPLES.settings.trimEnd()}\n`), ...fieldsOf(settingsSchema).map(fieldEntry)].join("\n")],
    ["RESOURCES", kinds.join("\n")],
    ["FILES", files(release.operations)],
    ["SEE ALSO", seeAlso("novaedge(8)", "novactl(1)")],
  ]);
}

function page(name: string, section: number, release: Release, parts: readonly (readonly [string, string])[]): string {
  const head = `.TH ${name.toUpperCase()} ${section} ${release.date} "novaedge ${release.version}"`;
  return `${[head, ...parts.map(([title, body]) => `.SH ${title}\n${body}`)].join("\n")}\n`;
}

/** Lines "  term   words" of a help text; a line above them that ends in a colon is a heading. */
function rowsOf(block: string): readonly (readonly [string, string])[] {
  return block.split("\n").flatMap((line) => {
    if (/^\S.*:$/.test(line)) return [];
    const row = /^ {2}(\S.*?)(?: {2,}(.*))?$/.exec(line);
    if (row?.[1] === undefined) throw new Error(`the help of novaedge has a line that is no row: ${line}`);
    return [[row[1], row[2] ?? "print the version"] as const];
  });
}

function synopsis([term]: readonly [string, string]): string {
  return `.B ${escaped(term)}`;
}

function tagged([term, words]: readonly [string, string]): string {
  return `.TP\n.B ${escaped(term)}\n${text(words)}`;
}

function fieldEntry({ path, type, required, default: fallback, about }: Field): string {
  const preset = required ? "; required" : fallback === undefined ? "" : `; default ${fallback}`;
  return `.TP\n.B ${escaped(path)}\n${text(`(${type}${preset}) ${about}`)}`;
}

function flagRow(flag: Flag): readonly [string, string] {
  const short = flag.short === undefined ? "" : `-${flag.short}, `;
  const value = flag.value === undefined ? "" : ` ${flag.value.sample}`;
  return [`${short}--${flag.name}${value}`, flag.about];
}

/** Rows of the table "| Path | Holds |". */
function files(operations: string): string {
  const table = operations.slice(operations.indexOf("\n## Files\n"));
  const rows = [...table.matchAll(/^\| `([^`]+)` \| (.*) \|$/gm)];
  if (rows.length === 0) throw new Error("docs/operations.md has no table of files");
  return rows.map(([, path = "", holds = ""]) => tagged([path, holds])).join("\n");
}

function seeAlso(...pages: readonly string[]): string {
  return pages
    .map((each, index) => `.BR ${text(each.replace("(", " ("))}${index < pages.length - 1 ? " ," : ""}`)
    .join("\n");
}

function literal(code: string): string {
  return `.nf\n${code.replaceAll(/^.*$/gm, (line) => (line === "" ? "" : `    ${escaped(line)}`)).trimEnd()}\n.fi`;
}

function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}

/** Markdown's marks are dropped; a new sentence gets a line of its own, as man(7) asks, and no line is longer than a terminal. */
function text(markdown: string): string {
  return markdown
    .replaceAll(/\[([^\]]+)\]\([^)]+\)/g, "$1")
    .replaceAll("**", "")
    .replaceAll("`", "")
    .replaceAll(/\s+/g, " ")
    .trim()
    .split(/(?<=[a-z)]\.) +(?=[A-Z])/)
    .map((each) => escaped(folded(each)))
    .join("\n");
}

function folded(line: string): string {
  const lines = [""];
  for (const word of line.split(" ")) {
    const last = lines.at(-1) ?? "";
    // An escaped dash is two characters.
    if (last !== "" && escaped(`${last} ${word}`).length > LONGEST_LINE) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines.join("\n");
}

function escaped(plain: string): string {
  return plain
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll(
      /[^\x20-\x7e\n]/g,
      (character) => `\\[u${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}]`,
    )
    .replaceAll(/^(?=[.'])/gm, "\\&");
}

const LONGEST_LINE = 78;
