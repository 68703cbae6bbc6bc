/** Two hosts with a pulse process each, and a third that looks on. */
import { formatIp, type Ip, type Mac } from "../../../base/address.ts";
import type { SegmentPlan, VipPlan, VipSpec } from "../../../netstack/vip/plan.ts";
import { type Host, Segment } from "../../netstack/kernel/segment.ts";
import { NET, Station } from "../../netstack/kernel/station.ts";
import { PulseHost } from "./pulse-host.ts";

const OWN: Readonly<Record<string, readonly [Ip, Ip]>> = { a: [NET.a4, NET.a6], b: [NET.b4, NET.b6] };

export class Pair implements AsyncDisposable {
  readonly segment = new Segment({ ...OWN, c: [NET.c4, NET.c6] });
  readonly client = new Station(this.host("c").namespace, "e0");
  readonly #pulses = new Map<string, PulseHost>();

  host(name: string): Host {
    return this.segment.host(name);
  }
  pulse(name: string): PulseHost {
    const pulse = this.#pulses.get(name) ?? new PulseHost(this.host(name).namespace);
    this.#pulses.set(name, pulse);
    return pulse;
  }
  start(name: string, changes: Partial<SegmentPlan> = {}): PulseHost {
    const pulse = this.pulse(name);
    pulse.send({ kind: "plan", plan: planOf(name, changes) });
    return pulse;
  }
  /** `a` owns, `b` stands by. */
  async both(changes: Partial<SegmentPlan> = {}): Promise<readonly [PulseHost, PulseHost]> {
    const a = this.start("a", changes);
    await a.state("v", "owner");
    const b = this.start("b", changes);
    await b.until("a owns", () => b.reports.get("v")?.owner === "a" && b.reports.get("v")?.state === "standby");
    return [a, b];
  }
  /** The hosts whose kernel answers for one family of the virtual IP, of those asked. */
  answers(vip: Ip, asked: readonly string[] = ["a", "b"]): readonly string[] {
    const family = vip === NET.vip4 ? 0 : 1;
    return asked.filter((name) => {
      const own = OWN[name]?.[family];
      if (own === undefined) throw new TypeError(name);
      return this.client.whoHas(vip, own, { ip4: NET.c4, ip6: NET.c6 }) === this.mac(name);
    });
  }
  mac(name: string): Mac {
    const mac = this.host(name).route.link(this.host(name).index)?.mac;
    if (mac === undefined) throw new Error(`no MAC on ${name}`);
    return mac;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pulse of this.#pulses.values()) await pulse[Symbol.asyncDispose]();
    this.client[Symbol.dispose]();
    this.segment[Symbol.dispose]();
  }
}

export function told(pulse: PulseHost, name: string): Readonly<Record<string, unknown>> | undefined {
  for (const each of pulse.messages) if (each.kind === "event" && each.name === name) return each.fields;
  return undefined;
}

export function planOf(node: string, changes: Partial<SegmentPlan> = {}): VipPlan {
  const segment: SegmentPlan = {
    ifname: "e0",
    interval: 100,
    multiplier: 3,
    port: 9477,
    peers: [],
    witnesses: [formatIp(NET.c4)],
    vips: [VIP],
    ...changes,
  };
  return { node, key: "5e".repeat(32), segments: [segment] };
}

export const VIP: VipSpec = {
  name: "v",
  address4: `${formatIp(NET.vip4)}/32`,
  address6: `${formatIp(NET.vip6)}/128`,
  priority: 100,
  preemptDelay: undefined,
  onConflict: "defend",
  eligible: true,
  why: "",
};
