/** A UDP port on a host of a test network: sends, and says what arrived.  Synchronous. */
import type { Ip } from "../../../base/address.ts";
import * as libc from "../../../netstack/kernel/libc.ts";
import { encodeInet } from "../../../netstack/kernel/sockaddr.ts";
import { openUdp } from "../../../netstack/kernel/sockets.ts";
import type { Host } from "./segment.ts";

export class Port implements Disposable {
  readonly #fd: number;
  readonly #buffer = new Uint8Array(2048);

  constructor(host: Host, ip: Ip, port = PORT) {
    this.#fd = host.do(() => openUdp({ bind: { ip, port }, freebind: true }));
  }

  /** Returns false when the kernel refused at once (EPERM: dropped on the way out). */
  send(to: Ip, text: string): boolean {
    const bytes = new TextEncoder().encode(text);
    const address = encodeInet({ ip: to, port: PORT });
    return libc.sendto(this.#fd, bytes, bytes.length, 0, address, address.length) >= 0;
  }

  /** The next datagram, waiting for it at most `patience` ms; undefined when none came. */
  next(patience = 0): string | undefined {
    if (poll(new Int32Array([this.#fd, 1]), 1, patience) <= 0) return undefined;
    const length = libc.must(libc.recv(this.#fd, this.#buffer, this.#buffer.length, 0), "recv");
    return new TextDecoder().decode(this.#buffer.subarray(0, length));
  }

  [Symbol.dispose](): void {
    libc.close(this.#fd);
  }
}

const PORT = 5353;
const poll = libc.declare<(fds: Int32Array, count: number, timeout: number) => number>("int poll(void *, ulong, int)");
