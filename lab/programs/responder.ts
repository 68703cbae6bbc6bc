/**
 * Answers UDP probes with its name: responder.ts NAME PORT ADDRESS…  The addresses need not be here yet: it is bound to each
 * one, so that answers leave from the address that was asked, whoever owns it.
 */
import { ipv4, ipv6 } from "../../base/address.ts";
import { SILENT } from "../../base/log.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { raiseScheduling } from "../../netstack/kernel/privileges.ts";
import { openUdp } from "../../netstack/kernel/sockets.ts";
import { QUESTION } from "../probe/udp.ts";
import { readOrders, say } from "./orders.ts";

const [name = "", port = "", ...addresses] = process.argv.slice(2);
// It measures others: what it is late itself would be taken for theirs.
raiseScheduling();
const loop = openLoop({ engine: "auto", chunkSize: 4096, chunks: 512, log: SILENT });
const text = Buffer.from(name);
for (const address of addresses) {
  const ip = address.includes(":") ? ipv6(address) : ipv4(address);
  const fd = openUdp({ bind: { ip, port: Number(port) }, freebind: true, receiveBuffer: 4 << 20 });
  loop.datagrams(fd, {
    received(socket, bytes, meta) {
      if (bytes.length >= QUESTION) socket.send(Buffer.concat([bytes.subarray(0, QUESTION), text]), meta.from);
    },
  });
}
readOrders(
  loop,
  () => undefined,
  () => loop.stop(),
);
say({ kind: "responding", name });
loop.run();
