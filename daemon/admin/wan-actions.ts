/** What the calls about SD-WAN do. */
import { parseIp } from "../../base/address.ts";
import { Fault } from "../../base/fault.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { nearest } from "../../resources/nearest.ts";
import { wanSites } from "../../resources/wan-sites.ts";
import type { Live } from "../config/live.ts";
import { type WanPlan, wanPlans } from "../desired/wan.ts";
import type { WanBasis } from "../desired/wan-facts.ts";
import type { Wan } from "../parts/wan.ts";
import type { WanRecords } from "../parts/wan-records.ts";
import { explain } from "../status/wan-explain.ts";
import { withPath } from "../status/wan-flows.ts";
import { wanStatus } from "../status/wan-status.ts";
import type { PacketQuestion } from "../wan/words.ts";
import type { Refusal } from "./api.ts";
import type {
  Explanation,
  MeasureRequest,
  RediscoverRequest,
  WanFlows,
  WanKeys,
  WanStatus,
  WhatIfPlans,
  WhatIfRequest,
} from "./wan-api.ts";

export interface WanActions {
  wan(): WanStatus;
  wanFlows(limit: number): Promise<Result<WanFlows, Refusal>>;
  wanKeys(): Result<WanKeys, Refusal>;
  wanExplain(packet: PacketQuestion): Promise<Result<Explanation, Refusal>>;
  wanMeasure(request: MeasureRequest): Promise<Result<MeasureRequest, Refusal>>;
  wanRediscover(request: RediscoverRequest): Promise<Result<RediscoverRequest, Refusal>>;
  wanWhatIf(request: WhatIfRequest): Result<WhatIfPlans, Refusal>;
  /** Files whose lines are the answer. */
  wanRecords(since: number): Promise<readonly string[]>;
}

export interface WanActionParts {
  readonly wan: Wan;
  readonly wanBasis: WanBasis;
  readonly wanRecords: WanRecords;
  readonly live: Live;
}

export function wanActions({ wan, wanBasis, wanRecords, live }: WanActionParts): WanActions {
  return {
    wan: () => wanStatus(wan),
    wanFlows: async (most) => {
      const answer = await wan.ask({ of: "flows", most });
      const { plan } = wan;
      if (answer?.of !== "flows" || plan === undefined) return err(noWan(wan));
      return ok({ flows: answer.flows.map((flow) => withPath(wan, plan, flow)), more: answer.more });
    },
    wanKeys: () => {
      const { settings, resources } = live.current;
      const sites = wanSites(settings, resources);
      try {
        const { publicKey } = wanBasis.keys(settings);
        const remotes = sites.remotes.map(({ name, cluster }) => {
          const { wireGuard } = cluster.spec.connection.tunnel;
          return { site: name, publicKey: wireGuard.publicKey, preshared: wireGuard.presharedKeyFile !== undefined };
        });
        return ok({ site: sites.site, publicKey, file: wanBasis.keyFile(settings), sites: remotes });
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        return err({ code: error.code, message: error.message, problems: [] });
      }
    },
    wanExplain: async (packet) => {
      for (const address of [packet.source, packet.destination]) {
        if (!parseIp(address).ok) return err(bad(`${address} is no address`));
      }
      const { plan } = wan;
      if (plan === undefined) return err(noWan(wan));
      const answer = await wan.ask({ of: "classify", packet });
      return answer?.of === "classify" ? ok(explain(wan, plan, packet, answer)) : err(noWan(wan));
    },
    wanMeasure: async (request) => told(wan, request.link, request, { kind: "measure-bandwidth", link: request.link }),
    wanRediscover: async (request) => told(wan, request.link, request, { kind: "rediscover", link: request.link }),
    wanWhatIf: ({ documents, source }) => {
      if (wan.plan === undefined) return err(noWan(wan));
      const preview = live.preview(source, documents);
      if (!preview.ok) return preview;
      const { settings, resources, warnings } = preview.value;
      const basis = wanBasis.preview(settings, resources);
      const facts =
        basis === undefined ? undefined : { ...basis, links: wan.links, tunnels: wan.tunnels, proxied: wan.proxied };
      // Who holds which key changes no choice.
      const { plan } = wanPlans(settings, resources, { wan: facts, secrets: new Map() });
      if (plan === undefined) return err(bad("with these documents this site has no links"));
      return ok({ inForce: withoutKeys(wan.plan), whatIf: withoutKeys(plan), warnings });
    },
    wanRecords: (since) => wanRecords.files(since),
  };
}

function told<T>(
  wan: Wan,
  link: string | undefined,
  request: T,
  message: Parameters<Wan["tell"]>[0],
): Result<T, Refusal> {
  const names = wan.plan?.underlay.links.map(({ name }) => name) ?? [];
  if (link !== undefined && wan.plan !== undefined && !names.includes(link)) {
    const near = nearest(link, names);
    const hint = near === undefined ? "" : `; did you mean ${near}?`;
    return err({ code: "NOT_FOUND", message: `this site has no link ${link}${hint}`, problems: [] });
  }
  return wan.tell(message) ? ok(request) : err(noWan(wan));
}

/** Keys of probes are nobody's business. */
function withoutKeys({ steer }: WanPlan): WhatIfPlans["inForce"] {
  return { paths: steer.paths.map((path) => ({ ...path, probe: { kind: "none" } })), choices: steer.choices };
}

function bad(message: string): Refusal {
  return { code: "BAD_REQUEST", message, problems: [] };
}
function noWan({ plan, phase }: Wan): Refusal {
  const message =
    plan === undefined
      ? "this site has no WAN links: no ProxyWANLink is of the site of this host (sdwan.site)"
      : `the wan process does not answer (it is ${phase})`;
  return { code: "NO_WAN", message, problems: [] };
}
