/** Datagrams to one address, each a flow of its own, two thousand a second until it is ended: namespace, source, target. */
import { writeSync } from "node:fs";
import { SILENT } from "../../../../base/log.ts";
import { after, ms } from "../../../../base/unit.ts";
import { childArguments } from "../../../../netstack/kernel/arguments.ts";
import { inside } from "../../../../netstack/kernel/namespace.ts";
import { openLoop } from "../../../../netstack/kernel/open-loop.ts";
import { encodeInet } from "../../../../netstack/kernel/sockaddr.ts";
import { openRaw } from "../../../../netstack/kernel/sockets.ts";
import { ipOf } from "../plans.ts";
import { packetOf } from "../wire.ts";

const [namespace = "", source = "", destination = ""] = childArguments();
const loop = openLoop({ engine: "epoll", chunks: 16, log: SILENT });
const family = destination.includes(":") ? 6 : 4;
const fd = inside(namespace, () => openRaw({ family, protocol: 255 }));
const socket = loop.datagrams(fd, { received: () => undefined });
const to = encodeInet({ ip: ipOf(destination), port: 0 });
let sent = 0;
function send(): void {
  for (let each = 0; each < 2; each++) {
    const sourcePort = 1024 + (sent % 60_000);
    socket.send(packetOf({ source, destination, protocol: 17, sourcePort, destinationPort: 5060, dscp: 0 }), to);
    sent++;
  }
  loop.wakeAt(after(loop.now(), ms(1)), send);
}
send();
writeSync(1, "sending\n");
loop.run();
