/**
 * This host's interfaces and addresses, as the kernel reports them: which interface a peer is on, which of our addresses
 * it can reach, and when a carrier comes and goes.  Addresses of virtual IPs are nobody's next hop and are left out.
 */
import { contains, type Ip, isIpv4, isLinkLocal, type Mac, masked } from "../../../base/address.ts";
import { ADDRESS_PROTOCOLS } from "../../kernel/marks.ts";
import type { Address } from "../../kernel/netlink/address.ts";
import type { Link } from "../../kernel/netlink/link.ts";
import type { RouteSocket } from "../../kernel/netlink/route-socket.ts";
import type { Change } from "../../kernel/netlink/watch.ts";
import type { Ends } from "../event.ts";

export interface Interface {
  readonly index: number;
  readonly name: string;
  readonly mac: Mac | undefined;
  /** Set up, and with carrier. */
  readonly up: boolean;
}

export interface InterfaceNotes {
  /** It came, went, got or lost its carrier, or its name. */
  moved(ifname: string, up: boolean): void;
}

export class Interfaces {
  readonly #route: RouteSocket;
  readonly #notes: InterfaceNotes;
  #links = new Map<number, Interface>();
  #addresses: readonly Address[] = [];

  /** `route` stays its owner's. */
  constructor(route: RouteSocket, notes: InterfaceNotes) {
    this.#route = route;
    this.#notes = notes;
    this.#links = new Map(route.links().map((each) => [each.index, interfaceOf(each)]));
    this.#addresses = this.#list();
  }

  named(name: string): Interface | undefined {
    for (const each of this.#links.values()) if (each.name === name) return each;
    return undefined;
  }
  at(index: number | undefined): Interface | undefined {
    return index === undefined ? undefined : this.#links.get(index);
  }
  isOurs(ip: Ip): boolean {
    return this.#addresses.some((each) => each.ip === ip);
  }

  ends(local: Ip, remote: Ip, scope: number | undefined): Ends {
    const on = this.at(scope) ?? this.#directly(local, remote);
    const home = on?.index ?? this.#addresses.find((each) => each.ip === local)?.index;
    const addresses = this.#addresses.filter((each) => each.index === home && usable(each)).map(({ ip }) => ip);
    return { local, remote, ifname: on?.name, addresses };
  }

  changed(change: Change): void {
    if (change.kind === "link") this.#link(change.gone ? undefined : change.link, change.link.index);
    else if (change.kind === "address") this.#addresses = this.#list();
    else if (change.kind === "resync") {
      const links = this.#route.links();
      this.#addresses = this.#list();
      const gone = [...this.#links.keys()].filter((index) => !links.some((each) => each.index === index));
      for (const index of gone) this.#link(undefined, index);
      for (const link of links) this.#link(link, link.index);
    }
  }

  #link(link: Link | undefined, index: number): void {
    const before = this.#links.get(index);
    const now = link === undefined ? undefined : interfaceOf(link);
    if (now === undefined) this.#links.delete(index);
    else this.#links.set(index, now);
    if (before !== undefined && before.name !== now?.name && before.up) this.#notes.moved(before.name, false);
    if (now === undefined) return;
    if (before?.name !== now.name ? now.up : before.up !== now.up) this.#notes.moved(now.name, now.up);
  }

  /** The interface whose own network `remote` lies in: that of `local` if it is one, since networks may overlap. */
  #directly(local: Ip, remote: Ip): Interface | undefined {
    const near = this.#addresses.filter((each) => !isLinkLocal(each.ip) && onLink(each, remote));
    return this.at((near.find((each) => each.ip === local) ?? near[0])?.index);
  }

  #list(): readonly Address[] {
    return this.#route.addresses().filter((each) => !ADDRESS_PROTOCOLS.includes(each.protocol));
  }
}

function interfaceOf(link: Link): Interface {
  return { index: link.index, name: link.name, mac: link.mac, up: link.up && link.carrier };
}

/** On a point-to-point address the other end stands for the network. */
function onLink(address: Address, remote: Ip): boolean {
  if (isIpv4(address.ip) !== isIpv4(remote)) return false;
  const { prefixLength: length } = address;
  const network = address.peer ?? address.ip;
  return contains({ ip: masked(network, length), length }, remote);
}

function usable(address: Address): boolean {
  if (address.tentative || address.dadFailed) return false;
  return isIpv4(address.ip) ? address.ip >>> 24 !== 127 : address.ip !== "::1";
}
