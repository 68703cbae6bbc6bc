/**
 * UDP from and to a port that another program's socket owns (a tunnel's): raw sockets, bound to the link and marked for it,
 * that see a copy of the STUN messages which arrive there.  WireGuard drops its own copy in silence.
 */
import { type Ip, isIpv4, octetsOfIp } from "../../../base/address.ts";
import {
  AND,
  type BpfInstruction,
  DROP,
  JUMP_AT_LEAST,
  JUMP_EQUAL,
  LOAD_HEADER_LENGTH,
  LOAD_LENGTH,
  LOAD_WORD,
  LOAD_WORD_AT_X,
  PASS,
} from "../../../netstack/kernel/bpf.ts";
import type { Datagrams, Loop } from "../../../netstack/kernel/loop.ts";
import { decodeInet, encodeInet } from "../../../netstack/kernel/sockaddr.ts";
import { openRaw } from "../../../netstack/kernel/sockets.ts";
import { MAGIC_COOKIE, type StunAddress } from "../../../netstack/stun/packet.ts";
import { checksum, checksum6 } from "../../../netstack/wire/checksum.ts";

export interface RawUdpParts {
  readonly loop: Loop;
  readonly ifname: string;
  /** As in the packet: shifted to its bits. */
  readonly mark: number;
  /** Own address on the link; it decides the family. */
  readonly local: Ip;
  /** The payload is valid until the call returns. */
  readonly received: (payload: Uint8Array, from: StunAddress, toPort: number) => void;
  /** The interface that it is bound to is gone; one that has its name now is another one. */
  readonly orphaned: () => void;
}

export class RawUdp implements Disposable {
  readonly local: Ip;
  readonly #socket: Datagrams;
  readonly #orphaned: () => void;

  constructor({ loop, ifname, mark, local, received, orphaned }: RawUdpParts) {
    this.local = local;
    this.#orphaned = orphaned;
    const v4 = isIpv4(local);
    const fd = openRaw({
      family: v4 ? 4 : 6,
      protocol: UDP,
      bind: local,
      device: ifname,
      mark,
      filter: v4 ? COOKIE_4 : COOKIE_6,
      receiveBuffer: 1 << 20,
    });
    this.#socket = loop.datagrams(fd, {
      received(_, bytes, { from, truncated }) {
        const sender = decodeInet(from);
        // IPv4 raw sockets are given the header, too.
        const at = v4 ? ((bytes[0] ?? 0) & 15) * 4 : 0;
        if (sender === undefined || truncated || bytes.length < at + HEADER) return;
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
        const length = view.getUint16(at + 4);
        if (length < HEADER || at + length > bytes.length) return;
        const source = { ip: sender.ip, port: view.getUint16(at) };
        received(bytes.subarray(at + HEADER, at + length), source, view.getUint16(at + 2));
      },
    });
  }

  /** 0, or a positive errno. */
  send(payload: Uint8Array, fromPort: number, to: StunAddress): number {
    const datagram = new Uint8Array(HEADER + payload.length);
    const view = new DataView(datagram.buffer);
    view.setUint16(0, fromPort);
    view.setUint16(2, to.port);
    view.setUint16(4, datagram.length);
    datagram.set(payload, HEADER);
    // RFC 768: a sum of zero is written as its complement.
    view.setUint16(6, this.#sum(datagram, to.ip) || 0xffff);
    const errno = this.#socket.send(datagram, encodeInet({ ip: to.ip, port: 0 }));
    if (errno === ENODEV || errno === ENXIO) this.#orphaned();
    return errno;
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #sum(datagram: Uint8Array, to: Ip): number {
    const { local } = this;
    if (!isIpv4(local) && !isIpv4(to)) return checksum6(local, to, UDP, datagram);
    const pseudo = new Uint8Array(12 + datagram.length);
    pseudo.set(octetsOfIp(local));
    pseudo.set(octetsOfIp(to), 4);
    pseudo[9] = UDP;
    pseudo[10] = datagram.length >> 8;
    pseudo[11] = datagram.length & 0xff;
    pseudo.set(datagram, 12);
    return checksum(pseudo);
  }
}

const ENXIO = 6;
const ENODEV = 19;
const UDP = 17;
const HEADER = 8;
/** STUN by its cookie, the second word of the payload; its first two bits are zero. */
const COOKIE_4: readonly BpfInstruction[] = [
  [LOAD_LENGTH, 0, 0, 0],
  [JUMP_AT_LEAST, 0, 6, 20 + HEADER + 20],
  [LOAD_HEADER_LENGTH, 0, 0, 0],
  [LOAD_WORD_AT_X, 0, 0, HEADER + 4],
  [JUMP_EQUAL, 0, 3, MAGIC_COOKIE],
  [LOAD_WORD_AT_X, 0, 0, HEADER],
  [AND, 0, 0, 0xc000_0000],
  [JUMP_EQUAL, 1, 0, 0],
  DROP,
  PASS,
];
const COOKIE_6: readonly BpfInstruction[] = [
  [LOAD_LENGTH, 0, 0, 0],
  [JUMP_AT_LEAST, 0, 3, HEADER + 20],
  [LOAD_WORD, 0, 0, HEADER + 4],
  [JUMP_EQUAL, 0, 1, MAGIC_COOKIE],
  PASS,
  DROP,
];
