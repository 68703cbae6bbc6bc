/**
 * A process that holds a lease, for tests that kill or freeze it.  Arguments: lease in ms, "renew" or "once", then
 * optionally an interface on which it shouts an ARP announcement of the IPv4 address and an unsolicited neighbour
 * advertisement of the IPv6 address every 5 ms, each round followed by a frame of another kind.
 */
import type { Ipv4, Ipv6 } from "../../../../base/address.ts";
import { ms } from "../../../../base/unit.ts";
import { Fence } from "../../../../netstack/kernel/fence.ts";
import * as libc from "../../../../netstack/kernel/libc.ts";
import { RouteSocket } from "../../../../netstack/kernel/netlink/route-socket.ts";
import { openPacket } from "../../../../netstack/kernel/sockets.ts";
import { arpAnnouncement } from "../../../../netstack/wire/arp.ts";
import { unsolicitedAdvertisement } from "../../../../netstack/wire/ndp.ts";
import { NET } from "../station.ts";

const [lease = "300", how = "once", ifname] = process.argv.slice(2);
const fence = new Fence();
const addresses = [NET.vip4, NET.vip6] as const;
fence.claim(addresses, ms(Number(lease)), ms(10_000), () => true);
if (how === "renew") {
  // It does not look at the clock nor at the answer: it believes for ever that it is the owner.
  setInterval(() => {
    fence.renew(addresses, ms(Number(lease)));
  }, 10);
}
if (ifname !== undefined) shout(ifname);
process.stdout.write("ready\n");
setTimeout(() => process.exit(), 30_000);

function shout(name: string): void {
  using route = new RouteSocket();
  const link = route.link(name);
  if (link?.mac === undefined) throw new Error(`no ${name}`);
  const { mac } = link;
  const socket = openPacket({ ifindex: link.index, ethertype: 3 });
  const marker = new Uint8Array(60);
  marker.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
  const frames = [
    arpAnnouncement(mac, NET.vip4 as Ipv4, "request"),
    arpAnnouncement(mac, NET.vip4 as Ipv4, "reply"),
    unsolicitedAdvertisement(mac, NET.vip6 as Ipv6),
  ];
  setInterval(() => {
    for (const frame of [...frames, marker]) libc.sendto(socket, frame, frame.length, 0, null, 0);
  }, 5);
}
