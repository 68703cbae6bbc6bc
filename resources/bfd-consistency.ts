/** The `bfd` block of the settings: what contradicts itself. */
import { formatIp, isLinkLocal } from "../base/address.ts";
import { BFD_KEY_LENGTH, type BfdSettings } from "./bfd.ts";
import type { Findings } from "./finding.ts";

export function bfdConsistency({ profiles, sessions, unsolicited }: BfdSettings, findings: Findings): void {
  const names = profiles.map(({ name }) => name);
  findings.unique(
    names.map((_, index) => ["bfd", "profiles", index, "name"]),
    names,
    "profile",
  );
  findings.unique(
    sessions.map((_, index) => ["bfd", "sessions", index, "name"]),
    sessions.map(({ name }) => name),
    "session",
  );
  findings.unique(
    sessions.map((_, index) => ["bfd", "sessions", index, "peer"]),
    sessions.map(({ peer, interface: ifname, multihop }) =>
      [formatIp(peer), ...(isLinkLocal(peer) ? [ifname] : []), ...(multihop ? ["multihop"] : [])].join(" "),
    ),
    "peer",
  );
  findings.unique(
    unsolicited.map((_, index) => ["bfd", "unsolicited", index, "interface"]),
    unsolicited.map((each) => each.interface),
    "interface",
  );
  for (const [index, each] of sessions.entries()) {
    const here = ["bfd", "sessions", index];
    const profile = profiles.find(({ name }) => name === each.profile);
    findings.refers([...here, "profile"], "BFD profile", each.profile, names);
    if (isLinkLocal(each.peer) && each.interface === undefined) {
      findings.missing([...here, "peer"], `${formatIp(each.peer)} is link-local`, "write the interface beside it");
    }
    if (each.multihop && isLinkLocal(each.peer)) {
      findings.contradiction([...here, "multihop"], "a link-local address is no hop away");
    }
    if (!each.multihop && each.minTtl !== undefined) {
      findings.contradiction(
        [...here, "minTtl"],
        "single-hop packets have TTL 255 (RFC 5881 §5)",
        "write multihop: true",
      );
    }
    if (each.multihop && profile?.echoInterval !== undefined) {
      findings.contradiction([...here, "profile"], "there is no echo over several hops (RFC 5883)");
    }
    if (each.auth === undefined) continue;
    const { type, key } = each.auth;
    findings.one([...here, "auth"], each.auth, ["key", "keyFile"], true);
    if (key !== undefined && key.length > BFD_KEY_LENGTH[type]) {
      findings.contradiction(
        [...here, "auth", "key"],
        `a key of ${type} has at most ${BFD_KEY_LENGTH[type]} characters`,
      );
    }
  }
  for (const [index, each] of unsolicited.entries()) {
    findings.refers(["bfd", "unsolicited", index, "profile"], "BFD profile", each.profile, names);
  }
}
