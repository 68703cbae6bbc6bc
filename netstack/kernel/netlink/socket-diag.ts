/**
 * Which TCP connections this host has at one of its addresses.  Standards: sock_diag(7), include/uapi/linux/inet_diag.h.
 * Left out on purpose: listening sockets, TCP information, UDP, closing connections.
 */
import { type Ip, ipOfOctets, isIpv4, octetsOfIp } from "../../../base/address.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { AF_INET, AF_INET6 } from "../sockaddr.ts";
import { attribute, type Malformed } from "./attribute.ts";
import { ENOENT, NetlinkClient } from "./client.ts";
import { join, u8, u8Of, u16, u32, view } from "./octets.ts";

export interface Flow {
  readonly local: Ip;
  readonly localPort: number;
  readonly remote: Ip;
  readonly remotePort: number;
}

/** Connections that are not closed yet, of the network namespace that the calling thread is in. */
export class SocketDiag implements Disposable {
  readonly #client = new NetlinkClient(NETLINK_SOCK_DIAG, "NETLINK");

  /** Empty also when this kernel cannot tell (no CONFIG_INET_DIAG). */
  flows(local: Ip): readonly Flow[] {
    // Sockets of either family can carry IPv4.
    const families = isIpv4(local) ? [AF_INET, AF_INET6] : [AF_INET6];
    return families.flatMap((family) =>
      this.#client
        .dump("list connections", SOCK_DIAG_BY_FAMILY, encodeListFlows(family, local), [ENOENT])
        .flatMap((payload) => {
          const flow = decodeFlow(payload);
          if (!flow.ok) throw this.#client.malformed(flow.error);
          return flow.value.local === local ? [flow.value] : [];
        }),
    );
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}

/** struct inet_diag_req_v2, and a filter program of one condition: the local address. */
export function encodeListFlows(family: number, local: Ip): Uint8Array {
  const octets = octetsOfIp(local);
  const condition = join([
    u8(isIpv4(local) ? AF_INET : AF_INET6),
    u8(octets.length * 8),
    u16(0),
    u32(0xffff_ffff), // any port
    octets,
  ]);
  const length = BYTECODE_OP + condition.length;
  // Where to go on: past the end is "take it", four octets farther is "leave it out".
  const program = join([u8(INET_DIAG_BC_S_COND), u8(length), u16(length + 4), condition]);
  return join([
    u8(family),
    u8(IPPROTO_TCP),
    u16(0),
    u32(ALL_STATES & ~(1 << TCP_LISTEN) & ~(1 << TCP_CLOSE)),
    new Uint8Array(SOCKET_ID),
    attribute(INET_DIAG_REQ_BYTECODE, program),
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
const IPPROTO_TCP = 6;
const INET_DIAG_REQ_BYTECODE = 1;
const INET_DIAG_BC_S_COND = 7;
const BYTECODE_OP = 4;
const SOCKET_ID = 48;
const MESSAGE = 72;
/** With 12, where a connection waits for the third segment of its handshake. */
const ALL_STATES = 0x1fff;
const TCP_CLOSE = 7;
const TCP_LISTEN = 10;
