/** How large a packet may be inside a tunnel, so that the outer one passes its link whole. */

/**
 * `endpoints` are those of the device's peers, undefined for one that is not known yet.  Around a packet come an IP
 * header, UDP (8) and WireGuard's own (32): 60 octets over IPv4, 80 over IPv6.  What may yet be IPv6 counts as IPv6.
 */
export function tunnelMtu(
  linkMtu: number | undefined,
  pathMtu: number | undefined,
  endpoints: readonly (string | undefined)[],
): number {
  const outer = Math.min(linkMtu ?? ETHERNET, pathMtu ?? Number.POSITIVE_INFINITY);
  const allV4 =
    endpoints.length > 0 && endpoints.every((endpoint) => endpoint !== undefined && !endpoint.startsWith("["));
  // RFC 791 §3.2 asks for 576; a smaller one would only break what speaks the least.
  return Math.max(LEAST, outer - (allV4 ? 60 : 80));
}

const ETHERNET = 1500;
const LEAST = 576;
