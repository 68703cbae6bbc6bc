/**
 * Which TCP connections this host has at some of its addresses, and where it listens.  Standards: sock_diag(7),
 * include/uapi/linux/inet_diag.h.  Left out on purpose: TCP information, UDP, closing connections.
 */
import { type Ip, ipOfOctets, isIpv4, octetsOfIp } from "../../../base/address.ts";
import { join } from "../../../base/octets.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { EOPNOTSUPP } from "../errno.ts";
import { AF_INET, AF_INET6 } from "../sockaddr.ts";
import { attribute, type Malformed } from "./attribute.ts";
import { ENOENT, NetlinkClient } from "./client.ts";
import { u8, u8Of, u16, u32, view } from "./octets.ts";

export interface Flow {
  readonly local: Ip;
  readonly localPort: number;
  readonly remote: Ip;
  readonly remotePort: number;
}

export interface Listening {
  readonly ip: Ip;
  readonly port: number;
}

/** Connections that are not closed yet, of the network namespace that the calling thread is in. */
export class SocketDiag implements Disposable {
  readonly #client = new NetlinkClient(NETLINK_SOCK_DIAG, "NETLINK");

  /** Of all `locals` in one look at each family's sockets.  Empty also when this kernel cannot tell (no CONFIG_INET_DIAG). */
  flows(locals: readonly Ip[]): readonly Flow[] {
    const wanted = new Set(locals);
    const v4 = locals.filter(isIpv4);
    // Sockets of either family can carry IPv4.
    return [...this.#list(AF_INET, v4), ...this.#list(AF_INET6, locals)].filter(({ local }) => wanted.has(local));
  }

  /** All sockets that wait for connections; of a wildcard the address is 0.0.0.0 or `::`.  Throws where it cannot be told. */
  listening(): readonly Listening[] {
    return [AF_INET, AF_INET6].flatMap((family) => {
      const request = join([u8(family), u8(IPPROTO_TCP), u16(0), u32(1 << TCP_LISTEN), new Uint8Array(SOCKET_ID)]);
      return this.#client.dump("list listening sockets", SOCK_DIAG_BY_FAMILY, request).map((payload): Listening => {
        const flow = decodeFlow(payload);
        if (!flow.ok) throw this.#client.malformed(flow.error);
        return { ip: flow.value.local, port: flow.value.localPort };
      });
    });
  }

  /**
   * Ends a connection as if its program had: that reads ECONNABORTED at once.  False when there is none, or this kernel
   * cannot do it (no CONFIG_INET_DIAG_DESTROY).
   */
  destroy(flow: Flow): boolean {
    const verdict = this.#client.try(SOCK_DESTROY, 0, encodeDestroy(flow));
    if (verdict.errno === 0) return true;
    if ([ENOENT, EOPNOTSUPP].includes(verdict.errno)) return false;
    throw this.#client.refusal("end a connection", verdict);
  }

  #list(family: number, locals: readonly Ip[]): readonly Flow[] {
    const found: Flow[] = [];
    for (let at = 0; at < locals.length; at += ADDRESSES_AT_ONCE) {
      const request = encodeListFlows(family, locals.slice(at, at + ADDRESSES_AT_ONCE));
      for (const payload of this.#client.dump("list connections", SOCK_DIAG_BY_FAMILY, request, [ENOENT])) {
        const flow = decodeFlow(payload);
        if (!flow.ok) throw this.#client.malformed(flow.error);
        found.push(flow.value);
      }
    }
    return found;
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}

/** struct inet_diag_req_v2, and a filter program that takes what has one of the local addresses. */
export function encodeListFlows(family: number, locals: readonly Ip[]): Uint8Array {
  const conditions = locals.map(conditionOf);
  const whole = conditions.reduce((sum, each) => sum + BYTECODE_OP + each.length + BYTECODE_OP, -BYTECODE_OP);
  // Where to go on, counted from each operation: to the program's end is "take it", four octets farther is "leave it out".
  // A match falls into a jump to the end, because the way of a match is one octet only.
  let left = whole;
  const program = conditions.flatMap((condition) => {
    const length = BYTECODE_OP + condition.length;
    const test = (no: number): Uint8Array => join([u8(INET_DIAG_BC_S_COND), u8(length), u16(no), condition]);
    if (left === length) return [test(length + BYTECODE_OP)];
    left -= length;
    const jump = join([u8(INET_DIAG_BC_JMP), u8(BYTECODE_OP), u16(left)]);
    left -= BYTECODE_OP;
    return [test(length + BYTECODE_OP), jump];
  });
  return join([
    u8(family),
    u8(IPPROTO_TCP),
    u16(0),
    u32(ALL_STATES & ~(1 << TCP_LISTEN) & ~(1 << TCP_CLOSE)),
    new Uint8Array(SOCKET_ID),
    attribute(INET_DIAG_REQ_BYTECODE, join(program)),
  ]);
}

/** struct inet_diag_req_v2 with the whole name of one connection. */
export function encodeDestroy({ local, localPort, remote, remotePort }: Flow): Uint8Array {
  const address = (ip: Ip): Uint8Array => join([octetsOfIp(ip), new Uint8Array(isIpv4(ip) ? 12 : 0)]);
  const port = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value & 0xff);
  return join([
    u8(isIpv4(local) ? AF_INET : AF_INET6),
    u8(IPPROTO_TCP),
    u16(0),
    u32(ALL_STATES & ~(1 << TCP_LISTEN)),
    port(localPort),
    port(remotePort),
    address(local),
    address(remote),
    u32(0),
    NO_COOKIE,
  ]);
}

/** struct inet_diag_hostcond. */
function conditionOf(local: Ip): Uint8Array {
  const octets = octetsOfIp(local);
  return join([
    u8(isIpv4(local) ? AF_INET : AF_INET6),
    u8(octets.length * 8),
    u16(0),
    u32(0xffff_ffff), // any port
    octets,
  ]);
}

/** struct inet_diag_msg; an IPv4 address mapped into IPv6 is the IPv4 address. */
export function decodeFlow(payload: Uint8Array): Result<Flow, Malformed> {
  if (payload.length < MESSAGE) {
    return err({ kind: "short", what: "inet_diag_msg", have: payload.length, need: MESSAGE });
  }
  const family = u8Of(payload, 0);
  if (family !== AF_INET && family !== AF_INET6) {
    return err({ kind: "bad-value", what: "address family", length: family });
  }
  const words = view(payload);
  return ok({
    local: ipAt(payload, 8, family),
    localPort: words.getUint16(4),
    remote: ipAt(payload, 24, family),
    remotePort: words.getUint16(6),
  });
}

function ipAt(payload: Uint8Array, at: number, family: number): Ip {
  const octets = payload.subarray(at, at + 16);
  const mapped = octets.subarray(0, 10).every((octet) => octet === 0) && octets[10] === 0xff && octets[11] === 0xff;
  if (family === AF_INET) return ipOfOctets(octets.subarray(0, 4));
  return ipOfOctets(mapped ? octets.subarray(12) : octets);
}

const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const SOCK_DESTROY = 21;
/** A listener's cookie tells sockets apart that have had the same name one after another; here any will do. */
const NO_COOKIE = new Uint8Array(8).fill(0xff);
const IPPROTO_TCP = 6;
const INET_DIAG_REQ_BYTECODE = 1;
const INET_DIAG_BC_JMP = 1;
const INET_DIAG_BC_S_COND = 7;
/** Each is a test for every socket of the host. */
const ADDRESSES_AT_ONCE = 500;
const BYTECODE_OP = 4;
const SOCKET_ID = 48;
const MESSAGE = 72;
/** With 12, where a connection waits for the third segment of its handshake. */
const ALL_STATES = 0x1fff;
const TCP_CLOSE = 7;
const TCP_LISTEN = 10;
