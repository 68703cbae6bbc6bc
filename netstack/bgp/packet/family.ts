/**
 * Address families, as the wire numbers and the words of this engine.  Standards: RFC 4760 §6, IANA's AFI and SAFI
 * registries.  Routes are spoken of for unicast only; the others are known by their numbers, so that a capability or an
 * attribute which names them can be kept, shown and answered.
 */
export type Family = "ipv4" | "ipv6";
/** Ours, or AFI and SAFI: "1/128". */
export type AnyFamily = Family | `${number}/${number}`;

export const FAMILIES: readonly Family[] = ["ipv4", "ipv6"];

export function isFamily(family: AnyFamily): family is Family {
  return family === "ipv4" || family === "ipv6";
}
export function familyOf(afi: number, safi: number): AnyFamily {
  if (safi === UNICAST) {
    if (afi === AFI_IPV4) return "ipv4";
    if (afi === AFI_IPV6) return "ipv6";
  }
  return `${afi}/${safi}`;
}
export function afiOf(family: AnyFamily): number {
  if (family === "ipv4") return AFI_IPV4;
  if (family === "ipv6") return AFI_IPV6;
  return Number(family.slice(0, family.indexOf("/")));
}
export function safiOf(family: AnyFamily): number {
  return isFamily(family) ? UNICAST : Number(family.slice(family.indexOf("/") + 1));
}

const AFI_IPV4 = 1;
const AFI_IPV6 = 2;
const UNICAST = 1;
