/**
 * What the ruleset does with a new flow's first packet, evaluated without a kernel: for explanations, and as the measure
 * that a test holds the kernel to.  Pure.  Where packets are left alone is the ruleset's to say (ruleset.ts); here the
 * same is said in words.
 */
import { contains, formatIp, type Ip, isIpv4, isLinkLocal, type Prefix, parsePrefix } from "../../base/address.ts";
import type { ClassMatch, ClassSpec } from "../underlay-plan.ts";
import { PORTED, protocolName, protocolNumbers } from "./match.ts";

export interface Question {
  readonly source: Ip;
  readonly destination: Ip;
  /** IANA's number. */
  readonly protocol: number | undefined;
  readonly destinationPort: number | undefined;
  readonly dscp: number | undefined;
  /** By which it came; undefined: a process of this host sends it. */
  readonly ifname: string | undefined;
  readonly user: number | undefined;
}

export interface Classified {
  readonly class: ClassSpec | undefined;
  readonly why: string;
}

/** `hostOf`: the name by which one of these host names has the address. */
export function classify(
  classes: readonly ClassSpec[],
  question: Question,
  hostOf: (ip: Ip, hosts: readonly string[]) => string | undefined,
): Classified {
  const lost: string[] = [];
  for (const spec of classes) {
    const { kind, why } = belongs(spec.match, question, hostOf);
    if (kind) return { class: spec, why: [`${spec.name}: ${why}`, ...lost].join("; ") };
    lost.push(`not ${spec.name}: ${why}`);
  }
  return { class: undefined, why: lost.length === 0 ? "there are no classes" : lost.join("; ") };
}

/** Why nothing is done with it, whatever the classes say; undefined: it is classified. */
export function leftAlone(question: Question, way: Way): string | undefined {
  const { destination, protocol, destinationPort, ifname } = question;
  if (!isIpv4(destination) && isLinkLocal(destination)) return "it stays on its link: a link-local destination";
  if (NOWHERE.some((prefix) => contains(prefix, destination))) return "multicast, broadcast or link-local";
  const dhcp = protocol === 17 && (destinationPort === 67 || destinationPort === 547);
  if (dhcp && ifname === undefined) return "DHCP asks on the link itself";
  switch (way.kind) {
    case "local":
      return "it is for this host";
    case "near":
      return `the main routing table leads to ${way.ifname}, which is neither a WAN link nor a tunnel`;
    case "neighbour":
      return `it is on the wire of ${way.ifname} itself: by another link it is not there`;
    case "overlay":
      return protocol === 17 ? "between overlay addresses: probes, BFD and messages keep to their device" : undefined;
    case "wan":
    case "none":
      return undefined;
  }
}

/** Where an unmarked packet would go. */
export type Way =
  | { readonly kind: "local" }
  | { readonly kind: "near"; readonly ifname: string }
  | { readonly kind: "neighbour"; readonly ifname: string }
  | { readonly kind: "overlay" }
  | { readonly kind: "wan"; readonly ifname: string }
  | { readonly kind: "none" };

interface Verdict {
  readonly kind: boolean;
  readonly why: string;
}

function belongs(
  match: ClassMatch,
  question: Question,
  hostOf: (ip: Ip, hosts: readonly string[]) => string | undefined,
): Verdict {
  const reasons: string[] = [];
  for (const look of LOOKS) {
    const seen = look(match, question, hostOf);
    if (seen === undefined) continue;
    if (!seen.kind) return seen;
    reasons.push(seen.why);
  }
  return { kind: true, why: reasons.length === 0 ? "it takes everything" : reasons.join(", ") };
}

type Look = (
  match: ClassMatch,
  question: Question,
  hostOf: (ip: Ip, hosts: readonly string[]) => string | undefined,
) => Verdict | undefined;

/** One for each field; undefined: the class does not ask. */
const LOOKS: readonly Look[] = [
  ({ sources }, { source }) => among("source", sources, source),
  ({ destinations }, { destination }) => among("destination", destinations, destination),
  ({ protocols }, { protocol, source }) => {
    if (protocols.length === 0) return undefined;
    const numbers = protocolNumbers(protocols, [isIpv4(source) ? 1 : 58]);
    return verdict(
      protocol !== undefined && numbers.includes(protocol),
      `protocol ${protocolName(protocol)}`,
      protocols,
    );
  },
  ({ ports }, { protocol, destinationPort }) => {
    if (ports.length === 0) return undefined;
    if (protocol === undefined || !PORTED.includes(protocol)) return { kind: false, why: "its protocol has no ports" };
    const inside =
      destinationPort !== undefined &&
      ports.some(([first, last]) => first <= destinationPort && destinationPort <= last);
    return verdict(
      inside,
      `port ${destinationPort ?? "unknown"}`,
      ports.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)),
    );
  },
  ({ dscp }, question) => number("DSCP", dscp, question.dscp),
  ({ proxied }, { dscp = 0 }) =>
    proxied.length === 0
      ? undefined
      : proxied.includes(dscp)
        ? { kind: true, why: "a request that the proxy carries" }
        : { kind: false, why: "only what the proxy carries is looked at" },
  ({ interfaces }, { ifname }) =>
    interfaces.length === 0
      ? undefined
      : verdict(ifname !== undefined && interfaces.includes(ifname), `interface ${ifname ?? "none"}`, interfaces),
  ({ users }, { user }) => number("user", users, user),
  ({ hosts }, { destination }, hostOf) => {
    if (hosts.length === 0) return undefined;
    const host = hostOf(destination, hosts);
    return host === undefined
      ? { kind: false, why: `${formatIp(destination)} is not known as ${hosts.join(" or ")}` }
      : { kind: true, why: `${formatIp(destination)} is ${host}` };
  },
];

function among(what: string, texts: readonly string[], ip: Ip): Verdict | undefined {
  if (texts.length === 0) return undefined;
  const found = texts.find((text) => contains(prefixOf(text), ip));
  if (found === undefined) return { kind: false, why: `${what} ${formatIp(ip)} is not in ${texts.join(", ")}` };
  return { kind: true, why: `${what} in ${found}` };
}

function number(what: string, wanted: readonly number[], value: number | undefined): Verdict | undefined {
  if (wanted.length === 0) return undefined;
  return verdict(value !== undefined && wanted.includes(value), `${what} ${value ?? "unknown"}`, wanted.map(String));
}

function verdict(kind: boolean, what: string, wanted: readonly string[]): Verdict {
  return { kind, why: kind ? what : `${what} is none of ${wanted.join(", ")}` };
}

function prefixOf(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new TypeError(`not a network: ${text}`);
  return parsed.value;
}

const NOWHERE: readonly Prefix[] = ["169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32", "ff00::/8"].map(prefixOf);
