/** Every decoder that reads what others send. */
import type { Target } from "./target.ts";
import { BFD } from "./targets-bfd.ts";
import { BGP } from "./targets-bgp.ts";
import { HTTP1 } from "./targets-http1.ts";
import { LINK } from "./targets-link.ts";
import { NETSTACK } from "./targets-netstack.ts";
import { OFFER } from "./targets-offer.ts";
import { OSPF } from "./targets-ospf.ts";
import { RESOURCES } from "./targets-resources.ts";
import { STAMP } from "./targets-stamp.ts";
import { STEER } from "./targets-steer.ts";
import { STUN } from "./targets-stun.ts";
import { WIREGUARD } from "./targets-wireguard.ts";

export const TARGETS: readonly Target[] = [
  ...BGP,
  ...HTTP1,
  ...NETSTACK,
  ...BFD,
  ...OSPF,
  ...STAMP,
  ...STEER,
  ...STUN,
  ...OFFER,
  ...LINK,
  ...WIREGUARD,
  ...RESOURCES,
];
