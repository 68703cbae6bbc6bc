/**
 * ARP and neighbour discovery on one interface: what other stations say about addresses that concern us, and our own
 * probes and announcements.  Filters in the kernel pass only ARP and NS/NA of others, so that a busy segment does not
 * wake us for each frame.
 */
import { formatIp, type Ip, type Ipv6, isIpv4, type Mac } from "../../../base/address.ts";
import type { Tracer } from "../../../base/trace.ts";
import {
  type BpfInstruction,
  JUMP_EQUAL,
  LOAD_HALF,
  LOAD_OCTET,
  LOAD_WORD,
  PACKET_TYPE,
  RETURN,
} from "../../kernel/bpf.ts";
import { ENOBUFS } from "../../kernel/errno.ts";
import type { DatagramHandler, DatagramMeta, Datagrams, Loop } from "../../kernel/loop.ts";
import { openPacket, openUdp } from "../../kernel/sockets.ts";
import { arpAnnouncement, arpProbe, arpRequest, decodeArp } from "../../wire/arp.ts";
import { decodeEthernet, ETHER_ARP, ETHER_IPV6, ETHERNET_HEADER } from "../../wire/ethernet.ts";
import {
  dadProbe,
  decodeNeighbour,
  solicit,
  solicitedNode,
  UNSPECIFIED,
  unsolicitedAdvertisement,
} from "../../wire/ndp.ts";
import { describeArp, describeNeighbour } from "../describe.ts";
import type { Event } from "../event.ts";
import type { Failed } from "./heartbeat-socket.ts";

export class NeighbourSocket implements Disposable, DatagramHandler {
  readonly #mac: Mac;
  readonly #arp: Datagrams;
  readonly #nd: Datagrams;
  readonly #observed: (event: Event & { readonly kind: "asserted" | "probed" }) => void;
  readonly #failed: Failed;
  readonly #tracer: Tracer;
  readonly #loop: Loop;
  readonly #ifindex: number;
  #groups: { readonly key: string; readonly member: Datagrams } | undefined;

  constructor(
    loop: Loop,
    ifindex: number,
    mac: Mac,
    observed: (event: Event & { readonly kind: "asserted" | "probed" }) => void,
    failed: Failed,
    tracer: Tracer,
  ) {
    this.#failed = failed;
    this.#tracer = tracer;
    this.#loop = loop;
    this.#ifindex = ifindex;
    this.#mac = mac;
    this.#observed = observed;
    this.#arp = loop.datagrams(openPacket({ ifindex, ethertype: ETHER_ARP, filter: ARP_FILTER }), this);
    this.#nd = loop.datagrams(openPacket({ ifindex, ethertype: ETHER_IPV6, filter: ND_FILTER }), this);
  }

  /**
   * Joins the solicited-node groups of all virtual addresses, owned or not: so that probes of others are heard, and so
   * that an address answers at once when it is added.  The kernel would join by a worker of ordinary priority, which a
   * busy host runs late.
   */
  join(addresses: readonly Ip[]): void {
    const groups = [...new Set(addresses.filter((ip): ip is Ipv6 => !isIpv4(ip)).map(solicitedNode))];
    const key = groups.join(" ");
    if (this.#groups?.key === key) return;
    const before = this.#groups;
    const multicast = { ifindex: this.#ifindex, groups, loop: false };
    const member = this.#loop.datagrams(openUdp({ bind: { ip: UNSPECIFIED, port: 0 }, multicast }), this);
    this.#groups = { key, member };
    before?.member[Symbol.dispose]();
  }

  probe(ip: Ip): void {
    this.#send(ip, isIpv4(ip) ? arpProbe(this.#mac, ip) : dadProbe(this.#mac, ip));
  }
  announce(ip: Ip): void {
    if (!isIpv4(ip)) return this.#send(ip, unsolicitedAdvertisement(this.#mac, ip));
    this.#send(ip, arpAnnouncement(this.#mac, ip, "request"));
    this.#send(ip, arpAnnouncement(this.#mac, ip, "reply"));
  }
  /** Asks a witness as any host would ask a neighbour, from an address of our own. */
  ask(ip: Ip, own: readonly Ip[]): void {
    if (isIpv4(ip)) {
      const from = own.find(isIpv4);
      this.#send(ip, from === undefined ? arpProbe(this.#mac, ip) : arpRequest(this.#mac, from, ip));
    } else {
      const from = own.find((each): each is Ipv6 => !isIpv4(each));
      this.#send(ip, from === undefined ? dadProbe(this.#mac, ip) : solicit(this.#mac, from, ip));
    }
  }

  received(socket: Datagrams, bytes: Uint8Array, _meta: DatagramMeta): void {
    const frame = decodeEthernet(bytes);
    if (!frame.ok) return;
    if (this.#tracer.active) this.#trace("in", bytes);
    const payload = bytes.subarray(ETHERNET_HEADER);
    if (socket === this.#arp) this.#arpReceived(payload);
    else if (socket === this.#nd) this.#ndReceived(payload, frame.value.source);
  }
  failed(socket: Datagrams, errno: number): void {
    this.#failed(socket === this.#arp ? "arp" : "nd", errno);
  }

  [Symbol.dispose](): void {
    this.#arp[Symbol.dispose]();
    this.#nd[Symbol.dispose]();
    this.#groups?.member[Symbol.dispose]();
  }

  #arpReceived(payload: Uint8Array): void {
    const arp = decodeArp(payload);
    if (!arp.ok) return;
    const { operation, senderIp, senderMac, targetIp } = arp.value;
    if (senderIp !== 0) this.#observed({ kind: "asserted", ip: senderIp, mac: senderMac });
    else if (operation === "request") this.#observed({ kind: "probed", ip: targetIp, mac: senderMac });
  }

  #ndReceived(payload: Uint8Array, station: Mac): void {
    const message = decodeNeighbour(payload);
    if (!message.ok) return;
    const { source, target, mac = station } = message.value;
    if (message.value.kind === "advertisement") this.#observed({ kind: "asserted", ip: target, mac });
    else if (source === UNSPECIFIED) this.#observed({ kind: "probed", ip: target, mac: station });
    else this.#observed({ kind: "asserted", ip: source, mac });
  }

  #trace(direction: "in" | "out", frame: Uint8Array): void {
    const payload = frame.subarray(ETHERNET_HEADER);
    const arp = decodeArp(payload);
    const message = arp.ok ? undefined : decodeNeighbour(payload);
    if (arp.ok) {
      const { operation, senderIp, targetIp } = arp.value;
      this.#tracer.line(formatIp(operation === "reply" ? senderIp : targetIp), direction, describeArp(arp.value));
    } else if (message?.ok === true) {
      this.#tracer.line(formatIp(message.value.target), direction, describeNeighbour(message.value));
    }
  }

  #send(ip: Ip, frame: Uint8Array): void {
    if (this.#tracer.active) this.#trace("out", frame);
    const errno = (isIpv4(ip) ? this.#arp : this.#nd).send(frame);
    // ENOBUFS is the fence at work: a frame for an address that we lost meanwhile.
    if (errno !== 0 && errno !== ENOBUFS) this.#failed(isIpv4(ip) ? "arp" : "nd", errno);
  }
}

const OUTGOING = 4;
const WHOLE = 0xffff;

const ARP_FILTER: readonly BpfInstruction[] = [
  [LOAD_WORD, 0, 0, PACKET_TYPE],
  [JUMP_EQUAL, 1, 0, OUTGOING],
  [RETURN, 0, 0, WHOLE],
  [RETURN, 0, 0, 0],
];
/** ICMPv6 directly after the fixed header, hop limit 255, type 135 or 136. */
const ND_FILTER: readonly BpfInstruction[] = [
  [LOAD_WORD, 0, 0, PACKET_TYPE],
  [JUMP_EQUAL, 6, 0, OUTGOING],
  [LOAD_HALF, 0, 0, 20],
  [JUMP_EQUAL, 0, 4, (58 << 8) | 255],
  [LOAD_OCTET, 0, 0, 54],
  [JUMP_EQUAL, 1, 0, 135],
  [JUMP_EQUAL, 0, 1, 136],
  [RETURN, 0, 0, WHOLE],
  [RETURN, 0, 0, 0],
];
