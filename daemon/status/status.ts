/** What `novactl status` shows, put together from the parts.  Pure but for what it asks them. */
import { readFileSync } from "node:fs";
import { formatIp, isIpv4 } from "../../base/address.ts";
import { VERSION } from "../../base/version.ts";
import { poolUse } from "../../resources/allocate.ts";
import type { AnyResource } from "../../resources/kinds.ts";
import { everything, idOf, qualifiedName } from "../../resources/kinds.ts";
import { API_VERSION } from "../../resources/names.ts";
import { withoutSecrets } from "../../resources/secrets.ts";
import type {
  BackendStatus,
  EndpointStatus,
  ListenerStatus,
  LoadedResource,
  ProcessStatus,
  ResourceList,
  Status,
  VipStatus,
} from "../admin/api.ts";
import type { ResourceQuery } from "../admin/server.ts";
import type { Live } from "../config/live.ts";
import type { Control } from "../control.ts";
import { endpointKey, endpointText } from "../desired/facts.ts";
import { vipAddresses } from "../desired/proxy.ts";
import { hostPrefix } from "../desired/routed.ts";
import type { WanBasis } from "../desired/wan-facts.ts";
import { wanResourceStatus } from "../desired/wan-resources.ts";
import type { Bfd } from "../parts/bfd.ts";
import type { Dataplanes } from "../parts/dataplanes.ts";
import type { Routing } from "../parts/routing.ts";
import type { Traces } from "../parts/traces.ts";
import type { Vips } from "../parts/vips.ts";
import type { Wan } from "../parts/wan.ts";
import type { WanRecords } from "../parts/wan-records.ts";
import { routedStatus } from "./routed-status.ts";
import { routingSummary } from "./routing-status.ts";
import { wanSummary } from "./wan-status.ts";

export interface StatusParts {
  readonly control: Control;
  readonly live: Live;
  readonly dataplanes: Dataplanes;
  readonly vips: Vips;
  readonly routing: Routing;
  readonly bfd: Bfd;
  readonly wan: Wan;
  readonly wanBasis: WanBasis;
  readonly wanRecords: WanRecords;
  readonly traces: Traces;
  readonly startedAt: number;
  readonly wall: () => number;
  /** Resident memory of a process, octets. */
  readonly memory: (pid: number) => number | undefined;
}

export function statusOf(parts: StatusParts): Status {
  const { control, live, dataplanes, vips, routing, bfd, wan, startedAt, wall, memory } = parts;
  const further = [routing.status(memory), wan.status(memory)].filter((each) => each !== undefined);
  const { settings, resourceDir, hash } = live.current;
  const { engine, why } = dataplanes.engine;
  const own: ProcessStatus = {
    name: "control",
    pid: process.pid,
    state: control.draining ? "stopping" : "up",
    startedAt,
    restarts: 0,
    lastEnd: undefined,
    memory: memory(process.pid),
  };
  return {
    version: VERSION,
    node: settings.node.name,
    pid: process.pid,
    startedAt,
    uptime: wall() - startedAt,
    phase: phaseOf(control),
    engine,
    engineWhy: why,
    configuration: {
      generation: live.generation,
      hash,
      loadedAt: live.loadedAt,
      settingsFile: live.places.settingsFile,
      resourceDir,
      problems: live.problems,
    },
    processes: [own, vips.status(memory), ...further, ...dataplanes.status(memory)],
    conditions: control.conditions.list,
    vips: vipStatuses(parts),
    peers: vips.peers,
    routing: routingSummary(routing, bfd),
    wan: wanSummary(wan),
    listeners: listenerStatuses(parts),
    backends: backendStatuses(parts),
  };
}

export function resourcesOf(parts: StatusParts, query: ResourceQuery): ResourceList {
  const { live } = parts;
  const status = statusOf(parts);
  const resources = everything(live.current.resources)
    .filter(({ kind, metadata }) => {
      if (query.kind !== undefined && query.kind !== kind) return false;
      if (query.name !== undefined && query.name !== metadata.name) return false;
      return query.namespace === undefined || query.namespace === (metadata.namespace ?? "");
    })
    .map(
      (resource): LoadedResource => ({
        apiVersion: API_VERSION,
        kind: resource.kind,
        namespace: resource.metadata.namespace ?? "",
        name: resource.metadata.name,
        file: resource.source.file,
        line: resource.source.at([]).line,
        manifest: withoutSecrets(resource.source.value) as Readonly<Record<string, unknown>>,
        status: { loadedAt: live.since.get(idOf(resource)), ...statusOfResource(resource, status, parts) },
      }),
    );
  return { generation: live.generation, resources };
}

/** VmRSS of /proc/PID/status in octets; undefined when the process has just ended. */
export function residentMemory(pid: number): number | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return undefined;
  }
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

function phaseOf(control: Control): Status["phase"] {
  if (control.draining) return "draining";
  if (control.notReady() !== undefined) return "starting";
  return control.conditions.list.some(({ severity }) => severity === "error") ? "degraded" : "ready";
}

function vipStatuses({ control, live, vips, routing, bfd }: StatusParts): readonly VipStatus[] {
  const segments = control.desired?.vips.segments ?? [];
  const specs = new Map(segments.flatMap(({ ifname, vips }) => vips.map((spec) => [spec.name, { ifname, spec }])));
  return live.current.resources.vips.map((vip) => {
    const { name } = vip.metadata;
    const condition = control.conditions.list.find(({ subject }) => subject === `ProxyVIP/${name}`);
    const common = {
      name,
      mode: vip.spec.mode,
      addresses: vipAddresses(vip, control.allocated?.allocations ?? []).map(hostPrefix),
    };
    if (vip.spec.mode !== "L2ARP") return { ...common, ...routedStatus(vip, { routing, bfd }, control, condition) };
    const planned = specs.get(name);
    const reported = vips.reports.get(name);
    return {
      ...common,
      ifname: planned?.ifname ?? "",
      state: reported?.report.state ?? "unknown",
      owner: reported?.report.owner,
      term: reported?.report.term ?? 0,
      why: reported?.report.why ?? condition?.message ?? "",
      eligible: planned?.spec.eligible ?? false,
      eligibleWhy: planned?.spec.why ?? condition?.code ?? "",
      priority: planned?.spec.priority ?? 0,
      conflictWith: reported?.report.conflictWith,
      since: reported?.since,
      failovers: vips.failovers(name),
      neighbors: [],
    };
  });
}

function listenerStatuses({ control, dataplanes }: StatusParts): readonly ListenerStatus[] {
  const { sockets = [], proxy } = control.desired ?? {};
  return sockets.map(({ key, ip, port }) => {
    const config = proxy?.listeners.find((each) => each.key === key);
    return {
      key,
      gateway: config?.gateway ?? "",
      name: config?.name ?? "",
      protocol: config?.protocol ?? "",
      address: formatIp(ip),
      port,
      workers: dataplanes.accepting(key),
      wanted: dataplanes.workers,
      problem: dataplanes.failures.get(key),
    };
  });
}

function backendStatuses({ live, dataplanes }: StatusParts): readonly BackendStatus[] {
  return live.current.resources.backends.map((backend) => {
    const { metadata, spec } = backend;
    const name = qualifiedName(metadata);
    const checked = spec.healthCheck !== undefined;
    const endpoints = spec.endpoints.map(({ address, port, weight }): EndpointStatus => {
      const verdict = dataplanes.health.get(endpointKey(name, endpointText(address, port)));
      const known = verdict?.healthy === true ? "healthy" : "unhealthy";
      return {
        address: isIpv4(address) ? formatIp(address) : address,
        port,
        weight,
        health: !checked ? "unchecked" : verdict === undefined ? "unknown" : known,
        why: checked ? (verdict?.why ?? "") : "",
        since: checked ? verdict?.since : undefined,
      };
    });
    return { name, lbPolicy: spec.lbPolicy, checked, endpoints };
  });
}

function statusOfResource(
  resource: AnyResource,
  status: Status,
  { control, wan }: StatusParts,
): Readonly<Record<string, unknown>> {
  const { kind } = resource;
  const name = qualifiedName(resource.metadata);
  const conditions = control.conditions.list.filter(({ subject }) => subject === `${kind}/${name}`);
  switch (resource.kind) {
    case "ProxyVIP":
      return { ...status.vips.find((vip) => vip.name === name), conditions };
    case "ProxyGateway":
      return { listeners: status.listeners.filter(({ gateway }) => gateway === name), conditions };
    case "ProxyBackend":
      return { endpoints: status.backends.find((backend) => backend.name === name)?.endpoints ?? [], conditions };
    case "ProxyRoute": {
      const rules = control.desired?.proxy.listeners.flatMap(({ key, rules }) =>
        rules.filter(({ route }) => route === name).map(({ index }) => ({ listener: key, rule: index })),
      );
      return { attached: rules ?? [], conditions };
    }
    case "ProxyIPPool": {
      const allocations = control.allocated?.allocations.filter(({ pool }) => pool === name) ?? [];
      const { allocated, size } = poolUse(resource, allocations);
      // As text: an IPv6 pool counts further than a number can.
      const available = String(size - BigInt(allocated));
      return {
        allocated,
        available,
        allocations: allocations.map(({ vip, address }) => ({ vip, address })),
        conditions,
      };
    }
    case "ProxyWANLink":
    case "ProxyWANPolicy":
    case "NovaEdgeRemoteCluster":
      return { ...wanResourceStatus(resource, wan), conditions };
  }
}
