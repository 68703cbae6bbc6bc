/** The demo's view as text: facts in, lines out.  No terminal here; screen.ts has that. */
import type { BackendFacts, EdgeFacts, Facts } from "./facts.ts";
import { ownerOf } from "./facts.ts";

export interface Try {
  readonly what: string;
  readonly command: string;
  readonly effect: string;
}

/** Three things to try, and two to look at; each command works as it stands in another shell of this host, as root. */
export function tries(facts: Facts): readonly Try[] {
  const owner = ownerOf(facts);
  const backend = facts.backends.find((each) => each.pid !== undefined);
  const [url = ""] = facts.urls;
  return [
    {
      what: "kill the owner",
      command: owner === undefined ? "(wait: nobody owns the address)" : `kill -9 ${owner.pids.join(" ")}`,
      effect: "the other edge takes the address over; the dead one comes back after 5 s, as a standby",
    },
    {
      what: "stop a backend",
      command: backend?.pid === undefined ? "(wait: no backend runs)" : `kill ${backend.pid}`,
      effect: `${backend?.name ?? "it"} gets no requests any more, and some again when it is back after 10 s`,
    },
    {
      what: "edit a route",
      command: `sed -i '/canary/s/weight: [0-9]*/weight: 300/' ${facts.directory}/conf.d/routes.yaml`,
      effect: "the canary, b3, gets most requests; no request fails",
    },
    { what: "look yourself", command: `curl -i ${url}`, effect: "x-backend says which server answered" },
    { what: "ask an edge", command: `sh ${facts.directory}/novactl-a status`, effect: "novactl, with the socket of a" },
  ];
}

export interface Look {
  readonly columns: number;
  readonly rows: number;
  readonly colour: boolean;
}

export interface Line {
  readonly text: string;
  /** Of the terminal; a command is never cut, the terminal wraps it, so that it can be marked and copied. */
  readonly rows: number;
}

/** What a low terminal can do without, first to last. */
type Part = "effect" | "event" | "space" | "fact" | "command";
const DISPENSABLE: readonly Part[] = ["effect", "event", "space"];

export function render(facts: Facts, look: Look): readonly Line[] {
  let lines = partsOf(facts, painter(look.colour)).map(([part, text]) => {
    const shown = part === "command" ? text : cut(text, look.columns);
    return { part, text: shown, rows: Math.max(1, Math.ceil(visible(shown) / look.columns)) };
  });
  for (const part of DISPENSABLE) {
    if (lines.reduce((rows, line) => rows + line.rows, 0) <= look.rows) break;
    lines = lines.filter((line) => line.part !== part);
  }
  return lines.map(({ text, rows }) => ({ text, rows }));
}

function partsOf(facts: Facts, paint: Paint): readonly (readonly [Part, string])[] {
  const outage = facts.report?.outage;
  const last = `last ${spanText(outage?.last?.length)}${ago(outage?.last?.from, facts.at)}`;
  return [
    ["fact", `${paint("bold", "NovaEdge")}  two edges share ${facts.vips.join(" and ")}`],
    ["command", `  from this shell: ${facts.urls.map((url) => paint("bold", `curl ${url}`)).join("   ")}`],
    ["space", ""],
    ...facts.edges.map((edge): [Part, string] => ["fact", `  edge ${edge.name}    ${edgeText(edge, facts.at, paint)}`]),
    ["space", ""],
    ["fact", `  backends  ${facts.backends.map((backend) => backendText(backend, facts.at, paint)).join("   ")}`],
    ["fact", `  client    ${facts.rate.toFixed(0)} answers/s${latencyText(facts)}   ${failureText(facts, paint)}`],
    ["fact", `  outage    ${outageNow(facts, paint)}${last}   worst ${spanText(outage?.worst?.length)}`],
    ["space", ""],
    ...facts.events.map((event): [Part, string] => [
      "event",
      paint("dim", `  ${clock(event.at)} ${event.edge} ${event.name} ${event.text}`),
    ]),
    ["space", ""],
    ["fact", "Try, in another shell as root:"],
    ...tries(facts).flatMap((each, index): [Part, string][] => [
      ["command", `  ${index + 1}. ${each.what.padEnd(15)} ${paint("bold", each.command)}`],
      ["effect", paint("dim", `     ${"".padEnd(15)} ${each.effect}`)],
    ]),
    ["space", ""],
    ["fact", paint("dim", "Ctrl-C ends the demo and removes everything.")],
  ];
}

/** Where there is no terminal: one line about what changed since `before`; undefined when nothing worth a line did. */
export function plainLine(facts: Facts, before: Facts | undefined): string | undefined {
  const state = (of: Facts): string =>
    [
      `owner ${ownerOf(of)?.name ?? "none"}`,
      ...of.edges.map((edge) => `${edge.name} ${edge.state} (${aboutEdge(edge)})`),
      ...of.backends.map((backend) => `${backend.name} ${backend.pid === undefined ? "down" : "up"}`),
      `outages ${of.report?.outage.count ?? 0}`,
    ].join(", ");
  if (before !== undefined && state(before) === state(facts) && facts.at - before.at < PLAIN_EVERY) return undefined;
  const outage = facts.report?.outage;
  const text = `last ${spanText(outage?.last?.length)}, worst ${spanText(outage?.worst?.length)}`;
  const rates = facts.backends.map((backend) => `${backend.name} ${backend.rate.toFixed(0)}`).join(" ");
  return `${clock(facts.at)} ${state(facts)} (${text}), ${facts.rate.toFixed(0)} answers/s (${rates}), ${facts.report?.failed ?? 0} failed`;
}

/** Milliseconds between two lines when nothing happens. */
const PLAIN_EVERY = 10_000;

function aboutEdge(edge: EdgeFacts): string {
  if (edge.state === "ended") return edge.why;
  return `configuration ${edge.generation ?? "none"}`;
}

type Paint = (style: keyof typeof STYLES, text: string) => string;
const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;
function painter(colour: boolean): Paint {
  return (style, text) => (colour ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text);
}

function edgeText(edge: EdgeFacts, at: number, paint: Paint): string {
  const style = edge.state === "owner" ? "green" : edge.state === "standby" ? "bold" : "yellow";
  const term = edge.term === undefined ? "" : `  term ${edge.term}`;
  const generation = edge.generation === undefined ? "" : `configuration ${edge.generation}`;
  const rest = `${generation.padEnd(17)}  ${edge.why}`;
  return `${paint(style, edge.state.padEnd(11))}${restart(edge.restartsAt, at)}${term.padEnd(11)}${paint("dim", rest)}`;
}
function backendText(backend: BackendFacts, at: number, paint: Paint): string {
  const name = backend.pid === undefined ? paint("red", backend.name) : paint("green", backend.name);
  const rate = backend.pid === undefined ? `down${restart(backend.restartsAt, at)}` : `${backend.rate.toFixed(0)}/s`;
  return `${name} ${rate.padEnd(5)}`;
}
function restart(at: number | undefined, now: number): string {
  return at === undefined ? "" : ` (back in ${Math.max(0, Math.ceil((at - now) / 1000))} s)`;
}
function latencyText({ report }: Facts): string {
  const latency = report?.latency;
  return latency === undefined ? "" : `   p50 ${latency.p50.toFixed(1)} ms, p99 ${latency.p99.toFixed(1)} ms`;
}
function failureText({ report }: Facts, paint: Paint): string {
  if (report === undefined || report.failed === 0) return "0 failed";
  const kinds = Object.entries(report.failures).map(([why, count]) => `${count} × ${why}`);
  return paint("yellow", `${report.failed} of ${report.sent} failed: ${kinds.join(", ")}`);
}
function outageNow({ report }: Facts, paint: Paint): string {
  const now = report?.outage.now;
  return now === undefined ? "" : `${paint("red", `now ${spanText(now)}`)}   `;
}
function spanText(span: number | undefined): string {
  if (span === undefined) return "none";
  return span < 10_000 ? `${span.toFixed(0)} ms` : `${(span / 1000).toFixed(1)} s`;
}
function ago(from: number | undefined, at: number): string {
  return from === undefined ? "" : ` (${Math.max(0, (at - from) / 1000).toFixed(0)} s ago)`;
}
function clock(at: number): string {
  return new Date(at).toISOString().slice(11, 19);
}
/** By visible columns: escape sequences have none, and a line cut inside a style ends it. */
function cut(line: string, columns: number): string {
  let seen = 0;
  let out = "";
  for (const part of line.split(STYLE)) {
    if (part.startsWith("\u001b")) out += part;
    else {
      out += part.slice(0, Math.max(0, columns - seen));
      seen += part.length;
    }
  }
  return out;
}
function visible(line: string): number {
  return line.split(STYLE).reduce((sum, part) => sum + (part.startsWith("\u001b") ? 0 : part.length), 0);
}

// oxlint-disable-next-line no-control-regex -- escape sequences begin with one
const STYLE = /(\u001b\[[0-9]+m)/;
