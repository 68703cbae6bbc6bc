/** What the admin API says of an SD-WAN: one path that is well and carries, one that is dead, one relayed. */

import { ok } from "../../base/result.ts";
import type { WanActions } from "../../daemon/admin/wan-actions.ts";
import type { WanPathStatus, WanStatus } from "../../daemon/admin/wan-api.ts";
import type { PathFigures } from "../../sdwan/figures.ts";
import type { CandidateReport, PathReport } from "../../sdwan/steer-plan.ts";
import { linkReport, tunnelReports } from "./desired/wan-world.ts";

export const FIGURES: PathFigures = {
  at: 1_000,
  rtt: { smoothed: 12.34, least: 11, median: 12, p95: 15, recent: 12.5 },
  jitterOut: 0.5,
  jitterBack: 1.25,
  loss: { percent: 0.5, low: 0.1, high: 1.5, of: 600 },
  lossOut: undefined,
  lossBack: undefined,
  reordered: 0,
  duplicated: 0,
  mos: 4.325,
  bitsOut: 0,
  bitsBack: 0,
};
function reportOf(id: string, life: PathReport["life"], figures: PathFigures | undefined): PathReport {
  return {
    id,
    life,
    since: 0,
    figures,
    sent: 100,
    answered: 99,
    refused: { auth: 2 },
    interval: 100,
    octetsPerHour: 5_000_000,
  };
}
const path = (more: Partial<WanPathStatus> & { readonly id: string }): WanPathStatus => ({
  link: "isp1",
  site: "madrid",
  remoteLink: "isp1",
  ifname: "nv-isp1-0",
  usable: true,
  why: "",
  via: "direct",
  metered: false,
  cost: 200,
  bandwidth: 100e6,
  healthy: true,
  score: 0.95,
  report: reportOf(more.id, { kind: "alive" }, FIGURES),
  tunnel: tunnelReports({}).get("nv-isp1-0/madrid"),
  carries: [],
  ...more,
});
const [well, dead] = ["isp1>madrid/isp1", "isp2>madrid/isp1"] as const;
export const CANDIDATES: readonly CandidateReport[] = [
  { path: well, tier: 0, verdict: "good", score: 12.34, why: "", figures: FIGURES },
  { path: dead, tier: 1, verdict: "dead", score: undefined, why: "no answer for 3 probes", figures: undefined },
];

export const WAN_STATUS: WanStatus = {
  site: "berlin",
  links: [
    {
      name: "isp1",
      ifname: "wan1",
      provider: "acme",
      role: "primary",
      report: linkReport("isp1", {
        nat: {
          mapping: "endpoint-independent",
          filtering: "address-dependent",
          address: "198.51.100.7",
          portPreserved: true,
          at: 0,
          why: "",
        },
        bandwidth: { up: 95e6, down: undefined, at: 0 },
      }),
      quota: undefined,
      reservedFor: [],
      internet: "alive",
      tunnels: { all: 2, up: 2, unshaken: [] },
    },
    {
      name: "isp2",
      ifname: "wan2",
      provider: "mobile",
      role: "backup",
      report: linkReport("isp2", { state: "degraded", why: "no IPv6", used: 1_500_000_000, quotaSpent: true }),
      quota: { size: 1_000_000_000, resetDay: 1 },
      reservedFor: ["voice"],
      internet: "unknown",
      tunnels: { all: 2, up: 1, unshaken: ["madrid/isp1"] },
    },
  ],
  paths: [
    path({ id: well, carries: ["voice→madrid"] }),
    path({
      id: dead,
      link: "isp2",
      ifname: "nv-isp2-0",
      via: "oslo",
      healthy: false,
      score: 0,
      report: reportOf(dead, { kind: "dead", why: "no answer for 3 probes" }, undefined),
      tunnel: undefined,
    }),
    path({
      id: "isp1>internet",
      site: undefined,
      remoteLink: undefined,
      ifname: "wan1",
      report: undefined,
      tunnel: undefined,
      score: undefined,
      usable: false,
      why: "link isp1: no carrier",
      healthy: false,
    }),
  ],
  policies: [
    {
      name: "voice",
      priority: 200,
      strategy: "lowest-latency",
      dscp: 46,
      mark: 4,
      balance: undefined,
      choices: [
        {
          id: "voice→madrid",
          site: "madrid",
          table: 11_004,
          report: {
            id: "voice→madrid",
            chosen: well,
            state: "chosen",
            why: "lowest latency",
            since: 0,
            moves: 2,
            candidates: CANDIDATES,
          },
        },
        { id: "voice→internet", site: undefined, table: 11_004, report: undefined },
      ],
      shield: {
        aboveLoss: 1,
        active: [
          { choice: "voice→madrid", path: well, second: dead, since: 0, why: "5.1 % lost there, over 1 %" },
          {
            choice: "voice→madrid",
            path: dead,
            second: undefined,
            since: 0,
            why: "9.0 % lost there, over 1 %; no second path lives",
          },
        ],
        copies: { packets: 1_200, octets: 240_000 },
        duplicates: { packets: 1_100, octets: 220_000 },
      },
      requests: { hosts: [], paths: ["/calls"], headers: { "X-Kind": "speech" }, proxy: "matching" },
    },
  ],
};

export const WAN_ANSWERS: WanActions = {
  wan: () => WAN_STATUS,
  wanFlows: async () =>
    ok({
      flows: [
        {
          protocol: "udp",
          source: "10.1.0.5:4000",
          destination: "10.2.0.9:5060",
          mark: 4,
          class: "voice",
          path: "isp1>madrid/isp1",
          link: "isp1",
          ifname: "nv-isp1-0",
          packets: 10,
          octets: 2_000,
        },
      ],
      more: 3,
    }),
  wanKeys: () =>
    ok({
      site: "berlin",
      publicKey: "ours",
      file: "/var/lib/novaedge/wan.key",
      sites: [{ site: "madrid", publicKey: "theirs", preshared: true }],
    }),
  wanExplain: async (packet) =>
    ok({
      policy: "voice",
      why: `port ${packet.port} is one of 5060`,
      mark: 4,
      destination: "madrid",
      choice: "voice→madrid",
      balance: undefined,
      path: well,
      link: "isp1",
      ifname: "nv-isp1-0",
      via: "direct",
      state: "chosen",
      chosenBecause: "lowest latency",
      candidates: CANDIDATES,
      left: [{ link: "lte", why: "reserved for office" }],
    }),
  wanMeasure: async (request) => ok(request),
  wanRediscover: async (request) => ok(request),
  wanWhatIf: () => ok({ inForce: { paths: [], choices: [] }, whatIf: { paths: [], choices: [] }, warnings: [] }),
  wanRecords: async () => [],
};
