/**
 * The text protocol that wireguard-go and its kin speak on a Unix socket: requests as written, answers as read.  Standards:
 * wireguard.com/xplatform ("Configuration Protocol").  Left out on purpose: replace_peers, replace_allowed_ips and
 * update_only (see attributes.ts for why nothing is replaced).
 */
import { formatPrefix, parsePrefix } from "../../../base/address.ts";
import { formatEndpoint, parseEndpoint } from "../../../base/endpoint.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import type { WireguardChange, WireguardPeer, WireguardState } from "../../../base/wireguard.ts";
import { hexOfKey, KEY_LENGTH, keyOfOctets } from "./key.ts";

export const GET = "get=1\n\n";

export function encodeSet(change: WireguardChange): string {
  const lines = ["set=1"];
  if (change.privateKey !== undefined) lines.push(`private_key=${hexOfKey(change.privateKey)}`);
  if (change.listenPort !== undefined) lines.push(`listen_port=${change.listenPort}`);
  if (change.mark !== undefined) lines.push(`fwmark=${change.mark}`);
  for (const peer of change.peers) {
    lines.push(`public_key=${hexOfKey(peer.publicKey)}`);
    if (peer.kind === "remove") {
      lines.push("remove=true");
      continue;
    }
    if (peer.presharedKey !== undefined)
      lines.push(`preshared_key=${peer.presharedKey === "none" ? NO_KEY : hexOfKey(peer.presharedKey)}`);
    if (peer.endpoint !== undefined) lines.push(`endpoint=${peer.endpoint}`);
    // Addresses first: a keepalive that begins sends at once, and what comes back must be let in.
    for (const prefix of peer.allowedIps ?? []) lines.push(`allowed_ip=${prefix}`);
    if (peer.keepalive !== undefined) lines.push(`persistent_keepalive_interval=${peer.keepalive}`);
  }
  return `${lines.join("\n")}\n\n`;
}

export type BadAnswer =
  /** The other side refused: a positive errno. */
  | { readonly kind: "errno"; readonly errno: number }
  | { readonly kind: "no-end" }
  | { readonly kind: "bad-line"; readonly line: number; readonly name: string };

/** Whether an answer is complete: it ends with an empty line. */
export function isWhole(answer: string): boolean {
  return answer.endsWith("\n\n");
}

export function decodeSetAnswer(answer: string): Result<undefined, BadAnswer> {
  const read = linesOf(answer);
  if (!read.ok) return read;
  for (const [index, { name, value }] of read.value.entries()) {
    if (name !== "errno") continue;
    const errno = numberOf(value);
    if (errno === undefined) return err({ kind: "bad-line", line: index + 1, name });
    return errno === 0 ? ok(undefined) : err({ kind: "errno", errno: Math.abs(errno) });
  }
  return err({ kind: "no-end" });
}

type Draft = {
  -readonly [K in keyof WireguardPeer]: K extends "allowedIps" ? string[] : WireguardPeer[K];
};

/** Names that it does not know are passed over: later versions say more. */
export function decodeGetAnswer(answer: string): Result<WireguardState, BadAnswer> {
  const read = linesOf(answer);
  if (!read.ok) return read;
  const state = { privateKey: undefined as string | undefined, listenPort: 0, mark: 0 };
  const peers: Draft[] = [];
  let seconds = 0;
  let errno: number | undefined;
  for (const [index, { name, value }] of read.value.entries()) {
    const bad = err({ kind: "bad-line", line: index + 1, name } as const);
    const peer = peers.at(-1);
    if (name === "public_key") {
      const key = keyOf(value);
      if (key === undefined || key === "none") return bad;
      peers.push(emptyPeer(key));
      seconds = 0;
    } else if (name === "private_key" || name === "preshared_key") {
      const key = keyOf(value);
      if (key === undefined) return bad;
      const kept = key === "none" ? undefined : key;
      if (name === "private_key") state.privateKey = kept;
      else if (peer === undefined) return bad;
      else peer.presharedKey = kept;
    } else if (name === "endpoint" || name === "allowed_ip") {
      if (peer === undefined || !readText(peer, name, value)) return bad;
    } else if (NUMBERS.has(name)) {
      const number = numberOf(value);
      if (number === undefined) return bad;
      if (name === "errno") errno = Math.abs(number);
      else if (number < 0) return bad;
      else if (name === "listen_port") state.listenPort = number;
      else if (name === "fwmark") state.mark = number;
      else if (peer === undefined) return bad;
      else if (name === "last_handshake_time_sec") seconds = number;
      else if (name === "last_handshake_time_nsec") {
        if (seconds > 0) peer.lastHandshake = seconds * 1000 + Math.floor(number / 1e6);
      } else readNumber(peer, name, number);
    }
  }
  if (errno === undefined) return err({ kind: "no-end" });
  return errno === 0 ? ok({ ...state, peers }) : err({ kind: "errno", errno });
}

function readText(peer: Draft, name: "endpoint" | "allowed_ip", value: string): boolean {
  if (name === "endpoint") {
    const endpoint = parseEndpoint(value);
    if (endpoint.ok) peer.endpoint = formatEndpoint(endpoint.value);
    return endpoint.ok;
  }
  const prefix = parsePrefix(value);
  if (prefix.ok) peer.allowedIps.push(formatPrefix(prefix.value));
  return prefix.ok;
}

function readNumber(peer: Draft, name: string, value: number): void {
  if (name === "rx_bytes") peer.received = value;
  else if (name === "tx_bytes") peer.sent = value;
  else if (name === "persistent_keepalive_interval") peer.keepalive = value;
}

function linesOf(answer: string): Result<readonly { readonly name: string; readonly value: string }[], BadAnswer> {
  if (!isWhole(answer)) return err({ kind: "no-end" });
  const out: { name: string; value: string }[] = [];
  for (const [index, line] of answer.slice(0, -2).split("\n").entries()) {
    const equals = line.indexOf("=");
    if (equals < 1) return err({ kind: "bad-line", line: index + 1, name: "" });
    out.push({ name: line.slice(0, equals), value: line.slice(equals + 1) });
  }
  return ok(out);
}

/** "none" for all zeros; undefined when it is no key. */
function keyOf(value: string): string | undefined {
  if (value.length !== KEY_LENGTH * 2 || !/^[0-9A-Fa-f]*$/.test(value)) return undefined;
  return keyOfOctets(Buffer.from(value, "hex")) ?? "none";
}

function numberOf(value: string): number | undefined {
  if (!/^-?(0x[0-9A-Fa-f]{1,8}|[0-9]{1,20})$/.test(value)) return undefined;
  return Number(value);
}

function emptyPeer(publicKey: string): Draft {
  return {
    publicKey,
    presharedKey: undefined,
    endpoint: undefined,
    keepalive: 0,
    lastHandshake: undefined,
    received: 0,
    sent: 0,
    allowedIps: [],
  };
}

const NO_KEY = "0".repeat(KEY_LENGTH * 2);
const NUMBERS: ReadonlySet<string> = new Set([
  "errno",
  "listen_port",
  "fwmark",
  "last_handshake_time_sec",
  "last_handshake_time_nsec",
  "rx_bytes",
  "tx_bytes",
  "persistent_keepalive_interval",
]);
