/** Fields of one WAN link, policy or remote site that contradict each other. */
import { formatPrefix, isIpv4, type Prefix } from "../base/address.ts";
import { isShieldable } from "../base/shield-codes.ts";
import { diagnosticAt, valueAt } from "./check.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { Findings } from "./finding.ts";
import type { AnyResource, RemoteCluster, WanLink, WanPolicy } from "./kinds.ts";
import { requestFindings } from "./wan-requests.ts";
import { dscpName } from "./wan-values.ts";
import type { Path } from "./yaml.ts";

export function wanLink(link: WanLink): readonly Diagnostic[] {
  const { spec } = link;
  const findings = new Findings(link.source);
  if (spec.gateway === "none" && spec.gateway6 === "none") {
    findings.contradiction(["spec", "gateway6"], "a link without a gateway leads nowhere", "remove one of the two");
  }
  if (spec.role !== "loadbalance" && written(link, ["spec", "weight"])) {
    const message = `weight of a ${spec.role} link counts only for policies of strategy weighted`;
    findings.warning(["spec", "weight"], message, "write role: loadbalance");
  }
  if (spec.bandwidthTest?.window !== undefined && spec.bandwidthTest.schedule === undefined) {
    findings.contradiction(["spec", "bandwidthTest", "window"], "a window without a schedule", "write schedule");
  }
  findings.unique(
    spec.reservedFor.map((_, index) => ["spec", "reservedFor", index]),
    spec.reservedFor,
    "policy",
  );
  return [...findings.list, ...lossRead(link, ["spec", "sla"], spec.sla.maxPacketLoss)];
}

export function wanPolicy(policy: WanPolicy): readonly Diagnostic[] {
  const { match, pathSelection } = policy.spec;
  const findings = new Findings(policy.source);
  if (policy.metadata.name === DEFAULT_CLASS) {
    findings.contradiction(["metadata", "name"], `${DEFAULT_CLASS} is what no policy matches`, "use another name");
  }
  const portless = match.protocols.filter((each) => !WITH_PORTS.has(each));
  if (match.ports.length > 0 && portless.length > 0) {
    const message = `ports are those of TCP and UDP, not of protocol ${portless[0]}`;
    findings.contradiction(["spec", "match", "ports"], message, "use protocols tcp and udp");
  }
  const both = (prefixes: readonly Prefix[]): ReadonlySet<boolean> => new Set(prefixes.map(({ ip }) => isIpv4(ip)));
  const [from, to] = [both(match.sources), both(match.destinations)];
  if (from.size === 1 && to.size === 1 && [...from][0] !== [...to][0]) {
    const message = "no packet has sources and destinations of different families";
    findings.contradiction(["spec", "match", "destinations"], message);
  }
  if (match.users.length > 0 && match.interfaces.length > 0) {
    const message = "what a process of this host sends has come by no interface";
    findings.contradiction(["spec", "match", "interfaces"], message, "make two policies of it");
  }
  requestFindings(policy, findings);
  const lists = [
    ["links", pathSelection.links],
    ["match.hosts", match.hosts],
  ] as const;
  for (const [field, values] of lists) {
    const at = ["spec", ...(field === "links" ? ["pathSelection", "links"] : field.split("."))];
    findings.unique(
      values.map((_, index) => [...at, index]),
      values,
      "entry",
    );
  }
  shield(policy, findings);
  const at = ["spec", "pathSelection"];
  return [
    ...findings.list,
    ...lossRead(policy, [...at, "sla"], pathSelection.sla.maxPacketLoss),
    ...lossRead(policy, [...at, "lossShield"], pathSelection.lossShield?.aboveLoss, "aboveLoss"),
  ];
}

/** The far end knows copies by their code point, and gives back that of the class. */
function shield({ spec: { pathSelection } }: WanPolicy, findings: Findings): void {
  const { lossShield, dscpClass } = pathSelection;
  if (lossShield === undefined) return;
  const at = ["spec", "pathSelection", "lossShield"];
  if (dscpClass === undefined) {
    findings.contradiction(at, "a loss shield needs a code point of the class", "write dscpClass, such as EF");
  } else if (!isShieldable(dscpClass)) {
    const message = `packets with the code point ${dscpName(dscpClass)} cannot be shielded`;
    findings.contradiction(at, message, "use a standard one but BE, such as EF or AF41: even, and at least 4");
  }
}

export function remoteCluster(site: RemoteCluster): readonly Diagnostic[] {
  const findings = new Findings(site.source);
  const { connection, overlayCIDR, clusterName } = site.spec;
  const { tunnel } = connection;
  const at = ["spec", "connection", "tunnel"];
  findings.one(at, tunnel, ["relay", "relayEndpoint", "via"], false);
  for (const field of ["relay", "via"] as const) {
    if (tunnel[field] === clusterName) findings.contradiction([...at, field], `a site is no ${field} for itself`);
  }
  if (overlayCIDR.length > (isIpv4(overlayCIDR.ip) ? 30 : 126)) {
    findings.contradiction(["spec", "overlayCIDR"], `${formatPrefix(overlayCIDR)} has no host address to spare`);
  }
  const { allowedIPs } = tunnel.wireGuard;
  findings.unique(
    allowedIPs.map((_, index) => [...at, "wireGuard", "allowedIPs", index]),
    allowedIPs.map(formatPrefix),
    "network",
  );
  return findings.list;
}

/** What no policy matches, towards other sites: it has a choice like a class. */
export const DEFAULT_CLASS = "default";
const WITH_PORTS: ReadonlySet<string> = new Set(["tcp", "udp", "6", "17"]);

function written(resource: AnyResource, path: Path): boolean {
  return valueAt(resource.source.value, path) !== undefined;
}

/** A bare number means different things to different people. */
function lossRead(
  resource: AnyResource,
  within: Path,
  percent: number | undefined,
  field = "maxPacketLoss",
): readonly Diagnostic[] {
  const at = [...within, field];
  if (typeof valueAt(resource.source.value, at) !== "number" || percent === undefined || percent === 0) return [];
  const message = `${field} is read as ${percent} %`;
  const hint = `write "${percent}%"`;
  return [{ ...diagnosticAt(resource.source, at, "value", "VALUE", message, { hint }), severity: "warning" }];
}
