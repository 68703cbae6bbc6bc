/** Options of packet sockets beyond opening them (packet(7)): for captures and relays. */
import { Fault } from "../../base/fault.ts";
import { errnoName } from "./errno.ts";
import * as libc from "./libc.ts";
import type { Fd } from "./loop.ts";
import * as so from "./socket-options.ts";

/** Frames that this host sends are not received back. */
export function ignoreOutgoing(fd: Fd): void {
  so.setInt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
}

/**
 * Each frame is preceded by struct virtio_net_hdr (OFFLOAD_HEADER octets), received and sent: frames whose checksum the
 * sender left to the hardware stay whole when they are relayed as they are.
 */
export function carryOffload(fd: Fd): void {
  so.setInt(fd, SOL_PACKET, PACKET_VNET_HDR, 1, "PACKET_VNET_HDR");
}
export const OFFLOAD_HEADER = 10;

/** Frames that passed the filter and did not fit into the receive buffer, since the last call. */
export function droppedFrames(fd: Fd): number {
  const statistics = new Uint32Array(2); // struct tpacket_stats {packets, drops}
  const length = Uint32Array.of(8);
  const bytes = new Uint8Array(statistics.buffer);
  if (libc.getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, bytes, length) < 0)
    throw new Fault("KERNEL_CALL", { call: "getsockopt", option: "PACKET_STATISTICS", errno: errnoName(libc.errno()) });
  return statistics[1] ?? 0;
}

const SOL_PACKET = 263;
const PACKET_STATISTICS = 6;
const PACKET_VNET_HDR = 15;
const PACKET_IGNORE_OUTGOING = 23;
