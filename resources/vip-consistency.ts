/** One ProxyVIP: what of its announcement contradicts itself. */
import { formatIp, isLinkLocal } from "../base/address.ts";
import { valueAt } from "./check.ts";
import { Findings } from "./finding.ts";
import type { Vip } from "./kinds.ts";
import { familiesOf, type VipSpec } from "./vip.ts";

export function announcement({ spec, source }: Vip): Findings["list"] {
  const findings = new Findings(source);
  const written = (field: string): boolean => valueAt(source.value, ["spec", field]) !== undefined;
  for (const [field, mode] of Object.entries(BLOCKS)) {
    if (spec.mode === mode || !written(field)) continue;
    findings.contradiction(
      ["spec", field],
      `${field} belongs to mode ${mode}, and the mode is ${spec.mode}`,
      "remove it",
    );
  }
  if (spec.mode === "L2ARP" && spec.bfd !== undefined) {
    const hint = "hosts of a segment watch each other by their own heartbeats (l2.heartbeat of the node)";
    findings.contradiction(["spec", "bfd"], "bfd belongs to modes BGP and OSPF", hint);
  }
  if (spec.mode === "BGP") bgp(spec, findings);
  if (spec.mode === "OSPF") ospf(spec, findings);
  return findings.list;
}
const BLOCKS = { l2: "L2ARP", bgpConfig: "BGP", ospfConfig: "OSPF" } as const;

function bgp({ bgpConfig, bfd }: VipSpec, findings: Findings): void {
  const at = ["spec", "bgpConfig"];
  const { peers } = bgpConfig;
  findings.one(at, bgpConfig, ["localAS", "localASBase"], false);
  findings.unique(
    peers.map((_, index) => [...at, "peers", index, "address"]),
    peers.map(({ address }) => formatIp(address)),
    "peer",
  );
  for (const [index, { address }] of peers.entries()) {
    if (!isLinkLocal(address)) continue;
    const hint = "name the peer in bgp.peers of the node, with its interface";
    findings.contradiction([...at, "peers", index, "address"], `${formatIp(address)} is link-local`, hint);
  }
  if (bfd !== undefined && peers.length === 0) {
    const hint = "write bfd in bgp.peers of the node";
    findings.contradiction(["spec", "bfd"], "bfd guards the peers in bgpConfig.peers, and there are none", hint);
  }
}

function ospf(spec: VipSpec, findings: Findings): void {
  const at = ["spec", "ospfConfig"];
  const { authType, authKey, authKeyFile, helloInterval = 10, deadInterval = 4 * helloInterval } = spec.ospfConfig;
  if (authType === "none") {
    const field = authKey === undefined ? "authKeyFile" : "authKey";
    if (authKey !== undefined || authKeyFile !== undefined) {
      findings.contradiction([...at, field], "authType is none, so no key is used", "write authType");
    }
  } else {
    findings.one(at, spec.ospfConfig, ["authKey", "authKeyFile"], true);
  }
  const most = authType === "simple" ? 8 : authType === "md5" ? 16 : 80;
  if ((authKey?.length ?? 0) > most) {
    findings.contradiction([...at, "authKey"], `a key of ${authType} has at most ${most} characters`);
  }
  if ((authType === "simple" || authType === "md5") && familiesOf(spec).v6) {
    const hint = "use an hmac type, or describe the interfaces in ospf of the node";
    findings.contradiction([...at, "authType"], `OSPFv3, which IPv6 needs, has no ${authType} authentication`, hint);
  }
  if (deadInterval <= helloInterval) {
    findings.contradiction([...at, "deadInterval"], "deadInterval must be more than helloInterval");
  }
}
