/** The demo's actors: a lab with two edges, three backends, a client that probes, a door from this shell; and their facts. */
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AdminEvent, Status } from "../../daemon/admin/api.ts";
import { buildLab, type Lab } from "../../lab/build.ts";
import { type Edge, startEdge, writeConfiguration } from "../../lab/edges.ts";
import type { ProbeReport } from "../../lab/probe/messages.ts";
import { probe } from "../../lab/probe.ts";
import { type Running, start, treeOf } from "../../lab/process.ts";
import type { EntryOrder } from "../../lab/programs/entry.ts";
import { BACKENDS, twoEdges, VIP4, VIP6 } from "../../lab/topology/two-edges.ts";
import type { BackendFacts, EdgeFacts, EventFact, Facts } from "./facts.ts";
import { Kept } from "./kept.ts";

export interface Scene extends AsyncDisposable {
  facts(): Facts;
}

export async function openScene(port: number, say: (step: string) => void): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  say("building the lab: namespaces, cables, switches");
  const lab = stack.use(await buildLab(twoEdges()));
  writeConfiguration(lab.directory);
  say("starting three backends");
  const program = (name: string): string => join(import.meta.dirname, "../../lab/programs", `${name}.ts`);
  const backends = BACKENDS.map((name) =>
    stack.use(new Kept(name, BACKEND_PAUSE, () => lab.host(name).node(program("backend"), [name, "8000"]))),
  );
  await Promise.all(backends.map(async (backend) => await backend.now?.says(/^listening/)));
  say("starting the daemon on two edges");
  const edges = EDGES.map((name) => stack.use(new EdgeActor(lab, name)));
  await Promise.all(edges.map((edge) => edge.ready()));
  const order: EntryOrder = {
    namespace: lab.host("client").namespace,
    port,
    doors: [
      { listen: "127.0.0.1", to: VIP4, toPort: 80 },
      { listen: "::1", to: VIP6, toPort: 80 },
    ],
  };
  const entry = stack.use(start(process.execPath, [program("entry"), JSON.stringify(order)]));
  const listening = JSON.parse(await entry.says(/"listening"/)) as { readonly port: number; readonly on: string[] };
  const client = new Client();
  stack.use(
    await probe(lab.host("client"), {
      urls: [`http://${VIP4}/`, `http://[${VIP6}]/`],
      every: 10,
      late: 250, // a machine that is busy otherwise answers late; that is no outage of the virtual IP
      reportEvery: 500,
      reported: (report) => client.reported(report),
    }),
  );
  const kept = stack.move();
  return {
    facts: () => ({
      at: Date.now(),
      vips: [VIP4, VIP6],
      urls: listening.on.map((on) => `http://${on.includes(":") ? `[${on}]` : on}:${listening.port}/`),
      directory: lab.directory,
      edges: edges.map((edge) => edge.facts()),
      backends: backends.map((backend) => client.factsOf(backend)),
      report: client.report,
      rate: client.rate,
      events: edges
        .flatMap((edge) => edge.events)
        .sort((a, b) => a.at - b.at)
        .slice(-EVENTS),
    }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** The daemon on one edge, restarted when it dies, asked for its state. */
class EdgeActor implements AsyncDisposable {
  readonly #kept: Kept;
  #edge: Edge | undefined;
  #status: Status | undefined;
  #after = 0;
  #events: readonly EventFact[] = [];
  readonly #timer: NodeJS.Timeout;
  #asking = false;

  constructor(lab: Lab, name: string) {
    this.#kept = new Kept(name, EDGE_PAUSE, (): Running => {
      const line = (text: string): void => appendFileSync(join(lab.directory, name, "log"), `${text}\n`);
      this.#edge = startEdge(lab, name, lab.directory, { line });
      this.#status = undefined;
      this.#after = 0;
      return this.#edge.running;
    });
    const cli = join(import.meta.dirname, "../../cli/main.ts");
    const novactl = `exec '${process.execPath}' '${cli}' "$@" --socket '${this.#edge?.socket ?? ""}'\n`;
    writeFileSync(join(lab.directory, `novactl-${name}`), novactl);
    this.#timer = setInterval(() => void this.#ask(), ASK_EVERY);
  }

  async ready(): Promise<void> {
    await this.#edge?.ready();
    await this.#ask();
  }
  get events(): readonly EventFact[] {
    return this.#events;
  }

  facts(): EdgeFacts {
    const { name, now, restartsAt } = this.#kept;
    if (now === undefined) return { ...NOTHING, name, state: "ended", why: this.#kept.lastEnd, restartsAt };
    const pids = treeOf(now.pid);
    const vip = this.#status?.vips[0];
    if (vip === undefined) return { ...NOTHING, name, pids, state: "starting" };
    const generation = this.#status?.configuration.generation;
    const why = vip.eligible ? vip.why : vip.eligibleWhy;
    return { name, pids, state: vip.state, term: vip.term, generation, why, restartsAt };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#kept[Symbol.asyncDispose]();
  }

  async #ask(): Promise<void> {
    const edge = this.#edge;
    if (this.#asking || edge === undefined || this.#kept.now === undefined) return;
    this.#asking = true;
    try {
      this.#status = await edge.get<Status>("/v1/status");
      const events = await edge.list<AdminEvent>(`/v1/events?after=${this.#after}&limit=20`);
      this.#after = events.at(-1)?.seq ?? this.#after;
      const facts = events.map(({ at, name, fields }) => ({ at, edge: edge.name, name, text: textOf(fields) }));
      this.#events = [...this.#events, ...facts].slice(-EVENTS);
    } catch {
      // Starting, stopping, stopped or killed: `facts` says so, and the next question comes soon.
      this.#status = undefined;
    } finally {
      this.#asking = false;
    }
  }
}

/** What the client's reports say, per second. */
class Client {
  report: ProbeReport | undefined;
  rate = 0;
  #by: ProbeReport["by"] = {};
  #rates: Readonly<Record<string, number>> = {};
  #at = performance.now();

  reported(report: ProbeReport): void {
    const now = performance.now();
    const perSecond = (more: number): number => (more * 1000) / Math.max(1, now - this.#at);
    this.rate = perSecond(report.answered - (this.report?.answered ?? 0));
    const names = Object.keys(report.by);
    this.#rates = Object.fromEntries(
      names.map((name) => [name, perSecond((report.by[name] ?? 0) - (this.#by[name] ?? 0))]),
    );
    this.#by = report.by;
    this.report = report;
    this.#at = now;
  }

  factsOf({ name, now, restartsAt }: Kept): BackendFacts {
    return { name, pid: now?.pid, rate: this.#rates[name] ?? 0, restartsAt };
  }
}

function textOf(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
}

const NOTHING = { pids: [], term: undefined, generation: undefined, why: "", restartsAt: undefined } as const;
const EDGES = ["a", "b"] as const;
/** Milliseconds until the demo, in the place of systemd, starts again what ended. */
const EDGE_PAUSE = 5_000;
const BACKEND_PAUSE = 10_000;
const ASK_EVERY = 250;
const EVENTS = 5;
