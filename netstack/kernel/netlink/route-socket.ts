/**
 * rtnetlink: what this host's links and addresses are, and changing them.  Synchronous: each call is one request that
 * the kernel answers before it returns (20 to 50 µs).  One socket per network namespace: it belongs to the namespace in
 * which it was opened, for ever (see namespace.ts).
 */
import { type Ip, type Mac, octetsOfMac } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import type { Result } from "../../../base/result.ts";
import {
  type Address,
  AF_INET,
  AF_INET6,
  decodeAddress,
  encodeAddress,
  encodeGetAddresses,
  type NewAddress,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_NEWADDR,
} from "./address.ts";
import type { Malformed } from "./attribute.ts";
import { EEXIST, ENODEV, NETLINK_ROUTE, NetlinkClient } from "./client.ts";
import {
  decodeLink,
  encodeGetLink,
  encodeLinkChange,
  encodeNewLink,
  type Link,
  type LinkChange,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
  RTM_SETLINK,
} from "./link.ts";
import { NLM_F_CREATE, NLM_F_EXCL } from "./message.ts";

export class RouteSocket implements Disposable {
  readonly #client = new NetlinkClient(NETLINK_ROUTE, "NETLINK");

  links(): readonly Link[] {
    return this.#list("list links", RTM_GETLINK, encodeGetLink(0), decodeLink);
  }

  /** By name or by index; undefined when there is none. */
  link(which: string | number): Link | undefined {
    const payload = typeof which === "string" ? encodeGetLink(0, which) : encodeGetLink(which);
    const found = this.#client.get(`get link ${which}`, RTM_GETLINK, payload, [ENODEV]);
    return found === undefined ? undefined : this.#read(decodeLink(found));
  }

  /** The index of an interface that must be there. */
  indexOf(name: string): number {
    const found = this.link(name);
    if (found === undefined) throw new Fault("INTERFACE_MISSING", { ifname: name });
    return found.index;
  }

  changeLink(which: string | number, change: Omit<LinkChange, "mac"> & { readonly mac?: Mac }): void {
    const { mac, ...rest } = change;
    const index = typeof which === "string" ? this.indexOf(which) : which;
    const payload = encodeLinkChange(index, mac === undefined ? rest : { ...rest, mac: octetsOfMac(mac) });
    this.#client.request(`change link ${which}`, RTM_SETLINK, 0, payload);
  }

  addBridge(name: string): number {
    this.#client.request(
      `add bridge ${name}`,
      RTM_NEWLINK,
      NLM_F_CREATE | NLM_F_EXCL,
      encodeNewLink({ name }, { kind: "bridge" }),
    );
    return this.indexOf(name);
  }

  /** A pair of connected interfaces; the second may begin its life in another namespace. */
  addVeth(name: string, peer: { readonly name: string; readonly namespaceFd?: number }): number {
    this.#client.request(
      `add veth ${name}`,
      RTM_NEWLINK,
      NLM_F_CREATE | NLM_F_EXCL,
      encodeNewLink({ name }, { kind: "veth", peer }),
    );
    return this.indexOf(name);
  }

  /** Returns false when it was not there. */
  deleteLink(which: string | number): boolean {
    const payload = typeof which === "string" ? encodeGetLink(0, which) : encodeGetLink(which);
    return this.#delete(`delete link ${which}`, RTM_DELLINK, payload, [ENODEV]);
  }

  /** Of one interface, or of all. */
  addresses(index = 0): readonly Address[] {
    const found = [AF_INET, AF_INET6].flatMap((family) =>
      this.#list("list addresses", RTM_GETADDR, encodeGetAddresses(family, index), decodeAddress),
    );
    // Kernels without strict checking return all interfaces.
    return index === 0 ? found : found.filter((each) => each.index === index);
  }

  /** Returns false when the interface has it already. */
  addAddress(address: NewAddress): boolean {
    const verdict = this.#client.try(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, encodeAddress(address));
    if (verdict.errno === EEXIST) return false;
    if (verdict.errno !== 0) throw this.#client.refusal("add address", verdict);
    return true;
  }

  /** Returns false when it was not there. */
  deleteAddress(ip: Ip, prefixLength: number, index: number): boolean {
    const absent = [EADDRNOTAVAIL, ENODEV];
    return this.#delete("delete address", RTM_DELADDR, encodeAddress({ ip, prefixLength, index }), absent);
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }

  #delete(what: string, type: number, payload: Uint8Array, absent: readonly number[]): boolean {
    const verdict = this.#client.try(type, 0, payload);
    if (verdict.errno !== 0 && !absent.includes(verdict.errno)) throw this.#client.refusal(what, verdict);
    return verdict.errno === 0;
  }

  #list<T>(
    what: string,
    type: number,
    payload: Uint8Array,
    decode: (payload: Uint8Array) => Result<T, Malformed>,
    absent: readonly number[] = [],
  ): readonly T[] {
    return this.#client.dump(what, type, payload, absent).map((each) => this.#read(decode(each)));
  }

  #read<T>(decoded: Result<T, Malformed>): T {
    if (decoded.ok) return decoded.value;
    throw this.#client.malformed(decoded.error);
  }
}

const EADDRNOTAVAIL = 99;
