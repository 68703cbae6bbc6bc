/** Tracked connections that carry a value of ours, as `novactl wan flows` shows them. */
import { formatIp, hostAndPort, type Ip } from "../../../base/address.ts";
import type { Connection } from "../../../netstack/kernel/netlink/conntrack.ts";
import type { LaneSpec } from "../../underlay-plan.ts";

export interface FlowSeen {
  readonly protocol: string;
  readonly source: string;
  readonly destination: string;
  readonly mark: number;
  /** Of the lane that the mark stands for. */
  readonly class: string | undefined;
  /** That it is bound to. */
  readonly link: string | undefined;
  /** Of the tunnel that it came in by, and is answered by. */
  readonly ifname: string | undefined;
  readonly packets: number | undefined;
  readonly octets: number | undefined;
}

export function flowSeen({ original, counted }: Connection, { mark, what }: LaneSpec): FlowSeen {
  const { protocol, source, sourcePort, destination, destinationPort } = original;
  return {
    protocol: NAMES[protocol] ?? String(protocol),
    source: ended(source, sourcePort),
    destination: ended(destination, destinationPort),
    mark,
    class: what.kind === "class" || what.kind === "pinned" ? what.name : undefined,
    link: what.kind === "pinned" || what.kind === "link" ? what.link : undefined,
    ifname: what.kind === "back" ? what.ifname : undefined,
    packets: counted?.packets,
    octets: counted?.octets,
  };
}

function ended(ip: Ip, port: number | undefined): string {
  const text = formatIp(ip);
  return port === undefined ? text : hostAndPort(text, port);
}

const NAMES: Readonly<Record<number, string>> = { 1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp" };
