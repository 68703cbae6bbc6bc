/**
 * Whose source address a link hides behind its own.  IPv4 sources of a site are private, as a rule.  IPv6 ones are not,
 * but each provider drops what comes with the prefix of another one (BCP 38): so both are hidden, unless the link says
 * that one family is not, or names the networks that its provider routes to it.  Pure.
 */
import type { LinkSpec } from "../underlay-plan.ts";
import { interfaceSet, interfaceText } from "./match.ts";
import { braces } from "./spans.ts";

export function sourceNat(links: readonly LinkSpec[]): readonly string[] {
  const whole = links.filter((link) => link.masquerade === true && routed(link).length === 0);
  const partly = links.filter((link) => link.masquerade !== false && !whole.includes(link));
  return [
    ...(whole.length === 0 ? [] : [`oifname ${interfaceSet(whole.map(({ ifname }) => ifname))} ${FOREIGN} masquerade`]),
    ...partly.flatMap((link) => {
      const out = `oifname ${interfaceText(link.ifname)}`;
      const family = link.masquerade === true ? "" : `meta nfproto ${link.masquerade} `;
      const [v6, v4] = [routed(link).filter(isV6), routed(link).filter((each) => !isV6(each))];
      return [
        ...(v4.length === 0 ? [] : [`${out} ip saddr ${braces(v4)} return`]),
        ...(v6.length === 0 ? [] : [`${out} ip6 saddr ${braces(v6)} return`]),
        `${out} ${family}${FOREIGN} masquerade`,
      ];
    }),
  ];
}

/** Some of what leaves by it keeps its source: that it does tells nothing of where it goes. */
export function isBare(link: LinkSpec): boolean {
  return link.masquerade !== true || routed(link).length > 0;
}

function routed({ routedPrefixes = [] }: LinkSpec): readonly string[] {
  return routedPrefixes;
}
function isV6(prefix: string): boolean {
  return prefix.includes(":");
}

/** An address that is not the interface's own. */
const FOREIGN = "fib saddr . oif type != local";
