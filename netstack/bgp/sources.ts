/** Where routes come from: this host, and each peer that has (or had, while its routes are kept) a session. */
import { type Ip, isIpv4, octetsOfIp } from "../../base/address.ts";
import { hex } from "../../base/octets.ts";

export interface Source {
  /** Name of the peer; "local" for what we originate. */
  readonly name: string;
  readonly kind: "local" | "internal" | "external";
  readonly asn: number;
  /** RFC 4271 §9.1.2.2 f. */
  readonly routerId: number;
  /** RFC 4271 §9.1.2.2 g, as text that sorts like the address. */
  readonly order: string;
  readonly ifname: string | undefined;
}

export const LOCAL = 0;

export class Sources {
  readonly #all: (Source | undefined)[];
  constructor(routerId: number) {
    this.#all = [{ name: "local", kind: "local", asn: 0, routerId, order: "", ifname: undefined }];
  }
  /** A number that nobody else has, until `drop`. */
  add(source: Source): number {
    const free = this.#all.indexOf(undefined);
    const index = free < 0 ? this.#all.length : free;
    if (index > MOST) throw new TypeError("too many peers");
    this.#all[index] = source;
    return index;
  }
  replace(index: number, source: Source): void {
    this.#all[index] = source;
  }
  drop(index: number): void {
    this.#all[index] = undefined;
  }
  get(index: number): Source {
    const source = this.#all[index];
    if (source === undefined) throw new TypeError(`no source ${index}`);
    return source;
  }
}

/** IPv4 before IPv6, else by value. */
export function orderOf(ip: Ip): string {
  return `${isIpv4(ip) ? 4 : 6}${hex(octetsOfIp(ip))}`;
}

/** Sources are kept in 16 bits a path. */
const MOST = 0xffff;
