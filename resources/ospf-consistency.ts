/** The `ospf` block of the settings: what contradicts itself. */
import { isIpv4, isLinkLocal } from "../base/address.ts";
import type { Findings } from "./finding.ts";
import type { OspfAuthSettings, OspfInterfaceSettings, OspfSettings } from "./ospf.ts";
import type { Path } from "./yaml.ts";

type Version = "v2" | "v3";

export function ospfConsistency(ospf: OspfSettings, profiles: readonly string[], findings: Findings): void {
  for (const version of ["v2", "v3"] as const) {
    const areas = ospf[version]?.areas ?? [];
    const at = (index: number): Path => ["ospf", version, "areas", index];
    findings.unique(
      areas.map((_, index) => [...at(index), "id"]),
      areas.map(({ id }) => id),
      "area",
    );
    const interfaces = areas.flatMap((area, index) =>
      area.interfaces.map((each, place) => ({ each, at: [...at(index), "interfaces", place] })),
    );
    findings.unique(
      interfaces.map((each) => [...each.at, "name"]),
      interfaces.map(({ each }) => each.name),
      "interface",
    );
    for (const [index, { id, kind }] of areas.entries()) {
      if (id === "0.0.0.0" && kind !== "normal") {
        findings.contradiction([...at(index), "kind"], `the backbone cannot be a ${kind} area`, "RFC 2328 §3.6");
      }
    }
    for (const { each, at: here } of interfaces) interfaceConsistency(each, version, here, profiles, findings);
  }
}

function interfaceConsistency(
  each: OspfInterfaceSettings,
  version: Version,
  here: Path,
  profiles: readonly string[],
  findings: Findings,
): void {
  if (each.dead <= each.hello) findings.contradiction([...here, "dead"], "dead must be more than hello");
  if (each.type === "nbma" && !each.passive && each.neighbors.length === 0) {
    findings.missing([...here, "neighbors"], "an NBMA network has no multicast: its neighbors must be written");
  }
  if (each.type !== "nbma" && each.neighbors.length > 0) {
    findings.contradiction(
      [...here, "neighbors"],
      `neighbors of a ${each.type} network are found by themselves`,
      "remove them, or use type: nbma",
    );
  }
  for (const [index, { address }] of each.neighbors.entries()) {
    if (version === "v2" && !isIpv4(address)) {
      findings.contradiction([...here, "neighbors", index, "address"], "OSPFv2 speaks IPv4");
    }
    if (version === "v3" && !isLinkLocal(address)) {
      findings.contradiction([...here, "neighbors", index, "address"], "OSPFv3 neighbors have link-local addresses");
    }
  }
  findings.refers([...here, "bfd", "profile"], "BFD profile", each.bfd?.profile, profiles);
  if (each.auth !== undefined) auth(each.auth, [...here, "auth"], findings);
}

function auth(spec: OspfAuthSettings, at: Path, findings: Findings): void {
  const keys: readonly OspfAuthSettings["keys"][number][] = spec.keys;
  const written = { ...spec, keys: keys.length > 0 ? keys : undefined };
  findings.one(at, written, ["password", "passwordFile", "keys"], true);
  findings.unique(
    keys.map((_, index) => [...at, "keys", index, "id"]),
    keys.map(({ id }) => String(id)),
    "key",
  );
  for (const [index, key] of keys.entries()) {
    const here = [...at, "keys", index];
    findings.one(here, key, ["secret", "secretFile"], true);
    if (key.algorithm === "md5" && (key.secret?.length ?? 0) > 16) {
      findings.contradiction([...here, "secret"], "an MD5 key has at most 16 characters (RFC 2328 §D.3)");
    }
  }
}
