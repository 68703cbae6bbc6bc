/**
 * Messages as other speakers sent them on 20 November 2026, in network namespaces, over IPv4.  Each was configured to
 * announce 192.0.2.1/32, 192.0.2.0/28 and one or two IPv6 prefixes with MED 5, communities 65001:1 and no-export, large
 * community 65001:1:2, route target 65001:7 and AS 4200000001 prepended, as far as it can.  "new": we had said that we
 * know four-octet AS numbers, both families and several IPv4 paths; "old": we had sent an OPEN without capabilities.
 */

import { BEFORE_OPEN } from "../../../../netstack/bgp/packet/codec.ts";
import type { Agreed } from "../../../../netstack/bgp/packet/message.ts";

export interface Recorded {
  readonly origin: string;
  readonly session: "new" | "old";
  readonly hex: string;
  /** What it says, as the configuration above has it. */
  readonly text: string;
}

/** What was agreed on when it was sent. */
export function agreedFor({ session, origin }: Recorded): Agreed {
  if (session === "old") return BEFORE_OPEN;
  return {
    ...BEFORE_OPEN,
    fourOctetAsn: true,
    mostIn: 65535,
    mostOut: 65535,
    enhancedRouteRefresh: true,
    families: ["ipv4", "ipv6"],
    // GoBGP was not configured to send several paths.
    addPathReceive: origin.startsWith("GoBGP") ? [] : ["ipv4"],
    addPathSend: origin.startsWith("GoBGP") ? [] : ["ipv4"],
    firstAsn: 65001,
  };
}

const MARKER = "f".repeat(32);

export const RECORDED: readonly Recorded[] = [
  {
    origin: "BIRD 2.0.12 OPEN",
    session: "new",
    hex:
      MARKER +
      "00590104fde9005a0a0000013c023a01040001000101040002000102000600400a0078000101000002010041040000fde94504000101024600470e00010100000e1000020100000e10",
    text: "OPEN as 65001 id 10.0.0.1 hold 90s: multiprotocol ipv4; multiprotocol ipv6; route-refresh; extended-message; graceful-restart 120s ipv4 ipv6; four-octet-asn 65001; add-path ipv4 send; enhanced-route-refresh; long-lived-graceful-restart ipv4 3600s ipv6 3600s",
  },
  {
    origin: "BIRD 2.0.12 UPDATE",
    session: "new",
    hex:
      MARKER +
      "006d02000000444001010040020a02020000fde9fa56ea014003040a00000180040400000005c00808fde90001ffffff01c010080002fde900000007c0200c0000fde90000000100000002000000021cc00002000000000220c0000201",
    text: "UPDATE announce 192.0.2.0/28 (path 2) 192.0.2.1/32 (path 2): igp, path 65001 4200000001, next hop 10.0.0.1, med 5, communities 65001:1 no-export, extended communities rt:65001:7, large communities 65001:1:2",
  },
  { origin: "BIRD 2.0.12 UPDATE", session: "new", hex: MARKER + "00170200000000", text: "UPDATE end-of-rib ipv4" },
  {
    origin: "BIRD 2.0.12 UPDATE",
    session: "new",
    hex:
      MARKER +
      "0095020000007e900e003d0002012020010db8000000010000000000000001fe80000000000000d8ea06fffeeb775e003020010db800028020010db80001000000000000000000014001010040020a02020000fde9fa56ea0180040400000005c00808fde90001ffffff01c010080002fde900000007c0200c0000fde90000000100000002",
    text: "UPDATE announce 2001:db8:2::/48 2001:db8:1::1/128: igp, path 65001 4200000001, next hop 2001:db8:0:1::1 fe80::d8ea:6ff:feeb:775e, med 5, communities 65001:1 no-export, extended communities rt:65001:7, large communities 65001:1:2",
  },
  {
    origin: "BIRD 2.0.12 UPDATE",
    session: "new",
    hex: MARKER + "001d0200000006800f03000201",
    text: "UPDATE end-of-rib ipv6",
  },
  {
    origin: "BIRD 2.0.12 NOTIFICATION",
    session: "new",
    hex: MARKER + "001603010309",
    text: "NOTIFICATION message-header/bad-message-type, data 09",
  },
  {
    origin: "BIRD 2.0.12 UPDATE",
    session: "old",
    hex:
      MARKER +
      "006e020000004d400101004002060202fde95ba04003040a00000180040400000005c00808fde90001ffffff01c010080002fde900000007c0110a02020000fde9fa56ea01c0200c0000fde900000001000000021cc000020020c0000201",
    text: "UPDATE announce 192.0.2.0/28 192.0.2.1/32: igp, path 65001 4200000001, next hop 10.0.0.1, med 5, communities 65001:1 no-export, extended communities rt:65001:7, large communities 65001:1:2",
  },
  { origin: "BIRD 2.0.12 UPDATE", session: "old", hex: MARKER + "00170200000000", text: "UPDATE end-of-rib ipv4" },
  {
    origin: "BIRD 2.0.12 NOTIFICATION",
    session: "old",
    hex: MARKER + "001603010309",
    text: "NOTIFICATION message-header/bad-message-type, data 09",
  },
  {
    origin: "FRR 8.4.4 OPEN",
    session: "new",
    hex:
      MARKER +
      "00790104fde9005a0a0000015c02060104000100010206010400020001020280000202020002024600020641040000fde902020600020a450800010103000201030206490402766d00020c400ac07800010100000201000210470e00010180000e1000020180000e10",
    text: "OPEN as 65001 id 10.0.0.1 hold 90s: multiprotocol ipv4; multiprotocol ipv6; capability 128; route-refresh; enhanced-route-refresh; four-octet-asn 65001; extended-message; add-path ipv4 both ipv6 both; capability 73 02766d00; graceful-restart 120s restarting notification ipv4 ipv6; long-lived-graceful-restart ipv4 3600s forwarding ipv6 3600s forwarding",
  },
  { origin: "FRR 8.4.4 UPDATE", session: "new", hex: MARKER + "00170200000000", text: "UPDATE end-of-rib ipv4" },
  {
    origin: "FRR 8.4.4 UPDATE",
    session: "new",
    hex: MARKER + "001d0200000006800f03000201",
    text: "UPDATE end-of-rib ipv6",
  },
  {
    origin: "FRR 8.4.4 UPDATE",
    session: "new",
    hex:
      MARKER +
      "006e0200000045400101005002000a02020000fde9fa56ea014003040a00000180040400000005c00808fde90001ffffff01c0200c0000fde90000000100000002c010080002fde900000007000000031cc00002000000000220c0000201",
    text: "UPDATE announce 192.0.2.0/28 (path 3) 192.0.2.1/32 (path 2): igp, path 65001 4200000001, next hop 10.0.0.1, med 5, communities 65001:1 no-export, extended communities rt:65001:7, large communities 65001:1:2",
  },
  {
    origin: "FRR 8.4.4 UPDATE",
    session: "new",
    hex:
      MARKER +
      "0096020000007f900e003d0002012020010db8000000010000000000000001fe80000000000000d8464ffffe4b16bd008020010db80001000000000000000000013020010db80002400101005002000a02020000fde9fa56ea0180040400000005c00808fde90001ffffff01c0200c0000fde90000000100000002c010080002fde900000007",
    text: "UPDATE announce 2001:db8:1::1/128 2001:db8:2::/48: igp, path 65001 4200000001, next hop 2001:db8:0:1::1 fe80::d846:4fff:fe4b:16bd, med 5, communities 65001:1 no-export, extended communities rt:65001:7, large communities 65001:1:2",
  },
  {
    origin: "FRR 8.4.4 NOTIFICATION",
    session: "new",
    hex: MARKER + "001603010309",
    text: "NOTIFICATION message-header/bad-message-type, data 09",
  },
  {
    origin: "FRR 8.4.4 UPDATE",
    session: "old",
    hex:
      MARKER +
      "0070020000004f40010100500200060202fde95ba04003040a00000180040400000005c00808fde90001ffffff01c0200c0000fde90000000100000002c010080002fde900000007d011000a02020000fde9fa56ea011cc000020020c0000201",
    text: "UPDATE announce 192.0.2.0/28 192.0.2.1/32: igp, path 65001 4200000001, next hop 10.0.0.1, med 5, communities 65001:1 no-export, extended communities rt:65001:7, large communities 65001:1:2",
  },
  {
    origin: "FRR 8.4.4 UPDATE",
    session: "old",
    hex:
      MARKER +
      "00a00200000089900e003d0002012020010db8000000010000000000000001fe800000000000005457e8fffe496919008020010db80001000000000000000000013020010db8000240010100500200060202fde95ba080040400000005c00808fde90001ffffff01c0200c0000fde90000000100000002c010080002fde900000007d011000a02020000fde9fa56ea01",
    text: "UPDATE skipped ipv6",
  },
  {
    origin: "FRR 8.4.4 NOTIFICATION",
    session: "old",
    hex: MARKER + "001603010309",
    text: "NOTIFICATION message-header/bad-message-type, data 09",
  },
  {
    origin: "GoBGP 3.10 OPEN",
    session: "new",
    hex:
      MARKER +
      "00520104fde9005a0a0000013502330200490402766d0001040001000101040002000141040000fde94006407800010100470700010100000e100506000100010002",
    text: "OPEN as 65001 id 10.0.0.1 hold 90s: route-refresh; capability 73 02766d00; multiprotocol ipv4; multiprotocol ipv6; four-octet-asn 65001; graceful-restart 120s notification ipv4; long-lived-graceful-restart ipv4 3600s; extended-next-hop ipv4 by ipv6",
  },
  {
    origin: "GoBGP 3.10 UPDATE",
    session: "new",
    hex:
      MARKER +
      "005c02000000404001010040020602010000fde94003040a00000180040400000005c00808fde90001ffffff01c010080002fde900000007c0200c0000fde9000000010000000220c0000201",
    text: "UPDATE announce 192.0.2.1/32: igp, path 65001, next hop 10.0.0.1, med 5, communities 65001:1 no-export, extended communities rt:65001:7, large communities 65001:1:2",
  },
  {
    origin: "GoBGP 3.10 UPDATE",
    session: "new",
    hex: MARKER + "003f02000000234001010040020a02020000fde9fa56ea01c007080000fde90a0000014003040a0000011cc0000200",
    text: "UPDATE announce 192.0.2.0/28: igp, path 65001 4200000001, next hop 10.0.0.1, aggregator 65001 10.0.0.1",
  },
  { origin: "GoBGP 3.10 UPDATE", session: "new", hex: MARKER + "00170200000000", text: "UPDATE end-of-rib ipv4" },
  {
    origin: "GoBGP 3.10 UPDATE",
    session: "new",
    hex:
      MARKER +
      "005b02000000444001010040020602010000fde980040400000005c00804fde90001800e260002011020010db8000000010000000000000001008020010db8000100000000000000000001",
    text: "UPDATE announce 2001:db8:1::1/128: igp, path 65001, next hop 2001:db8:0:1::1, med 5, communities 65001:1",
  },
  {
    origin: "GoBGP 3.10 UPDATE",
    session: "new",
    hex: MARKER + "001d0200000006800f03000201",
    text: "UPDATE end-of-rib ipv6",
  },
  {
    origin: "GoBGP 3.10 UPDATE",
    session: "old",
    hex:
      MARKER +
      "005a020000003e400101004002040201fde94003040a00000180040400000005c00808fde90001ffffff01c010080002fde900000007c0200c0000fde9000000010000000220c0000201",
    text: "UPDATE announce 192.0.2.1/32: igp, path 65001, next hop 10.0.0.1, med 5, communities 65001:1 no-export, extended communities rt:65001:7, large communities 65001:1:2",
  },
  {
    origin: "GoBGP 3.10 UPDATE",
    session: "old",
    hex:
      MARKER +
      "0046020000002a400101004002060202fde95ba0c00706fde90a0000014003040a000001c0110a02020000fde9fa56ea011cc0000200",
    text: "UPDATE announce 192.0.2.0/28: igp, path 65001 4200000001, next hop 10.0.0.1, aggregator 65001 10.0.0.1",
  },
  {
    origin: "ExaBGP 4.2.21 OPEN",
    session: "new",
    hex:
      MARKER +
      "005b0104fde9005a0a0000013e02060104000100010206010400020001020641040000fde9020a45080001010300020103020c400a80780001018000020180020202000202460002020600",
    text: "OPEN as 65001 id 10.0.0.1 hold 90s: multiprotocol ipv4; multiprotocol ipv6; four-octet-asn 65001; add-path ipv4 both ipv6 both; graceful-restart 120s restarting ipv4 forwarding ipv6 forwarding; route-refresh; enhanced-route-refresh; extended-message",
  },
  {
    origin: "ExaBGP 4.2.21 UPDATE",
    session: "new",
    hex:
      MARKER +
      "006002000000404001010040020602010000fde94003040a00000180040400000005c00808fde90001ffffff01c010080002fde900000007c0200c0000fde900000001000000020000000020c0000201",
    text: "UPDATE announce 192.0.2.1/32 (path 0): igp, path 65001, next hop 10.0.0.1, med 5, communities 65001:1 no-export, extended communities rt:65001:7, large communities 65001:1:2",
  },
  {
    origin: "ExaBGP 4.2.21 UPDATE",
    session: "new",
    hex:
      MARKER +
      "005502000000354001010040021402020000fde9fa56ea0101020000fdeb0000fdec4003040a000001400600c007080000fde90a000001e06302abcd000000001cc0000200",
    text: "UPDATE announce 192.0.2.0/28 (path 0): igp, path 65001 4200000001 {65003 65004}, next hop 10.0.0.1, atomic-aggregate, aggregator 65001 10.0.0.1, attribute 99 abcd",
  },
  {
    origin: "ExaBGP 4.2.21 UPDATE",
    session: "new",
    hex:
      MARKER +
      "005b02000000444001010040020602010000fde980040400000005c00804fde90001800e260002011020010db8000000010000000000000001008020010db8000100000000000000000001",
    text: "UPDATE announce 2001:db8:1::1/128: igp, path 65001, next hop 2001:db8:0:1::1, med 5, communities 65001:1",
  },
  { origin: "ExaBGP 4.2.21 UPDATE", session: "new", hex: MARKER + "00170200000000", text: "UPDATE end-of-rib ipv4" },
  {
    origin: "ExaBGP 4.2.21 UPDATE",
    session: "new",
    hex: MARKER + "001e0200000007900f0003000201",
    text: "UPDATE end-of-rib ipv6",
  },
];
