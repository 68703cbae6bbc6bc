/** Our OSPF router in a lab's host, as a test holds it. */
import type { TraceLine } from "../../base/trace.ts";
import type { Host } from "../../lab/host.ts";
import { kernelRoutes } from "../../lab/peers/kernel.ts";
import { until } from "../../lab/peers/until.ts";
import type { Running } from "../../lab/process.ts";
import type { BfdReport, BfdSpec } from "../../netstack/bfd/plan.ts";
import type {
  OspfArea,
  OspfInterfaceReport,
  OspfInterfaceSpec,
  OspfNeighborReport,
  OspfNetwork,
  OspfPlan,
} from "../../netstack/ospf/plan.ts";
import type { FromOspf, ToOspf } from "./ospf-words.ts";

export class OspfUnderTest implements AsyncDisposable {
  readonly running: Running;
  readonly events: (FromOspf & { readonly kind: "event" })[] = [];
  readonly #reports = new Map<string, OspfInterfaceReport>();
  readonly #trace: TraceLine[] = [];
  readonly #said: FromOspf["kind"][] = [];
  #over = false;
  answer: (FromOspf & { readonly kind: "answer" }) | undefined;
  sessions: readonly BfdSpec[] = [];

  /** Reports that have come. */
  reportsTold = 0;

  /** `silent`: under load, describing each packet would be the load.  `bfd`: with real sessions. */
  constructor(host: Host, plan: OspfPlan, ...options: readonly ("silent" | "bfd")[]) {
    const words = options.map((option) => `--${option}`);
    this.running = host.node("test/interop/ospf-program.ts", words, {
      line: (line, from) => {
        if (from === "stdout") this.#told(JSON.parse(line) as FromOspf);
      },
    });
    void this.running.finished.finally(() => (this.#over = true));
    this.plan(plan);
  }

  plan(plan: OspfPlan): void {
    this.tell({ kind: "plan", plan });
  }
  bfd(report: BfdReport): void {
    this.tell({ kind: "bfd", report });
  }
  tell(order: ToOspf): void {
    this.running.write(`${JSON.stringify(order)}\n`);
  }

  report(ifname = "eth0"): OspfInterfaceReport | undefined {
    return this.#reports.get(ifname);
  }
  neighbor(routerId: string, ifname = "eth0"): OspfNeighborReport | undefined {
    return this.report(ifname)?.neighbors.find((each) => each.routerId === routerId);
  }
  async full(routerId: string): Promise<OspfNeighborReport> {
    const look = (): OspfNeighborReport | undefined => {
      const found = this.neighbor(routerId);
      return found?.state === "full" ? found : undefined;
    };
    return await until(`Full with ${routerId}`, look, { explain: () => this.explain(), giveUp: () => this.#over });
  }
  async said(kind: FromOspf["kind"]): Promise<void> {
    await until(kind, () => this.#said.includes(kind), { explain: () => this.explain() });
  }
  /** Reports, events and the last lines of the trace. */
  async explain(): Promise<string> {
    this.answer = undefined;
    if (!this.#over) {
      this.tell({ kind: "ask" });
      await until("the database", () => this.answer, { within: 1000 }).catch(() => undefined);
    }
    const { lsas, routes } = (this.answer as OspfUnderTest["answer"]) ?? { lsas: [], routes: [] };
    const known = [...lsas, ...routes].map((each) => JSON.stringify(each));
    const trace = this.#trace.slice(-60).map(({ at, direction, text }) => `${at} ${direction} ${text}`);
    const told = [...this.#reports.values(), ...this.events].map((each) => JSON.stringify(each));
    return [...told, ...known, ...trace, this.#over ? this.running.output().slice(-3000) : ""].join("\n");
  }
  traced(pattern: RegExp): readonly TraceLine[] {
    return this.#trace.filter(({ text }) => pattern.test(text));
  }
  async stop(keep: boolean): Promise<void> {
    this.tell({ kind: "stop", keep });
    await this.said("stopped");
    await this.running.finished;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.running[Symbol.asyncDispose]();
  }

  #told(message: FromOspf): void {
    this.#said.push(message.kind);
    if (message.kind === "report") {
      this.reportsTold++;
      this.#reports.set(message.report.ifname, message.report);
    } else if (message.kind === "report-gone") this.#reports.delete(message.ifname);
    else if (message.kind === "event") this.events.push(message);
    else if (message.kind === "bfd") this.sessions = message.sessions;
    else if (message.kind === "trace") this.#trace.push(message.line);
    else if (message.kind === "answer") this.answer = message;
  }
}

export function interfaceOf(more: Partial<OspfInterfaceSpec> = {}): OspfInterfaceSpec {
  return {
    ifname: "eth0",
    type: "broadcast",
    passive: false,
    cost: 10,
    priority: 1,
    hello: 1000,
    dead: 4000,
    retransmit: 1000,
    transmitDelay: 1,
    mtuIgnore: false,
    instanceId: 0,
    auth: undefined,
    neighbors: [],
    poll: 2000,
    bfd: undefined,
    ...more,
  };
}

export function planOf(
  version: 2 | 3,
  iface: OspfInterfaceSpec,
  more: Partial<OspfPlan> & { readonly area?: Partial<OspfArea> } = {},
): OspfPlan {
  const { area, ...rest } = more;
  return {
    version,
    routerId: "1.1.1.1",
    areas: [{ id: "0.0.0.0", kind: "normal", interfaces: [iface], ...area }],
    networks: [],
    install: { table: 254, metric: 110 },
    maxMetric: false,
    gracefulRestart: { period: 60_000, helper: true },
    restarting: false,
    ...rest,
  };
}

export function vip(version: 2 | 3, more: Partial<OspfNetwork> = {}): OspfNetwork {
  const prefix = VIPS[version];
  return { prefix, as: "external-2", metric: 20, tag: 0, area: undefined, ...more };
}

export const VIPS = { 2: "192.0.2.10/32", 3: "2001:db8::10/128" } as const;
/** What peers announce. */
export const THEIRS = { 2: "198.51.100.0/24", 3: "2001:db8:77::/48" } as const;

/** Waits until the host's kernel routes `prefix` (or does not any more), and answers with its gateways. */
export async function routed(
  host: Host,
  prefix: string,
  wanted: boolean,
  explain: () => Promise<string> | string,
): Promise<readonly string[]> {
  const look = async (): Promise<readonly string[] | undefined> => {
    const found = await kernelRoutes(host, prefix);
    return found.length > 0 === wanted ? found.flatMap(({ via }) => via) : undefined;
  };
  return await until(`${prefix} ${wanted ? "on" : "gone from"} ${host.name}`, look, { explain, every: 50 });
}
