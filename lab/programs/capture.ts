/**
 * Captures what hosts send into the fabric, in its own process, into a pcapng file.  Its argument is a CaptureOrder; it says
 * {"kind":"capturing"}, ends at a line or the end of stdin, and says {"kind":"captured"} with what it could not keep.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { ipv4, ipv6 } from "../../base/address.ts";
import { SILENT } from "../../base/log.ts";
import { RouteSocket } from "../../netstack/kernel/netlink/route-socket.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { droppedFrames, ignoreOutgoing } from "../../netstack/kernel/packet-options.ts";
import { raiseScheduling } from "../../netstack/kernel/privileges.ts";
import { decodeSocketAddress } from "../../netstack/kernel/sockaddr.ts";
import { openPacket } from "../../netstack/kernel/sockets.ts";
import { filterFor } from "../capture/filter.ts";
import { enhancedPacket, interfaceDescription, sectionHeader } from "../capture/pcapng.ts";
import type { CaptureOrder } from "../capture.ts";
import { readOrders, say } from "./orders.ts";

const order = JSON.parse(process.argv[2] ?? "") as CaptureOrder;
// It measures others: what it is late itself would be taken for theirs.
raiseScheduling();
const loop = openLoop({ engine: "auto", chunkSize: 4096, chunks: 2048, log: SILENT });

const indexes = new Map<number, number>();
const blocks: Buffer[] = [sectionHeader()];
{
  using route = new RouteSocket();
  order.ports.forEach((port, index) => {
    indexes.set(route.indexOf(port), index);
    blocks.push(interfaceDescription(port, order.kept));
  });
}
const addresses = order.addresses.map((text) => (text.includes(":") ? ipv6(text) : ipv4(text)));
const ALL = 3;
const fd = openPacket({
  ifindex: 0,
  ethertype: ALL,
  stamp: true,
  receiveBuffer: 32 << 20,
  ...(order.everything ? {} : { filter: filterFor(addresses, order.kept) }),
});
ignoreOutgoing(fd);

const file = openSync(order.file, "w");
let pending = 0;
let frames = 0;
function flush(): void {
  for (const block of blocks.splice(0)) for (let at = 0; at < block.length; ) at += writeSync(file, block, at);
  pending = 0;
}

const socket = loop.datagrams(fd, {
  received(_, bytes, meta) {
    const from = decodeSocketAddress(meta.from);
    const index = from.kind === "link" ? indexes.get(from.ifindex) : undefined;
    // Other interfaces of the fabric show the same frame again: bridges, and the relay's side.
    if (index === undefined || meta.stamp === undefined) return;
    const kept = bytes.subarray(0, Math.min(bytes.length, order.kept));
    const block = enhancedPacket(index, meta.stamp, bytes.length, kept);
    blocks.push(block);
    frames++;
    pending += block.length;
    if (pending > 1 << 18) flush();
  },
});

let ending = false;
readOrders(loop, end, end);
flush();
say({ kind: "capturing" });
loop.run();

function end(): void {
  if (ending) return;
  ending = true;
  // What the kernel has queued by now comes with this turn and the next one.
  const drain = (turnsLeft: number): void => {
    if (turnsLeft > 0) return void loop.wakeAt(loop.now(), () => drain(turnsLeft - 1));
    const dropped = droppedFrames(fd);
    socket[Symbol.dispose]();
    flush();
    closeSync(file);
    say({ kind: "captured", frames, dropped });
    loop.stop();
  };
  drain(3);
}
