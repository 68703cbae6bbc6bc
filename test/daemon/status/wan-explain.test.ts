/** What a packet's explanation says beyond what pulse and the wan process report. */
import { describe, expect, it } from "vitest";
import type { WanPlan } from "../../../daemon/desired/wan.ts";
import type { Wan } from "../../../daemon/parts/wan.ts";
import { explain } from "../../../daemon/status/wan-explain.ts";
import { DOCUMENTS, link, linkReport, policy, type WantedFrom, wanted } from "../desired/wan-world.ts";
import { CANDIDATES } from "../wan-answers.ts";

const planOf = (from: WantedFrom): WanPlan => {
  const { plan } = wanted(from).wish;
  if (plan === undefined) throw new Error("nothing is planned");
  return plan;
};
const packet = (destination: string) => ({
  source: "10.1.0.5",
  destination,
  protocol: "udp",
  port: 5060,
  dscp: undefined,
  ifname: undefined,
});
const chosen = {
  id: "voice→madrid",
  chosen: "isp1>madrid/isp1",
  state: "chosen",
  why: "lowest latency",
  since: 0,
  moves: 0,
  candidates: CANDIDATES,
} as const;
const wanWith = (links = [linkReport("isp1"), linkReport("isp2")]): Wan =>
  ({
    choices: new Map([["voice→madrid", chosen]]),
    links: new Map(links.map((each) => [each.name, each])),
  }) as unknown as Wan;
const classified = (name: string | undefined) => ({ of: "classify", class: name, mark: 4, why: "port 5060" }) as const;

describe("explain", () => {
  const plan = planOf({ documents: DOCUMENTS });
  it("the choice of the class for the site that has the longest network", () => {
    expect(explain(wanWith(), plan, packet("10.2.0.9"), classified("voice"))).toMatchObject({
      policy: "voice",
      destination: "madrid",
      choice: "voice→madrid",
      path: "isp1>madrid/isp1",
      link: "isp1",
      ifname: "nv-isp1-0",
      via: "direct",
      chosenBecause: "lowest latency",
      candidates: CANDIDATES,
      left: [],
    });
    expect(explain(wanWith(), plan, packet("10.255.3.1"), classified("voice")).destination).toBe("oslo");
    expect(explain(wanWith(), plan, packet("192.0.2.200"), classified("voice"))).toMatchObject({
      destination: "internet",
      choice: "voice→internet",
      chosenBecause: "not decided yet",
    });
  });
  it("what no policy matches: the default choice to sites, the main table to the internet and within the site", () => {
    const none = classified(undefined);
    expect(explain(wanWith(), plan, packet("10.3.0.9"), none).choice).toBe("default→oslo");
    expect(explain(wanWith(), plan, packet("192.0.2.200"), none)).toMatchObject({
      choice: undefined,
      chosenBecause: "no policy matches: the main routing table",
    });
    expect(explain(wanWith(), plan, packet("10.1.9.9"), classified("voice"))).toMatchObject({
      destination: "here",
      choice: undefined,
      chosenBecause: "a network of this site: the main routing table",
    });
  });
  it("links that are no candidates, and why", () => {
    const left = (spec: object, selection: object = {}, quotaSpent = false): unknown => {
      const documents = DOCUMENTS.with(1, link("berlin", "isp2", spec)).with(8, policy("voice", selection));
      const reports = [linkReport("isp1"), linkReport("isp2", { quotaSpent })];
      const own = planOf({
        documents: [...documents, policy("other")],
        facts: { links: new Map(reports.map((each) => [each.name, each])) },
      });
      return explain(wanWith(reports), own, packet("10.2.0.9"), classified("voice")).left;
    };
    const because = (why: string): unknown => [{ link: "isp2", why }];
    expect(left({ reservedFor: ["other"] })).toEqual(because("reserved for other"));
    expect(left({}, { links: ["isp1"] })).toEqual(because("the policy names isp1"));
    expect(left({ quota: { size: "1G" }, reservedFor: ["other"] }, {}, true)).toEqual(
      because("its quota is spent; reserved for other"),
    );
    expect(left({ gateway: "none" })).toEqual(because("it does not lead there"));
  });
});
