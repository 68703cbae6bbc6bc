/** A datagram socket on epoll: recvmsg into one buffer, a bounded number per turn. */
import koffi from "koffi";
import { CONTROL_MAX, metaOf } from "../datagram.ts";
import { EAGAIN, EINTR } from "../errno.ts";
import * as libc from "../libc.ts";
import type { DatagramHandler, Datagrams, Fd } from "../loop.ts";
import { SOCKADDR_MAX } from "../sockaddr.ts";
import type { EpollLoop } from "./epoll-loop.ts";
import { Part } from "./epoll-parts.ts";

export class EpollDatagrams extends Part implements Datagrams {
  readonly fd: Fd;
  private readonly on: DatagramHandler;
  /** Slow allocation: outside V8's heap, so its address stays, and alive as long as a handler may look at it. */
  private readonly bytes = Buffer.allocUnsafeSlow(HEAD + PAYLOAD);
  private readonly view = new DataView(this.bytes.buffer);
  private readonly address = Number(koffi.address(this.bytes));

  constructor(loop: EpollLoop, fd: Fd, on: DatagramHandler, slot: number) {
    super(loop, fd, slot);
    this.fd = fd;
    this.on = on;
    this.bytes.fill(0, 0, HEAD);
    this.aim(VECTOR, this.address + HEAD, PAYLOAD);
  }

  send(bytes: Uint8Array, to?: Uint8Array): number {
    if (this.disposed) throw new TypeError("a datagram after dispose");
    const sent = libc.sendto(this.fd, bytes, bytes.length, NO_SIGNAL, to ?? null, to?.length ?? 0);
    return sent < 0 ? libc.errno() : 0;
  }

  override happened(): void {
    for (let share = SHARE; share > 0 && !this.disposed; share--) {
      // recvmsg overwrites the lengths.
      this.aim(0, this.address + NAME, SOCKADDR_MAX);
      this.aim(16, this.address + VECTOR, 1);
      this.aim(32, this.address + CONTROL, CONTROL_MAX);
      const length = recvmsg(this.fd, this.address, MSG_DONTWAIT);
      if (length >= 0) {
        this.deliver(length);
        continue;
      }
      const errno = libc.errno();
      if (errno === EAGAIN) return;
      if (errno !== EINTR) this.on.failed?.(this, errno);
    }
  }
  protected override leave(): void {
    libc.close(this.fd);
  }

  private deliver(length: number): void {
    const { bytes, view } = this;
    const from = bytes.subarray(NAME, NAME + Math.min(view.getUint32(8, true), SOCKADDR_MAX));
    const control = Math.min(view.getUint32(40, true), CONTROL_MAX);
    const truncated = (view.getUint32(48, true) & MSG_TRUNC) !== 0;
    const meta = metaOf(bytes, view, CONTROL, CONTROL + control, from, truncated);
    this.on.received(this, bytes.subarray(HEAD, HEAD + length), meta);
  }

  /** A pointer and the length behind it. */
  private aim(at: number, address: number, length: number): void {
    this.view.setUint32(at, address % 2 ** 32, true);
    this.view.setUint32(at + 4, Math.floor(address / 2 ** 32), true);
    this.view.setUint32(at + 8, length, true);
  }
}

/** struct msghdr, struct iovec, the name, the control messages, then the payload. */
const VECTOR = 56;
const NAME = 128;
const CONTROL = NAME + SOCKADDR_MAX;
const HEAD = CONTROL + CONTROL_MAX;
const PAYLOAD = 65536;
const SHARE = 16;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const NO_SIGNAL = 0x4000;
const recvmsg = libc.declare<(fd: Fd, message: number, flags: number) => number>("long recvmsg(int, size_t, int)");
