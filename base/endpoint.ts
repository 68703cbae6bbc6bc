/** An address with a port, as text: "192.0.2.1:51820" or "[2001:db8::1]:51820"; link-local ones with "%3" (an index). */
import { formatIp, hostAndPort, type Ip, isIpv4, isLinkLocal, parseIp } from "./address.ts";
import { err, ok, type Result } from "./result.ts";

export interface Endpoint {
  readonly ip: Ip;
  /** 0–65535; what is read from text has 1–65535. */
  readonly port: number;
  /** Index of the interface of a link-local IPv6 address; absent for all others. */
  readonly scope?: number;
}
export type BadEndpoint = { readonly kind: "bad-endpoint"; readonly text: string };

export function parseEndpoint(text: string): Result<Endpoint, BadEndpoint> {
  const bad = err({ kind: "bad-endpoint", text } as const);
  const parts = /^(?:\[([0-9A-Fa-f:.]+)(?:%([^\]]{1,15}))?\]|([0-9.]+)):([0-9]{1,5})$/.exec(text);
  if (parts === null) return bad;
  const [, v6, scope, v4, digits] = parts;
  const port = Number(digits);
  const ip = parseIp(v6 ?? v4 ?? "");
  if (!ip.ok || isIpv4(ip.value) !== (v6 === undefined) || port < 1 || port > 65535) return bad;
  // wireguard-go writes the interface's name: whom it means is of no use outside its namespace.
  return scope !== undefined && /^[0-9]+$/.test(scope) && isLinkLocal(ip.value)
    ? ok({ ip: ip.value, port, scope: Number(scope) })
    : ok({ ip: ip.value, port });
}

export function formatEndpoint({ ip, port, scope }: Endpoint): string {
  return hostAndPort(`${formatIp(ip)}${scope === undefined || isIpv4(ip) ? "" : `%${scope}`}`, port);
}
