/** Values that only routing protocols have: AS numbers, router ids, communities, areas, keys. */
import * as z from "zod";
import { formatIp, type Ip, isIpv4, type Prefix, parseIp, parsePrefix } from "../base/address.ts";
import { absoluteFile, duration, integer, parsed, pattern } from "./scalar.ts";

const ASN_ERROR = "an AS number from 1 to 4294967294, not 23456 or 65535";
/** RFC 7607 (0), RFC 6793 §9 (AS_TRANS), RFC 7300 (the last ones of both widths). */
export const asn: z.ZodType<number, number> = z
  .int({ error: ASN_ERROR })
  .min(1, ASN_ERROR)
  .max(4_294_967_294, ASN_ERROR)
  .refine((value) => value !== 23_456 && value !== 65_535, ASN_ERROR)
  .meta({ title: "AS number" });

/** Dotted quad (RFC 4271 §4.2, RFC 2328 §1.2); it need not be an address of the host. */
export const routerId: z.ZodType<string, string> = parsed(
  "router id",
  "a router id such as 192.0.2.1, in quotes or not, and not 0.0.0.0",
  (text) => {
    const value = parseIp(text);
    return value.ok && isIpv4(value.value) && value.value !== 0 ? formatIp(value.value) : undefined;
  },
);

const AREA_ERROR = "an area as a number (0) or a dotted quad (0.0.0.0)";
/** RFC 2328 §2: comes out as a dotted quad. */
export const areaId: z.ZodType<string, number | string> = z
  .union([z.int().min(0).max(4_294_967_295), z.string().max(15)], { error: AREA_ERROR })
  .transform((value, context): string => {
    if (typeof value === "number") return quadOf(value);
    const ip = parseIp(value);
    if (ip.ok && isIpv4(ip.value)) return formatIp(ip.value);
    context.issues.push({ code: "custom", message: AREA_ERROR, input: value });
    return z.NEVER;
  })
  .meta({ title: "area" });

export function quadOf(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
}

/** RFC 1997, RFC 7611, RFC 7999, RFC 8326, RFC 9494: what may be written by name. */
export const WELL_KNOWN_COMMUNITIES = [
  "no-export",
  "no-advertise",
  "no-export-subconfed",
  "no-peer",
  "blackhole",
  "graceful-shutdown",
  "llgr-stale",
  "no-llgr",
] as const;

const COMMUNITY_ERROR = `a community such as 65000:100, or one of ${WELL_KNOWN_COMMUNITIES.join(", ")}`;
export const community: z.ZodType<string, string> = parsed("community", COMMUNITY_ERROR, (text) => {
  if (WELL_KNOWN_COMMUNITIES.some((each) => each === text)) return text;
  return numbers(text, /^(\d+):(\d+)$/, [65_535, 65_535]);
});
/** RFC 8092. */
export const largeCommunity: z.ZodType<string, string> = parsed(
  "large community",
  "a large community of three numbers such as 65000:1:2",
  (text) => numbers(text, /^(\d+):(\d+):(\d+)$/, [MOST, MOST, MOST]),
);
/** RFC 4360 §4, §5; RFC 5668: route target and route origin, of an AS or an address. */
export const extendedCommunity: z.ZodType<string, string> = parsed(
  "extended community",
  "an extended community such as rt:65000:100 or ro:192.0.2.1:100",
  (text) => {
    const [, kind, rest = ""] = /^(rt|ro):(.*)$/.exec(text) ?? [];
    if (kind === undefined) return undefined;
    const [, quad = "", low = ""] = /^([\d.]+):(\d+)$/.exec(rest) ?? [];
    const ip = quad.includes(".") ? parseIp(quad) : undefined;
    if (ip?.ok === true && Number(low) <= 65_535) return `${kind}:${formatIp(ip.value)}:${Number(low)}`;
    const found = numbers(rest, /^(\d+):(\d+)$/, [MOST, 65_535]) ?? numbers(rest, /^(\d+):(\d+)$/, [65_535, MOST]);
    return found === undefined ? undefined : `${kind}:${found}`;
  },
);
const MOST = 4_294_967_295;

function numbers(text: string, shape: RegExp, most: readonly number[]): string | undefined {
  const parts = shape.exec(text)?.slice(1);
  if (parts === undefined || parts.some((part, index) => Number(part) > (most[index] ?? 0))) return undefined;
  return parts.map(Number).join(":");
}

/** Any unicast address; a link-local one needs its interface beside it. */
export const routerAddress: z.ZodType<Ip, string> = parsed(
  "address",
  "the IPv4 or IPv6 address of a router",
  (text) => {
    const value = parseIp(text);
    if (!value.ok) return undefined;
    const ip = value.value;
    if (isIpv4(ip)) return ip >>> 24 !== 0 && ip >>> 28 < 0xe && ip >>> 24 !== 127 ? ip : undefined;
    return ip !== "::" && ip !== "::1" && !ip.startsWith("ff") ? ip : undefined;
  },
);
/** What may stand in a routing table, the default route too. */
export const routePrefix: z.ZodType<Prefix, string> = parsed(
  "prefix",
  "a prefix such as 192.0.2.0/24, host bits zero",
  (text) => {
    const value = parsePrefix(text);
    const first = parseIp(text.slice(0, Math.max(0, text.indexOf("/"))));
    return value.ok && first.ok && value.value.ip === first.value ? value.value : undefined;
  },
);

/** A pattern over the AS path as text; refused where it cannot be compiled. */
export const asPathPattern: z.ZodType<string, string> = parsed(
  "regular expression",
  'a regular expression over the AS path as text, such as "^65001( |$)"',
  (text) => {
    if (text.length > 256) return undefined;
    try {
      return new RegExp(text).source === "" ? undefined : text;
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  },
);

/** What stands for a secret where a configuration is shown: never a secret itself. */
export const HIDDEN = "(hidden)";
/** Names of the fields that hold secrets. */
export const SECRET_FIELDS: ReadonlySet<string> = new Set(["password", "key", "secret", "authKey"]);

/** TCP_MD5SIG_MAXKEYLEN and TCP_AO_MAXKEYLEN are 80 octets; protocols with shorter keys say so themselves. */
export function secret(most: number, least = 1): z.ZodType<string, string> {
  const range = least === most ? `${most}` : `${least} to ${most}`;
  const error = `a secret of ${range} visible characters (write it again: what is shown as ${HIDDEN} is not it)`;
  return pattern("secret", error, new RegExp(`^(?!\\(hidden\\)$)[\\x21-\\x7e]{${least},${most}}$`), most);
}
export const secretFile = absoluteFile.describe(
  "File that holds the secret in one line, not readable by everybody; read at start and at each reload.",
);

export const bfdInterval = duration("1ms", "60s");
export const bfdMultiplier = integer(1, 255);
