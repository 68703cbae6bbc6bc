/** A hundred dual-stack virtual IPs on one interface: what is done for all of them must not cost one of them its lease. */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { formatIp, type Ipv4, ipv4 } from "../../../base/address.ts";
import type { FromPulse } from "../../../daemon/pulse/words.ts";
import type { VipPlan } from "../../../netstack/vip/plan.ts";
import { Segment, sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { NET } from "../../netstack/kernel/station.ts";
import { PulseHost } from "./pulse-host.ts";

const MANY = Number(process.env["MANY"] ?? 100);

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("many virtual IPs", () => {
  const opened: (Disposable | AsyncDisposable)[] = [];
  afterEach(async () => {
    for (const each of opened.splice(0).toReversed()) {
      if (Symbol.asyncDispose in each) await each[Symbol.asyncDispose]();
      else each[Symbol.dispose]();
    }
  });

  async function owned(): Promise<readonly [PulseHost, PulseHost]> {
    const segment = new Segment({ a: [NET.a4, NET.a6], b: [NET.b4, NET.b6], c: [NET.c4, NET.c6] });
    opened.push(segment);
    const [a, b] = ["a", "b"].map((name) => {
      const pulse = new PulseHost(segment.host(name).namespace);
      opened.push(pulse);
      return pulse;
    }) as [PulseHost, PulseHost];
    a.send({ kind: "plan", plan: plan("a", 200) });
    await a.until("all owned", () => owns(a) === MANY, 10_000);
    b.send({ kind: "plan", plan: plan("b", 100) });
    const standing = (): number => [...b.reports.values()].filter((each) => each.owner === "a").length;
    await b.until("all stood by for", () => standing() === MANY, 10_000);
    expect(lost(a)).toEqual([]);
    return [a, b];
  }

  test("withdrawn together: each is claimed once because it was released, none lapses", async () => {
    const [a, b] = await owned();
    a.send({ kind: "withdraw", handover: 5000 });
    await b.until("all taken over", () => owns(b) === MANY, 10_000);
    // On a busy machine the farewell may be late, which costs one window; but it comes, and once is enough.
    const { "released-to-us": named = 0, "was-free": late = 0, ...others } = reasons(b);
    expect([named + late, others]).toEqual([MANY, {}]);
    await a.until("withdrawn", () => a.messages.some((each) => each.kind === "withdrawn"));
    expect([...lost(a), ...lost(b)]).toEqual([]);
  }, 30_000);

  test("the owner is killed: each is claimed once, none lapses at the new owner", async () => {
    const [a, b] = await owned();
    a.child.kill("SIGKILL");
    await b.until("all taken over", () => owns(b) === MANY, 10_000);
    expect(reasons(b)).toEqual({ "owner-dead": MANY });
    expect(lost(b)).toEqual([]);
  }, 30_000);
});

function owns(pulse: PulseHost): number {
  return [...pulse.reports.values()].filter((each) => each.state === "owner").length;
}

function lost(pulse: PulseHost): readonly FromPulse[] {
  return pulse.messages.filter((each) => each.kind === "event" && each.name === "vip.lost");
}

/** Why virtual IPs were claimed, and how many for that reason. */
function reasons(pulse: PulseHost): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const each of pulse.messages) {
    if (each.kind !== "event" || each.name !== "vip.claimed") continue;
    const why = String(each.fields["why"]);
    found[why] = (found[why] ?? 0) + 1;
  }
  return found;
}

function plan(node: string, priority: number): VipPlan {
  const vips = Array.from({ length: MANY }, (_, index) => ({
    name: `v${index}`,
    address4: `${formatIp(((ipv4("10.66.1.0") as number) + index) as Ipv4)}/32`,
    address6: `fd00:66::1:${index.toString(16)}/128`,
    priority,
    preemptDelay: undefined,
    onConflict: "defend" as const,
    eligible: true,
    why: "",
  }));
  const witnesses = [formatIp(NET.c4)];
  const segment = { ifname: "e0", interval: 100, multiplier: 3, port: 9477, peers: [], witnesses, vips };
  return { node, key: "5e".repeat(32), segments: [segment] };
}
