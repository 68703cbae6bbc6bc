/** The values that fields of WAN links, policies and remote sites are made of. */

import * as z from "zod";
import { hostAndPort } from "../base/address.ts";
import { duration, integer, parsed } from "./scalar.ts";

const BANDWIDTH = /^([0-9]{1,9}(?:\.[0-9]{1,3})?) ?([kMGT])?(?:bps|bit\/s)$/i;
const SCALE: Readonly<Record<string, number>> = { k: 1e3, m: 1e6, g: 1e9, t: 1e12 };
const BANDWIDTH_ERROR = "a bandwidth such as 512kbps, 100Mbps or 2.5Gbps";

/** Bits per second. */
export function parseBandwidth(text: string): number | undefined {
  const [, digits, unit = ""] = BANDWIDTH.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const bits = Math.round(Number(digits) * (SCALE[unit.toLowerCase()] ?? 1));
  return bits > 0 && Number.isSafeInteger(bits) ? bits : undefined;
}
const rate = parsed("bandwidth", BANDWIDTH_ERROR, parseBandwidth);

/** Upwards is from this site into the provider's network. */
export interface Bandwidth {
  readonly up: number;
  readonly down: number;
}
export const bandwidth: z.ZodType<Bandwidth, string | { readonly up: string; readonly down: string }> = z.union(
  [
    rate.transform((both): Bandwidth => ({ up: both, down: both })).meta({ title: "bandwidth" }),
    z.strictObject({
      up: rate.describe("From the site into the provider's network."),
      down: rate.describe("From the provider's network to the site."),
    }),
  ],
  { error: `${BANDWIDTH_ERROR}, or a mapping with up and down` },
);

/** RFC 2474, 2597, 3246, 5865, 8622: names of code points. */
export const DSCP: Readonly<Record<string, number>> = {
  BE: 0,
  LE: 1,
  CS1: 8,
  AF11: 10,
  AF12: 12,
  AF13: 14,
  CS2: 16,
  AF21: 18,
  AF22: 20,
  AF23: 22,
  CS3: 24,
  AF31: 26,
  AF32: 28,
  AF33: 30,
  CS4: 32,
  AF41: 34,
  AF42: 36,
  AF43: 38,
  CS5: 40,
  VA: 44,
  EF: 46,
  CS6: 48,
  CS7: 56,
};
export const DSCP_ERROR = "a code point such as EF, AF41 or CS3, or a number from 0 to 63";
export const dscp: z.ZodType<number, string | number> = z
  .union([integer(0, 63), z.string().max(16)], { error: DSCP_ERROR })
  .transform((value, context): number => {
    if (typeof value === "number") return value;
    const upper = value.toUpperCase();
    const known = Object.hasOwn(DSCP, upper) ? DSCP[upper] : undefined;
    const found = known ?? (/^\d{1,2}$/.test(value) && Number(value) <= 63 ? Number(value) : undefined);
    if (found !== undefined) return found;
    context.issues.push({ code: "custom", message: DSCP_ERROR, input: value });
    return z.NEVER;
  })
  .meta({ title: "DSCP" });
export function dscpName(value: number): string {
  return Object.entries(DSCP).find(([, each]) => each === value)?.[0] ?? String(value);
}

export const PROTOCOL_ERROR = "tcp, udp, icmp, or a protocol number from 0 to 255";
/** As text: a packet's, in a question. */
export function isProtocol(text: string): boolean {
  return ["tcp", "udp", "icmp"].includes(text) || (/^\d{1,3}$/.test(text) && Number(text) <= 255);
}

const LOSS_ERROR = 'a share such as "1%", or a number from 0 to 100';
/**
 * Elsewhere this field was documented as a ratio and used in samples as percent.  With "%" it is plain; a bare number below
 * 1 is a ratio, another one percent (a limit of 100 % would be none), and a warning says how it was read (wan-consistency.ts).
 */
export const loss: z.ZodType<number, string | number> = z
  .union([z.number(), z.string().max(16)], { error: LOSS_ERROR })
  .transform((value, context): number => {
    const text = typeof value === "string" ? /^(\d{1,3}(?:\.\d{1,6})?) ?%$/.exec(value)?.[1] : undefined;
    const percent = typeof value === "string" ? Number(text) : value < 1 ? value * 100 : value;
    // As written, 0.07 × 100 is 7.000000000000001.
    const rounded = Math.round(percent * 1e6) / 1e6;
    if (rounded >= 0 && rounded <= 100) return rounded;
    context.issues.push({ code: "custom", message: LOSS_ERROR, input: value });
    return z.NEVER;
  })
  .meta({ title: "share" });

/** What a path must keep; shared by links and policies. */
export const slaShape = {
  maxLatency: duration("1ms", "60s").optional().describe("Most round-trip time."),
  maxJitter: duration("1ms", "60s").optional().describe("Most jitter (RFC 3550), in the worse direction."),
  maxPacketLoss: loss
    .optional()
    .describe('Most loss: "1%". A bare number below 1 is read as a ratio, another one as percent, with a warning.'),
};

export interface HostPort {
  /** Lower case; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number | undefined;
}
const HOST = /^(?:\[([0-9a-fA-F:.]+)\]|([a-zA-Z0-9](?:[-a-zA-Z0-9.]*[a-zA-Z0-9])?))(?::([0-9]{1,5}))?$/;
/** "192.0.2.1:51820", "[2001:db8::1]:51820", "vpn.example.com". */
export function parseHostPort(text: string): HostPort | undefined {
  const [, v6, name, digits] = HOST.exec(text) ?? [];
  const host = v6 ?? name;
  const port = digits === undefined ? undefined : Number(digits);
  if (host === undefined || host.length > 253 || (port !== undefined && (port < 1 || port > 65_535))) return undefined;
  return { host: host.toLowerCase(), port };
}
export function formatHostPort({ host, port }: { readonly host: string; readonly port: number }): string {
  return hostAndPort(host, port);
}
export const hostPort: z.ZodType<HostPort, string> = parsed(
  "endpoint",
  "an endpoint such as 192.0.2.1:51820, [2001:db8::1]:51820 or vpn.example.com",
  parseHostPort,
);
/** With its port. */
export const socket: z.ZodType<HostPort & { readonly port: number }, string> = parsed(
  "endpoint",
  "a host and a port such as 192.0.2.1:443 or stun.example.com:3478",
  (text) => {
    const { host, port } = parseHostPort(text) ?? {};
    return host === undefined || port === undefined ? undefined : { host, port };
  },
);

/** 32 octets as wg(8) writes them. */
export const publicKey: z.ZodType<string, string> = parsed(
  "public key",
  "a public key as `wg pubkey` prints it: 44 characters of base64",
  (text) => (/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(text) && !/^A{43}=$/.test(text) ? text : undefined),
);

/** Five fields of crontab(5): minute, hour, day of the month, month, day of the week. */
export const schedule: z.ZodType<string, string> = parsed(
  "schedule",
  'five fields as in crontab(5), such as "30 3 * * 0"',
  (text) => {
    const fields = text.trim().split(/\s+/);
    const right = fields.length === 5 && fields.every((each, index) => cronField(each, CRON_RANGES[index] ?? [0, 0]));
    return right ? fields.join(" ") : undefined;
  },
);
const CRON_RANGES = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 7],
] as const;
function cronField(field: string, [least, most]: readonly [number, number]): boolean {
  return field.split(",").every((part) => {
    const found = /^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:\/(\d{1,2}))?$/.exec(part);
    if (found === null) return false;
    const [, first, last, step] = found;
    const [low, high] = [Number(first ?? least), Number(last ?? first ?? most)];
    return low >= least && high <= most && low <= high && Number(step ?? 1) >= 1;
  });
}

const CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]";
export const window: z.ZodType<string, string> = parsed(
  "time of day",
  "a time of day from and to, such as 02:00-04:00",
  (text) => (new RegExp(`^${CLOCK}-${CLOCK}$`).test(text) && text.slice(0, 5) !== text.slice(6) ? text : undefined),
);

/** Of a site: part of path names, and of file names. */
export const siteName = parsed(
  "site",
  "a site's name of at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit",
  (text) => (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text) && text !== "internet" ? text : undefined),
);
