/** A pulse process of ours beside a peer on one segment, and another peer behind a router. */
import { buildLab, type Lab } from "../../lab/build.ts";
import { describe as described } from "../../lab/description.ts";
import type { BfdPlan, BfdReport, BfdSpec, BfdTiming } from "../../netstack/bfd/plan.ts";
import { PulseHost } from "../daemon/pulse/pulse-host.ts";

export const TIMING: BfdTiming = {
  desiredMinTx: 50,
  requiredMinRx: 50,
  multiplier: 3,
  echoTx: undefined,
  requiredMinEchoRx: 0,
  demand: false,
};

export function bfdLab(): Promise<Lab> {
  return buildLab(
    described({
      hosts: {
        a: {
          interfaces: { eth0: ["10.0.0.1/24", "fd00::1/64"] },
          routes: [
            { to: "10.1.0.0/24", via: "10.0.0.254" },
            { to: "fd01::/64", via: "fd00::fe" },
          ],
        },
        b: { interfaces: { eth0: ["10.0.0.2/24", "fd00::2/64"] } },
        r: {
          forwards: true,
          interfaces: { eth0: ["10.0.0.254/24", "fd00::fe/64"], eth1: ["10.1.0.254/24", "fd01::fe/64"] },
        },
        c: {
          interfaces: { eth0: ["10.1.0.2/24", "fd01::2/64"] },
          routes: [
            { to: "10.0.0.0/24", via: "10.1.0.254" },
            { to: "fd00::/64", via: "fd01::fe" },
          ],
        },
      },
      switches: ["left", "right"],
      links: [
        { from: "a:eth0", to: "left" },
        { from: "b:eth0", to: "left" },
        { from: "r:eth0", to: "left" },
        { from: "r:eth1", to: "right" },
        { from: "c:eth0", to: "right" },
      ],
    }),
  );
}

export function spec(id: string, peer: string, changes: Partial<BfdSpec> = {}): BfdSpec {
  return {
    id,
    peer,
    local: undefined,
    ifname: "eth0",
    hops: "single",
    minTtl: 255,
    role: "active",
    timing: TIMING,
    auth: undefined,
    adminDown: false,
    ...changes,
  };
}

/** What pulse says about BFD. */
export class BfdHost implements AsyncDisposable {
  readonly pulse: PulseHost;
  #asked: NodeJS.Timeout | undefined;

  constructor(namespace: string) {
    this.pulse = new PulseHost(namespace);
  }

  plan(sessions: readonly BfdSpec[], unsolicited: BfdPlan["unsolicited"] = []): void {
    this.pulse.send({ kind: "bfd", plan: { sessions, unsolicited } });
  }
  /** All reports of a session, oldest first. */
  reports(id: string): readonly BfdReport[] {
    return this.pulse.messages.flatMap((each) => (each.kind === "bfd" && each.report.id === id ? [each.report] : []));
  }
  report(id: string): BfdReport | undefined {
    return this.reports(id).at(-1);
  }
  async until(id: string, what: string, holds: (report: BfdReport) => boolean, within = 15_000): Promise<BfdReport> {
    await this.pulse.until(
      `${id} ${what}`,
      () => {
        const report = this.report(id);
        return report !== undefined && holds(report);
      },
      within,
    );
    const report = this.report(id);
    if (report === undefined) throw new Error(`${id}: no report`);
    return report;
  }
  up(id: string): Promise<BfdReport> {
    return this.until(id, "up", ({ state }) => state === "up");
  }
  down(id: string): Promise<BfdReport> {
    return this.until(id, "down", ({ state }) => state === "down");
  }
  /** With the counters as they are now. */
  async fresh(id: string): Promise<BfdReport> {
    const before = this.pulse.messages.length;
    this.pulse.send({ kind: "bfd-report" });
    await this.pulse.until("a report", () =>
      this.pulse.messages.slice(before).some((each) => each.kind === "bfd-strays"),
    );
    const report = this.report(id);
    if (report === undefined) throw new Error(`${id}: no report`);
    return report;
  }

  /** Counters are told when they are asked for: again in a moment, for a wait on them. */
  askSoon(): void {
    this.#asked ??= setTimeout(() => {
      this.#asked = undefined;
      this.pulse.send({ kind: "bfd-report" });
    }, 100);
  }

  [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#asked);
    return this.pulse[Symbol.asyncDispose]();
  }
}
