/**
 * Settings of a node and the virtual IPs meant for it, together: one node is one BGP router and one OSPF router of each
 * version.  Findings stand where the virtual IP is written, because the settings are the node's own.
 */
import { formatIp } from "../base/address.ts";
import { valueAt } from "./check.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { Findings } from "./finding.ts";
import type { ResourceSet, Vip } from "./kinds.ts";
import { selects } from "./metadata.ts";
import type { Settings } from "./settings.ts";
import { familiesOf } from "./vip.ts";

export function routingTogether(settings: Settings, { vips }: ResourceSet): readonly Diagnostic[] {
  const here = vips.filter(({ spec }) => selects(spec.nodeSelector, settings.node.labels));
  const out: Diagnostic[] = [];
  const speaking = here.filter(({ spec }) => spec.mode === "BGP");
  const said = new Map<string, Said>();
  for (const vip of speaking) out.push(...bgp(vip, speaking, settings, said));
  for (const vip of here) if (vip.spec.mode === "OSPF") out.push(...ospf(vip, settings, said));
  return out;
}

/** What was said first, and by whom. */
interface Said {
  readonly value: string;
  readonly by: string;
}

class Vocabulary {
  readonly findings: Findings;
  readonly #vip: Vip;
  readonly #said: Map<string, Said>;
  constructor(vip: Vip, said: Map<string, Said>) {
    this.findings = new Findings(vip.source);
    this.#vip = vip;
    this.#said = said;
  }
  /** All virtual IPs say the same of `what`, where they say anything. */
  same(
    what: string,
    value: string | number | boolean | object | null | undefined,
    path: readonly (string | number)[],
  ): void {
    if (value === undefined) return;
    const text = JSON.stringify(value);
    const first = this.#said.get(what);
    if (first === undefined) {
      this.#said.set(what, { value: text, by: `ProxyVIP ${this.#vip.metadata.name}` });
    } else if (first.value !== text) {
      const hint = `${first.by} says otherwise; one node can have only one`;
      this.findings.contradiction(["spec", ...path], `a second ${what}`, hint);
    }
  }
}

function bgp(vip: Vip, all: readonly Vip[], settings: Settings, said: Map<string, Said>): readonly Diagnostic[] {
  const words = new Vocabulary(vip, said);
  const { findings } = words;
  const { localAS, localASBase, routerID, peers } = vip.spec.bgpConfig;
  const own = settings.bgp;
  const at = (field: string): readonly string[] => ["bgpConfig", field];
  if (own?.asn !== undefined) {
    if (localAS !== undefined && localAS !== own.asn) {
      findings.contradiction(
        ["spec", ...at("localAS")],
        `the node's AS is ${own.asn} (bgp.asn of its settings)`,
        "keep one",
      );
    }
    if (localASBase !== undefined) {
      findings.contradiction(
        ["spec", ...at("localASBase")],
        `the node's AS is written: bgp.asn is ${own.asn}`,
        "keep one",
      );
    }
  } else if (
    all.every(({ spec }) => spec.bgpConfig.localAS === undefined && spec.bgpConfig.localASBase === undefined)
  ) {
    findings.missing(["spec", "bgpConfig"], "no AS: write localAS here, or bgp.asn in the settings of the node");
  }
  words.same(
    "AS of this node",
    localAS ?? (localASBase === undefined ? undefined : `${localASBase}+`),
    at(localAS === undefined ? "localASBase" : "localAS"),
  );
  if (own?.routerId === undefined) words.same("BGP router id of this node", routerID, at("routerID"));
  const others =
    (own?.peers.length ?? 0) +
    (own?.dynamic.length ?? 0) +
    all.reduce((sum, each) => sum + each.spec.bgpConfig.peers.length, 0);
  if (others === 0) {
    findings.missing(
      ["spec", "bgpConfig"],
      "no peer would hear of it: write peers here, or bgp.peers in the settings of the node",
    );
  }
  for (const [index, { address, as, port }] of peers.entries()) {
    const name = formatIp(address);
    const place = ["bgpConfig", "peers", index];
    const written = own?.peers.find((each) => each.address !== undefined && formatIp(each.address) === name);
    if (written === undefined) {
      words.same(`AS of peer ${name}`, as, [...place, "as"]);
      words.same(`port of peer ${name}`, port, [...place, "port"]);
      words.same(`BFD of peer ${name}`, vip.spec.bfd ?? null, ["bfd"]);
      continue;
    }
    if (typeof written.asn === "number" && written.asn !== as) {
      findings.contradiction(["spec", ...place, "as"], `bgp.peers of the node says AS ${written.asn} for ${name}`);
    }
    if (written.port !== port) {
      findings.contradiction(["spec", ...place, "port"], `bgp.peers of the node says port ${written.port} for ${name}`);
    }
    if (vip.spec.bfd !== undefined) {
      findings.contradiction(["spec", "bfd"], `peer ${name} is described in bgp.peers of the node`, "write bfd there");
    }
  }
  return findings.list;
}

function ospf(vip: Vip, settings: Settings, said: Map<string, Said>): readonly Diagnostic[] {
  const words = new Vocabulary(vip, said);
  const { findings } = words;
  const { spec, source } = vip;
  const { routerID, areaID, metricType, gracefulRestart } = spec.ospfConfig;
  const own = settings.ospf;
  const at = (field: string): readonly string[] => ["ospfConfig", field];
  if (own?.routerId === undefined) words.same("OSPF router id of this node", routerID, at("routerID"));
  if (own === undefined) words.same("graceful restart of this node", gracefulRestart, at("gracefulRestart"));
  else if (gracefulRestart !== undefined && gracefulRestart !== own.gracefulRestart.enabled) {
    findings.contradiction(
      ["spec", ...at("gracefulRestart")],
      "ospf.gracefulRestart of the node says otherwise",
      "remove it",
    );
  }
  const described = own?.v2 !== undefined || own?.v3 !== undefined;
  if (!described) {
    const { helloInterval, deadInterval, authType, authKey, authKeyFile, authKeyId } = spec.ospfConfig;
    words.same("OSPF area of this node", areaID ?? "0.0.0.0", at("areaID"));
    words.same("hello interval of this node", helloInterval ?? 10, at("helloInterval"));
    words.same("dead interval of this node", deadInterval ?? 0, at("deadInterval"));
    words.same("OSPF authentication of this node", { authType, authKey, authKeyFile, authKeyId }, at("authType"));
    words.same("BFD of OSPF on this node", spec.bfd ?? null, ["bfd"]);
    return findings.list;
  }
  for (const field of ["helloInterval", "deadInterval", "authType", "authKey", "authKeyFile", "authKeyId"]) {
    if (valueAt(source.value, ["spec", ...at(field)]) === undefined) continue;
    findings.contradiction(
      ["spec", ...at(field)],
      "the settings of the node describe its OSPF interfaces",
      "remove it",
    );
  }
  if (spec.bfd !== undefined) {
    findings.contradiction(["spec", "bfd"], "the settings of the node describe its OSPF interfaces", "write bfd there");
  }
  const { v4, v6 } = familiesOf(spec);
  for (const version of [...(v4 ? (["v2"] as const) : []), ...(v6 ? (["v3"] as const) : [])]) {
    const areas = own?.[version]?.areas;
    if (areas === undefined) {
      const which = version === "v2" ? "IPv4" : "IPv6";
      findings.contradiction(["spec", "mode"], `the node has no ospf.${version}, which ${which} needs`);
    } else if (metricType === "host" && areaID !== undefined) {
      findings.refers(
        ["spec", ...at("areaID")],
        "area",
        areaID,
        areas.map(({ id }) => id),
      );
    }
  }
  return findings.list;
}
