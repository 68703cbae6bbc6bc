/** Copies of WireGuard's first messages of a handshake (type 1, 148 octets) that come to a port of this host. */
import type { Ip } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import {
  type BpfInstruction,
  DROP,
  JUMP_EQUAL,
  LOAD_HALF,
  LOAD_HALF_AT_X,
  LOAD_HEADER_LENGTH,
  LOAD_WORD,
  LOAD_WORD_AT_X,
  PASS,
} from "../../../netstack/kernel/bpf.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { decodeInet } from "../../../netstack/kernel/sockaddr.ts";
import { openRaw } from "../../../netstack/kernel/sockets.ts";

export class Initiations implements Disposable {
  readonly #sockets: readonly Disposable[];

  /** `heard`: the message, and where it came from. */
  constructor(loop: Loop, port: number, heard: (message: Uint8Array, from: Ip | undefined) => void) {
    this.#sockets = ([4, 6] as const).flatMap((family): readonly Disposable[] => {
      try {
        const fd = openRaw({ family, protocol: UDP, filter: filterOf(family, port) });
        return [
          loop.datagrams(fd, {
            received: (_socket, bytes, { from }) => {
              // With IPv4 the IP header is there, too; in front of the message is UDP's in both.
              if (bytes.length >= MESSAGE) heard(bytes.subarray(-MESSAGE), decodeInet(from)?.ip);
            },
          }),
        ];
      } catch (cause) {
        // A host without IPv6 has nothing to hear there.
        if (cause instanceof Fault) return [];
        throw cause;
      }
    });
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket[Symbol.dispose]();
  }
}

/** UDP's destination port and length, then the message type with its three zero octets. */
function filterOf(family: 4 | 6, port: number): readonly BpfInstruction[] {
  // Of an IPv4 raw socket packets begin with the IP header: what is loaded is counted from behind it.
  const [skip, half, word] =
    family === 4
      ? [[[LOAD_HEADER_LENGTH, 0, 0, 0]] satisfies BpfInstruction[], LOAD_HALF_AT_X, LOAD_WORD_AT_X]
      : [[], LOAD_HALF, LOAD_WORD];
  return [
    ...skip,
    [half, 0, 0, 2],
    [JUMP_EQUAL, 0, 5, port],
    [half, 0, 0, 4],
    [JUMP_EQUAL, 0, 3, LENGTH],
    [word, 0, 0, 8],
    [JUMP_EQUAL, 0, 1, INITIATION],
    PASS,
    DROP,
  ];
}

const UDP = 17;
const MESSAGE = 148;
const LENGTH = 8 + MESSAGE;
const INITIATION = 0x0100_0000;
