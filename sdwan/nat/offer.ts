/**
 * What two sites tell each other so that their tunnels meet: where each end may be reached, how its NAT behaves, and
 * whether the direct way works already.  JSON in an authenticated datagram (driver/rendezvous.ts), at most 1,200 octets.
 * Pure; what cannot be read is refused by name, and nothing is read before its authenticity is known.
 */
import { formatEndpoint, parseEndpoint } from "../../base/endpoint.ts";
import { err, ok, type Result } from "../../base/result.ts";
import type { StunAddress } from "../../netstack/stun/packet.ts";
import type { Mapping } from "../../netstack/stun/plan.ts";
import { isCallable } from "./callable.ts";

export interface Offer {
  readonly from: string;
  readonly to: string;
  /** Later lives of a site have larger numbers, and within one life each offer has: an old one said again is refused. */
  readonly epoch: number;
  readonly sequence: number;
  /** The newest that came from the receiver; undefined = nothing yet. */
  readonly heard: { readonly epoch: number; readonly sequence: number } | undefined;
  readonly tunnels: readonly OfferedTunnel[];
}

/** One tunnel between the two, as its sender sees it. */
export interface OfferedTunnel {
  /** The sender's link, and the receiver's. */
  readonly link: string;
  readonly peerLink: string;
  /** Of the outer packets, 0–63: a link has a tunnel for each that is in use. */
  readonly dscp: number;
  readonly candidates: readonly OfferedCandidate[];
  readonly mapping: Mapping;
  /** From one mapping to the next the outside port goes up by so much; undefined = no rule in it. */
  readonly step: number | undefined;
  /** Counted up when the sender begins to look for a way: the receiver does so, too. */
  readonly attempt: number;
  /** The sender's end has a direct handshake. */
  readonly direct: boolean;
  /** Where the sender sees the receiver's end; only while direct. */
  readonly seen: StunAddress | undefined;
}

export interface OfferedCandidate {
  readonly at: StunAddress;
  readonly kind: "host" | "mapped" | "configured";
}

export function writeOffer(offer: Offer): string {
  return JSON.stringify({
    ...offer,
    tunnels: offer.tunnels.map((tunnel) => ({
      ...tunnel,
      seen: tunnel.seen === undefined ? undefined : formatEndpoint(tunnel.seen),
      candidates: tunnel.candidates.map(({ at, kind }) => [formatEndpoint(at), kind]),
    })),
  });
}

export type BadOffer = { readonly kind: "bad-offer"; readonly why: string };

export function readOffer(text: string): Result<Offer, BadOffer> {
  const bad = (why: string) => err({ kind: "bad-offer", why } as const);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return bad("no JSON");
  }
  if (!isRecord(value)) return bad("no object");
  const { from, to, epoch, sequence, heard, tunnels } = value;
  if (!isName(from) || !isName(to)) return bad("from or to");
  if (!isCount(epoch) || !isCount(sequence)) return bad("epoch or sequence");
  const said = heard === undefined ? undefined : isRecord(heard) ? heard : null;
  if (said === null || (said !== undefined && !(isCount(said["epoch"]) && isCount(said["sequence"]))))
    return bad("heard");
  if (!Array.isArray(tunnels) || tunnels.length > MOST_TUNNELS) return bad("tunnels");
  const read = tunnels.map(tunnelOf);
  const whole = read.filter((each) => each !== undefined);
  if (whole.length < read.length) return bad("a tunnel");
  return ok({
    from,
    to,
    epoch,
    sequence,
    heard: said === undefined ? undefined : { epoch: Number(said["epoch"]), sequence: Number(said["sequence"]) },
    tunnels: whole,
  });
}

/** Of two offers of one site, whether the first is the later one. */
export function isNewer(
  a: { readonly epoch: number; readonly sequence: number },
  b: { readonly epoch: number; readonly sequence: number } | undefined,
): boolean {
  return b === undefined || a.epoch > b.epoch || (a.epoch === b.epoch && a.sequence > b.sequence);
}

/** Tunnels in one datagram; more go into another one. */
export const TUNNELS_TOGETHER = 2;

function tunnelOf(value: unknown): OfferedTunnel | undefined {
  if (!isRecord(value)) return undefined;
  const { link, peerLink, dscp, candidates, mapping, step, attempt, direct, seen } = value;
  if (!isName(link) || !isName(peerLink) || !isCount(attempt) || typeof direct !== "boolean") return undefined;
  if (!isCount(dscp) || dscp > 63) return undefined;
  const known = MAPPINGS.find((each) => each === mapping);
  if (known === undefined || !(step === undefined || isStep(step))) return undefined;
  if (!Array.isArray(candidates) || candidates.length > MOST_CANDIDATES) return undefined;
  const read = candidates.map(candidateOf).filter((each) => each !== undefined);
  if (read.length < candidates.length) return undefined;
  const at = seen === undefined ? undefined : addressOf(seen);
  if (seen !== undefined && at === undefined) return undefined;
  const callable = read.filter((each) => isCallable(each.at));
  return { link, peerLink, dscp, candidates: callable, mapping: known, step, attempt, direct, seen: at };
}

function candidateOf(value: unknown): OfferedCandidate | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const at = addressOf(value[0]);
  const kind = KINDS.find((each) => each === value[1]);
  return at === undefined || kind === undefined ? undefined : { at, kind };
}

function addressOf(value: unknown): StunAddress | undefined {
  const read = typeof value === "string" ? parseEndpoint(value) : undefined;
  return read?.ok === true ? read.value : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
function isName(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= 253;
}
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
function isStep(value: unknown): value is number {
  return Number.isInteger(value) && Math.abs(Number(value)) >= 1 && Math.abs(Number(value)) <= MOST_STEP;
}

const KINDS = ["host", "mapped", "configured"] as const;
const MAPPINGS = [
  "none",
  "endpoint-independent",
  "address-dependent",
  "address-and-port-dependent",
  "unknown",
] as const;
const MOST_TUNNELS = 16;
const MOST_CANDIDATES = 12;
/** A larger distance between two ports is chance. */
export const MOST_STEP = 16;
