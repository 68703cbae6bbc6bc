/** The segment's own view: when the measured end said for the first time that its session is not up (kernel stamps). */
import { SILENT } from "../../base/log.ts";
import type { Lab } from "../../lab/build.ts";
import { fabricPort } from "../../lab/description.ts";
import { until } from "../../lab/peers/until.ts";
import type { DatagramMeta, Loop } from "../../netstack/kernel/loop.ts";
import { inside } from "../../netstack/kernel/namespace.ts";
import { RouteSocket } from "../../netstack/kernel/netlink/route-socket.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { openPacket } from "../../netstack/kernel/sockets.ts";

export interface Said {
  /** Milliseconds of the realtime clock. */
  readonly at: number;
  readonly up: boolean;
}

/** Control packets that host `x` sends. */
export class Watch implements Disposable {
  readonly #loop: Loop;
  #said: Said[] = [];

  constructor(lab: Lab) {
    this.#loop = openLoop({ engine: "epoll", chunks: 64, log: SILENT });
    const fd = inside(lab.fabric.namespace, () => {
      using route = new RouteSocket();
      const ifindex = route.indexOf(fabricPort("x:eth0"));
      return openPacket({ ifindex, ethertype: EVERYTHING, cooked: true, stamp: true, receiveBuffer: 1 << 24 });
    });
    this.#loop.datagrams(fd, { received: (_socket, bytes, meta) => this.#received(bytes, meta) });
  }

  /** The first of those that satisfies `fits`, among what is said from now on. */
  async first(what: string, fits: (said: Said) => boolean): Promise<Said> {
    return until(
      what,
      () => {
        for (let turn = 0; turn < 64; turn++) this.#loop.turn(false);
        return this.#said.find(fits);
      },
      { within: 30_000, every: 2 },
    );
  }
  forget(): void {
    for (let turn = 0; turn < 64; turn++) this.#loop.turn(false);
    this.#said = [];
  }

  [Symbol.dispose](): void {
    this.#loop[Symbol.dispose]();
  }

  #received(bytes: Uint8Array, meta: DatagramMeta): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    // On the fabric's end of the cable, what the host sends comes in.
    if (
      bytes.length < 52 ||
      bytes[0] !== 0x45 ||
      bytes[9] !== 17 ||
      meta.from[10] === OUTGOING ||
      view.getUint16(22) !== 3784
    )
      return;
    this.#said.push({ at: Number(meta.stamp ?? 0n) / 1e6, up: (bytes[29] ?? 0) >> 6 === 3 });
    if (this.#said.length > 100_000) this.#said.splice(0, 50_000);
  }
}

/** A bridge takes frames from its ports before sockets of one protocol see them. */
const EVERYTHING = 3;
const OUTGOING = 4;
