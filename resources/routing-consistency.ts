/** Settings of routing that contradict each other, lead nowhere, or would never work. */
import { formatIp, formatPrefix, isIpv4, isLinkLocal, type Prefix } from "../base/address.ts";
import { bfdConsistency } from "./bfd-consistency.ts";
import { type BgpPeerSettings, type BgpSessionSettings, type BgpSettings, OWN_POLICIES } from "./bgp.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { Findings } from "./finding.ts";
import { ospfConsistency } from "./ospf-consistency.ts";
import type { Settings } from "./settings.ts";
import type { Path, Positioned } from "./yaml.ts";

export function routingConsistency(settings: Settings, document: Positioned): readonly Diagnostic[] {
  const findings = new Findings(document);
  const profiles = settings.bfd.profiles.map(({ name }) => name);
  bfdConsistency(settings.bfd, findings);
  if (settings.bgp !== undefined) bgpConsistency(settings.bgp, profiles, findings);
  if (settings.ospf !== undefined) ospfConsistency(settings.ospf, profiles, findings);
  return findings.list;
}

function bgpConsistency(bgp: BgpSettings, profiles: readonly string[], findings: Findings): void {
  const at = (list: keyof BgpSettings, field: string): ((_: unknown, index: number) => Path) => {
    return (_, index) => ["bgp", list, index, field];
  };
  const { peers, dynamic, policies, prefixLists, networks } = bgp;
  const lists = prefixLists.map(({ name }) => name);
  findings.unique(prefixLists.map(at("prefixLists", "name")), lists, "prefix list");
  for (const [index, { prefixes }] of prefixLists.entries()) {
    for (const [place, each] of prefixes.entries())
      lengths(["bgp", "prefixLists", index, "prefixes", place], each, findings);
  }
  const named = policies.map(({ name }) => name);
  findings.unique(policies.map(at("policies", "name")), named, "policy");
  for (const [index, { name, rules }] of policies.entries()) {
    if (OWN_POLICIES.some((each) => each === name)) {
      findings.contradiction(
        ["bgp", "policies", index, "name"],
        `policy ${name} is there already`,
        "choose another name",
      );
    }
    for (const [place, { match, action, set }] of rules.entries()) {
      const here = ["bgp", "policies", index, "rules", place];
      for (const [n, list] of (match.prefixLists ?? []).entries()) {
        findings.refers([...here, "match", "prefixLists", n], "prefix list", list, lists);
      }
      for (const [n, each] of (match.prefixes ?? []).entries())
        lengths([...here, "match", "prefixes", n], each, findings);
      if (action === "reject" && Object.values(set).some((each) => each !== undefined)) {
        findings.contradiction([...here, "set"], "what is rejected is not changed", "remove set, or accept");
      }
    }
  }
  const places = [...peers.map(at("peers", "name")), ...dynamic.map(at("dynamic", "name"))];
  const names = [...peers, ...dynamic].map(({ name }) => name);
  findings.unique(places, names, "peer");
  findings.unique(peers.map(at("peers", "address")), peers.map(placeOf), "peer");
  const known = { profiles, policies: named, selfish: policies.filter(setsSelf).map(({ name }) => name) };
  for (const [index, peer] of peers.entries()) {
    const here = ["bgp", "peers", index];
    endOf(peer, here, findings);
    session(peer, here, known, findings);
  }
  findings.unique(
    dynamic.map(at("dynamic", "prefix")),
    dynamic.map(({ prefix }) => formatPrefix(prefix)),
    "prefix",
  );
  for (const [index, each] of dynamic.entries()) {
    session(each, ["bgp", "dynamic", index], known, findings);
  }
  findings.unique(
    networks.map(at("networks", "prefix")),
    networks.length > MANY ? [] : networks.map(({ prefix }) => formatPrefix(prefix)),
    "network",
  );
  for (const [index, network] of networks.entries()) {
    for (const [place, name] of (network.peers ?? []).entries()) {
      findings.refers(["bgp", "networks", index, "peers", place], "peer", name, names);
    }
  }
}
/** Above it the search for equals would be felt; equal networks are then merged silently. */
const MANY = 2_000;

function placeOf({ address, interface: ifname }: BgpPeerSettings): string | undefined {
  if (address === undefined) return ifname;
  return isLinkLocal(address) ? `${formatIp(address)}%${ifname}` : formatIp(address);
}

function endOf({ address, interface: ifname, multihop, mode }: BgpPeerSettings, here: Path, findings: Findings): void {
  if (address === undefined && ifname === undefined) {
    findings.missing(here, "a peer needs an address, or an interface to find it on");
  }
  if (address !== undefined && isLinkLocal(address) && ifname === undefined) {
    findings.missing([...here, "address"], `${formatIp(address)} is link-local`, "write the interface beside it");
  }
  const adjacent = address === undefined || isLinkLocal(address);
  if (adjacent && multihop !== undefined) {
    findings.contradiction([...here, "multihop"], "a peer on the link is no hop away", "remove multihop");
  }
  if (address === undefined && mode === "passive") {
    findings.contradiction([...here, "mode"], "a peer that is looked for is also called", "use both or active");
  }
}

interface Known {
  readonly profiles: readonly string[];
  readonly policies: readonly string[];
  /** Policies that set the next hop to this node. */
  readonly selfish: readonly string[];
}

function setsSelf({ rules }: BgpSettings["policies"][number]): boolean {
  return rules.some(({ set }) => set.nextHop === "self");
}

function session(each: BgpSessionSettings, here: Path, known: Known, findings: Findings): void {
  const { holdTime, keepalive, families, maxPrefixes, addPathReceive } = each;
  findings.one(here, each, ["password", "passwordFile", "ao"], false);
  if (each.ao !== undefined) findings.one([...here, "ao"], each.ao, ["key", "keyFile"], true);
  if (keepalive !== undefined && keepalive > holdTime / 3) {
    const message = `keepalive is more than a third of the hold time`;
    findings.contradiction([...here, "keepalive"], message, "RFC 4271 §10; leave it out");
  }
  if (each.ttlSecurity !== undefined && each.multihop !== undefined) {
    findings.contradiction([...here, "multihop"], "ttlSecurity sends with TTL 255 anyway", "remove multihop");
  }
  for (const [index, family] of addPathReceive.entries()) {
    if (!families.includes(family)) notOffered([...here, "addPathReceive", index], family, findings);
  }
  for (const family of ["ipv4", "ipv6"] as const) {
    if (maxPrefixes[family] !== undefined && !families.includes(family)) {
      notOffered([...here, "maxPrefixes", family], family, findings);
    }
  }
  if (each.extendedNextHop === true && !families.includes("ipv4"))
    notOffered([...here, "extendedNextHop"], "ipv4", findings);
  const policies = [...OWN_POLICIES, ...known.policies];
  findings.refers([...here, "import"], "policy", each.import, policies);
  if (each.import === "own") {
    findings.contradiction(
      [...here, "import"],
      "`own` is what this node announces; nothing is learnt by it",
      "use all or none",
    );
  }
  if (known.selfish.includes(each.import)) {
    findings.contradiction(
      [...here, "import"],
      `policy ${each.import} sets next hop self: what is learnt by it would lead to this node`,
      "nextHop: self is for export; write a policy of its own for import",
    );
  }
  findings.refers([...here, "export"], "policy", each.export, policies);
  findings.refers([...here, "bfd", "profile"], "BFD profile", each.bfd?.profile, known.profiles);
}

function notOffered(path: Path, family: string, findings: Findings): void {
  findings.contradiction(path, `${family} is not among families`, `add ${family} to families`);
}

function lengths(
  at: Path,
  { prefix, ge, le }: { readonly prefix: Prefix; readonly ge?: number | undefined; readonly le?: number | undefined },
  findings: Findings,
): void {
  const most = isIpv4(prefix.ip) ? 32 : 128;
  for (const [field, value] of [
    ["ge", ge],
    ["le", le],
  ] as const) {
    if (value === undefined || (value >= prefix.length && value <= most)) continue;
    findings.contradiction([...at, field], `${field} must be from ${prefix.length} to ${most} here`);
  }
  if (ge !== undefined && le !== undefined && ge > le) findings.contradiction([...at, "ge"], "ge is more than le");
}
