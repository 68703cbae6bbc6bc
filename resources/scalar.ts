/**
 * The values that fields are made of: each is parsed once, here, into a type that cannot be wrong.
 * The error text of each continues "expected …".
 */
import * as z from "zod";
import { type Ip, type Ipv4, type Ipv6, isIpv4, type Prefix, parseIp, parsePrefix } from "../base/address.ts";
import { type Ms, ms } from "../base/unit.ts";

const DURATION = /^(?:(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:ms|s|m|h))+$/;
const STEP: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** "50ms", "2s", "1h30m" → milliseconds. */
export function parseDuration(text: string): Ms | undefined {
  if (!DURATION.test(text)) return undefined;
  let total = 0;
  for (const [, value = "", unit = ""] of text.matchAll(/([0-9.]+)(ms|s|m|h)/g)) {
    total += Number(value) * (STEP[unit] ?? Number.NaN);
  }
  return ms(total);
}
export function formatDuration(span: Ms): string {
  if (span === 0) return "0s";
  let rest: number = span;
  let text = "";
  for (const unit of ["h", "m", "s"]) {
    const step = STEP[unit] ?? 1;
    const count = Math.floor(rest / step);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * step;
  }
  return rest > 0 ? `${text}${rest}ms` : text;
}

/** A duration from `least` to `most` (themselves written as durations). */
export function duration(least: string, most: string): z.ZodType<Ms, string> {
  const [low, high] = [parseDuration(least) ?? ms(0), parseDuration(most) ?? ms(0)];
  const error = `a duration such as 50ms, 2s or 1h30m, from ${least} to ${most}`;
  return z
    .string({ error })
    .max(32, { error, abort: true })
    .regex(DURATION, error)
    .transform((text, context): Ms => {
      const span = parseDuration(text);
      if (span !== undefined && span >= low && span <= high) return span;
      context.issues.push({ code: "custom", message: error, input: text });
      return z.NEVER;
    })
    .meta({ title: "duration" });
}

const SIZE = /^(0|[1-9][0-9]{0,14})(Ki|Mi|Gi|Ti|k|M|G|T)?$/;
const SCALE: Readonly<Record<string, number>> = {
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
};
const SIZE_ERROR = "a size in octets such as 4096, 512Ki or 10Mi";

/** Octets, as a number or with a suffix. */
export const size: z.ZodType<number, number | string> = z
  .union([z.int().min(0), z.string().max(32).regex(SIZE)], { error: SIZE_ERROR })
  .transform((value, context): number => {
    if (typeof value === "number") return value;
    const [, digits = "", suffix = ""] = SIZE.exec(value) ?? [];
    const octets = Number(digits) * (SCALE[suffix] ?? 1);
    if (Number.isSafeInteger(octets)) return octets;
    context.issues.push({ code: "custom", message: SIZE_ERROR, input: value });
    return z.NEVER;
  })
  .meta({ title: "size" });

export const port: z.ZodType<number, number> = integer(1, 65535, "a port from 1 to 65535").meta({ title: "port" });

export function integer(least: number, most: number, what?: string): z.ZodType<number, number> {
  const error = what ?? `a whole number from ${least} to ${most}`;
  return z
    .int({ error })
    .min(least, error)
    .max(most, error)
    .meta({ title: `number from ${least} to ${most}` });
}
export function fraction(): z.ZodType<number, number> {
  const error = "a number from 0 to 1";
  return z.number({ error }).min(0, error).max(1, error).meta({ title: "number from 0 to 1" });
}
export const flag: z.ZodType<boolean, boolean> = z.boolean({ error: "true or false" }).meta({ title: "true or false" });

export function parsed<T>(title: string, error: string, parse: (text: string) => T | undefined): z.ZodType<T, string> {
  return z
    .string({ error })
    .max(1024, { error, abort: true })
    .transform((text, context): T => {
      const value = parse(text);
      if (value !== undefined) return value;
      context.issues.push({ code: "custom", message: error, input: text });
      return z.NEVER;
    })
    .meta({ title });
}
function ipOf(text: string): Ip | undefined {
  const ip = parseIp(text);
  return ip.ok ? ip.value : undefined;
}

export const ip: z.ZodType<Ip, string> = parsed("address", "an IPv4 or IPv6 address", ipOf);

/** An address that one host can have: not "any", not multicast, not broadcast, not one that needs a zone. */
export const unicast: z.ZodType<Ip, string> = parsed("address", "the IPv4 or IPv6 address of one host", (text) => {
  const value = ipOf(text);
  return value !== undefined && isUnicast(value) ? value : undefined;
});
/** RFC 1122 §3.2.1.3, RFC 5771, RFC 4291 §2.4: 0/8, 224/4 and above; "::", ff00::/8, fe80::/10. */
function isUnicast(ip: Ip): boolean {
  if (isIpv4(ip)) return ip >>> 24 !== 0 && ip >>> 28 < 0xe;
  return ip !== "::" && !/^(?:ff..|fe[89ab].):/.test(ip);
}
/** Loopback is no place for an address that other hosts shall reach. */
function isVirtual(ip: Ip): boolean {
  return isUnicast(ip) && (isIpv4(ip) ? ip >>> 24 !== 127 : ip !== "::1");
}

/** A virtual IP is one address: a prefix length other than the full one would claim a network. */
export const hostIpv4: z.ZodType<Ipv4, string> = parsed(
  "IPv4 address",
  "an IPv4 address such as 192.0.2.10",
  (text) => {
    const value = ipOf(text.endsWith("/32") ? text.slice(0, -3) : text);
    return value !== undefined && isIpv4(value) && isVirtual(value) ? value : undefined;
  },
);
export const hostIpv6: z.ZodType<Ipv6, string> = parsed(
  "IPv6 address",
  "an IPv6 address such as 2001:db8::10",
  (text) => {
    const value = ipOf(text.endsWith("/128") ? text.slice(0, -4) : text);
    return value !== undefined && !isIpv4(value) && isVirtual(value) ? value : undefined;
  },
);
export const prefix: z.ZodType<Prefix, string> = parsed(
  "address range",
  "an address range such as 192.0.2.0/24, host bits zero",
  (text) => {
    if (!text.includes("/")) return undefined;
    const value = parsePrefix(text);
    if (!value.ok) return undefined;
    // parsePrefix clears host bits; a written host bit is more likely a mistake than a wish.
    const { ip: first } = value.value;
    return ipOf(text.slice(0, text.indexOf("/"))) === first && isVirtual(first) ? value.value : undefined;
  },
);

export function pattern(title: string, error: string, shape: RegExp, most: number): z.ZodString {
  // `abort`: an expression never runs over a text of any length.
  return z.string({ error }).max(most, { error, abort: true }).regex(shape, error).meta({ title });
}

/** RFC 1123 label and subdomain, as Kubernetes names objects. */
export const label = pattern(
  "name",
  "a name of at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit",
  /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
  63,
);
export const subdomain = pattern(
  "name",
  "a name of lower-case letters, digits, '-' and '.', each part beginning and ending with a letter or digit",
  /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
  253,
);
/** As `subdomain`, but short enough for a heartbeat (netstack/vip/packet.ts, MOST_NAME). */
export const nodeName = pattern(
  "name",
  "a name of at most 63 lower-case letters, digits, '-' and '.'",
  /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
  63,
);
/** IFNAMSIZ - 1 octets, no '/' and no white space (dev_valid_name in the kernel). */
export const interfaceName = pattern(
  "interface",
  "an interface name of at most 15 characters",
  /^(?!\.\.?$)[^\s/:]+$/,
  15,
);

/** "a.example" or "[2001:db8::1]" exact, "*.example" suffix, "api.*" prefix, "*" any; lower case comes out. */
export const hostname: z.ZodType<string, string> = pattern(
  "host name",
  "a host name such as www.example.com, *.example.com, api.* or *",
  /^(\*|(\*\.)?[a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?(\.[a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?)*|([a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?\.)+\*|\[[0-9a-fA-F:.]+\])$/,
  253,
).transform((text) => text.toLowerCase());

/** RFC 9110 §5.1. */
export const fieldName = pattern("header name", "a header name", /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 256);
/** RFC 9110 §5.5: no control characters, so a value can never end its line; no white space at the ends. */
export const fieldValue = pattern(
  "header value",
  "a header value without control characters and without white space at its ends",
  /^(?![\t ])[\t\u0020-\u007e\u0080-\u00ff]*(?<![\t ])$/,
  4096,
);
export const path = pattern("path", "a path beginning with '/', without white space", /^\/[\u0021-\u007e]*$/, 2048);
export const absoluteFile = pattern("file", "an absolute path of a file or directory", /^\/\P{Cc}*$/u, 4096);

export const text = z
  .string({ error: "a text" })
  .max(4096, "a text of at most 4096 characters")
  .meta({ title: "text" });
