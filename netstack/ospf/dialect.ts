/**
 * In what OSPFv2 (RFC 2328) and OSPFv3 (RFC 5340) differ.  Everything else, both state machines, the exchange,
 * flooding, ageing and SPF, is one code.
 */
import type { Ip, Prefix } from "../../base/address.ts";
import type { Link, Refused } from "./event.ts";
import type { Entry } from "./lsdb.ts";
import type { ExternalBody, GraceBody, Lsa, LsaBody, LsaHeader, LsaKey, RouterLink, Scope } from "./packet/lsa.ts";
import type { Hello } from "./packet/packet.ts";
import type { OspfInterfaceSpec } from "./plan.ts";
import type { Area, Home, Interface, Neighbor, State } from "./state.ts";

export interface Dialect {
  readonly version: 2 | 3;
  readonly types: LsaTypes;
  readonly allSpf: Ip;
  readonly allDr: Ip;
  /** Octets of the IP header. */
  readonly ipHeader: number;

  scopeOf(type: number): Scope;
  /** Is a database description or an update with this type acceptable? */
  accepts(type: number): boolean;
  /** May this LSA be told to that neighbor? */
  mayTell(neighbor: Neighbor, type: number): boolean;

  /** What we send from; undefined: the interface cannot run yet. */
  addressOf(link: Link): Ip | undefined;
  /** How hellos name us, or a neighbor, as designated router. */
  identity(state: State, iface: Interface): number;
  identityOf(neighbor: Neighbor): number;
  neighborKey(spec: OspfInterfaceSpec, source: Ip, routerId: number): string;
  /** RFC 2328 §8.2, RFC 5340 §4.2.2. */
  checkSource(iface: Interface, source: Ip): Refused | undefined;
  checkHello(iface: Interface, hello: Hello): Refused | undefined;
  helloFields(iface: Interface): Pick<Hello, "maskLength" | "interfaceId">;
  options(area: Area): number;

  /** All LSAs that we want to be in the databases, except those of RFC 3623. */
  desired(state: State): readonly Desired[];
  /** RFC 3623: the grace LSA of an interface. */
  grace(state: State, iface: Interface, period: number, reason: GraceBody["reason"]): Desired;
  graceOf(entry: Entry): boolean;
  /** Ours by content though another advertises it: a network LSA of our address from before our router ID changed. */
  isOurs(state: State, header: LsaHeader): boolean;

  /** RFC 3101: bit P of a type 7 LSA. */
  propagates(lsa: Lsa, body: ExternalBody): boolean;

  /** SPF: where a link leads to, which network LSA it is, who answers for it. */
  targetOf(link: RouterLink): string;
  networkKey(key: LsaKey): string;
  /** The interface that one of our own links is. */
  ownInterface(state: State, area: Area, link: RouterLink): Interface | undefined;
  /** Address of router `routerId` on a network of ours, to which its `link` leads. */
  hopOf(iface: Interface, routerId: number, link: RouterLink): Ip | undefined;
  /** Prefixes by the vertex that they hang on. */
  attached(area: Area): ReadonlyMap<string, readonly Attached[]>;
  /** May packets pass through the router with this LSA? */
  isTransit(body: LsaBody & { readonly kind: "router" }): boolean;
}

export interface LsaTypes {
  readonly router: number;
  readonly network: number;
  readonly "inter-area-prefix": number;
  readonly "inter-area-router": number;
  readonly external: number;
  readonly nssa: number;
}

export interface Attached {
  readonly prefix: Prefix;
  readonly metric: number;
}

export interface Desired {
  readonly home: Home;
  readonly type: number;
  readonly id: number;
  /** v2, in the header. */
  readonly options: number;
  readonly body: LsaBody;
}

export function routerVertex(routerId: number): string {
  return `r${routerId}`;
}
