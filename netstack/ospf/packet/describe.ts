/** Packets as one line of text, for traces and logs. */
import { formatIp, type Ipv4 } from "../../../base/address.ts";
import { unreachable } from "../../../base/result.ts";
import { DO_NOT_AGE, type LsaHeader, type LsaKey, TYPES, type Version } from "./lsa.ts";
import type { Packet } from "./packet.ts";

export function describe(packet: Packet): string {
  const from = `from ${quad(packet.routerId)} area ${quad(packet.areaId)}`;
  const instance = packet.instanceId === 0 ? "" : ` instance ${packet.instanceId}`;
  return `${title(packet)} ${from}${instance}: ${details(packet)}`;
}

function title(packet: Packet): string {
  return `OSPFv${packet.version} ${packet.kind}`;
}

function details(packet: Packet): string {
  const { version } = packet;
  switch (packet.kind) {
    case "hello": {
      const where = version === 2 ? `mask /${packet.maskLength ?? 0}` : `interface ${packet.interfaceId}`;
      const timing = `hello ${packet.helloInterval} s, dead ${packet.deadInterval} s`;
      const roles = `priority ${packet.priority}, DR ${quad(packet.dr)}, BDR ${quad(packet.bdr)}`;
      return `${where}, ${options(packet.options)}, ${timing}, ${roles}, hears ${list(packet.neighbors.map(quad))}`;
    }
    case "database-description": {
      const flags = [packet.init ? "init" : "", packet.more ? "more" : "", packet.master ? "master" : "slave"];
      const said = flags.filter((flag) => flag !== "").join(" ");
      const about = list(packet.headers.map((each) => describeHeader(version, each)));
      return `${said}, sequence ${packet.sequence}, mtu ${packet.mtu}, ${options(packet.options)}, ${about}`;
    }
    case "request":
      return list(packet.wanted.map((each) => describeKey(version, each)));
    case "update":
      return list(packet.lsas.map((each) => describeHeader(version, each.header)));
    case "acknowledgement":
      return list(packet.headers.map((each) => describeHeader(version, each)));
    default:
      return unreachable(packet);
  }
}

/** "router 10.0.0.1 by 10.0.0.1" */
export function describeKey(version: Version, key: LsaKey): string {
  return `${typeName(version, key.type)} ${quad(key.id)} by ${quad(key.advertisingRouter)}`;
}

export function describeHeader(version: Version, header: LsaHeader): string {
  const age = (header.age & DO_NOT_AGE) === 0 ? `${header.age}` : `${header.age & ~DO_NOT_AGE} (does not age)`;
  const sequence = (header.sequence >>> 0).toString(16).padStart(8, "0");
  const sum = header.checksum.toString(16).padStart(4, "0");
  return `${describeKey(version, header)} (age ${age}, sequence 0x${sequence}, checksum 0x${sum}, ${header.length} octets)`;
}

/** The name of an LS type in the words of lsa.ts; "type 0x…" when it has none. */
export function typeName(version: Version, type: number): string {
  const found = Object.entries<number>(TYPES[version]).find(([, code]) => code === type);
  return found === undefined ? `type 0x${type.toString(16)}` : found[0];
}

export function quad(id: number): string {
  return formatIp(id as Ipv4);
}

function options(value: number): string {
  return `options 0x${value.toString(16)}`;
}

function list(items: readonly string[]): string {
  return items.length === 0 ? "nothing" : items.join("; ");
}
