/**
 * Asks who has an address, by broadcast ARP or multicast neighbour solicitation, so that every host that would answer does:
 * asker.ts INTERFACE OWN-ADDRESS EVERY-MS ADDRESS…  (own IPv4 and IPv6 addresses comma-separated).  The answers are for a
 * capture to see; a neighbour cache would ask one host only, and seldom.
 */
import { readFileSync } from "node:fs";
import { type Ip, isIpv4, type Mac, parseIp, parseMac } from "../../base/address.ts";
import { SILENT } from "../../base/log.ts";
import { after, ms } from "../../base/unit.ts";
import { ifNameToIndex } from "../../netstack/kernel/libc.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { encodeLink } from "../../netstack/kernel/sockaddr.ts";
import { openPacket } from "../../netstack/kernel/sockets.ts";
import { arpRequest } from "../../netstack/wire/arp.ts";
import { ETHER_ARP } from "../../netstack/wire/ethernet.ts";
import { solicit } from "../../netstack/wire/ndp.ts";
import { readOrders, say } from "./orders.ts";

const [ifname = "", owns = "", every = "", ...addresses] = process.argv.slice(2);
const ip = (text: string): Ip => {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new TypeError(`asker: not an address: ${text}`);
  return parsed.value;
};
const own = owns.split(",").map(ip);
const parsedMac = parseMac(readFileSync(`/sys/class/net/${ifname}/address`, "utf8").trim());
if (!parsedMac.ok) throw new TypeError(`asker: ${ifname} has no Ethernet address`);
const mac: Mac = parsedMac.value;
const ifindex = ifNameToIndex(ifname);

const questions = addresses.map(ip).map((target) => {
  const from = own.find((each) => isIpv4(each) === isIpv4(target));
  if (isIpv4(target) && from !== undefined && isIpv4(from)) return arpRequest(mac, from, target);
  if (!isIpv4(target) && from !== undefined && !isIpv4(from)) return solicit(mac, from, target);
  throw new TypeError(`asker: no own address of the family of ${String(target)}`);
});

const loop = openLoop({ engine: "auto", chunkSize: 4096, chunks: 16, log: SILENT });
// Ethertype 0 receives nothing: the answers are for the capture.
const socket = loop.datagrams(openPacket({ ifindex, ethertype: 0 }), { received: () => undefined });
const to = encodeLink(ifindex, ETHER_ARP);
let asked = 0;
const ask = (): void => {
  for (const question of questions) socket.send(question, to);
  asked++;
  loop.wakeAt(after(loop.now(), ms(Number(every))), ask);
};
readOrders(
  loop,
  () => undefined,
  () => loop.stop(),
);
say({ kind: "asking" });
ask();
loop.run();
say({ kind: "asked", asked });
