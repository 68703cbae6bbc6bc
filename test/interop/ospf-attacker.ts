/**
 * A station that attacks OSPFv2 routers on its link: well-formed packets of every kind from many senders, and the same with
 * octets changed and the checksum put right again, so that they get as far as they can.
 *
 *   node test/interop/ospf-attacker.ts '{"ifname":"eth0","rounds":30,"each":1000,"sources":["10.0.0.2"],"victim":"1.1.1.1"}'
 */
import { ipv4, octetsOfIp } from "../../base/address.ts";
import { SILENT } from "../../base/log.ts";
import { after, ms } from "../../base/unit.ts";
import { RouteSocket } from "../../netstack/kernel/netlink/route-socket.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { openPacket } from "../../netstack/kernel/sockets.ts";
import { DIGESTS } from "../../netstack/ospf/driver/digests.ts";
import { INITIAL_SEQUENCE, MAX_AGE } from "../../netstack/ospf/packet/lsa.ts";
import { encodeLsa } from "../../netstack/ospf/packet/lsa-encode.ts";
import type { Packet } from "../../netstack/ospf/packet/packet.ts";
import { seal } from "../../netstack/ospf/packet/seal.ts";
import { checksum } from "../../netstack/wire/checksum.ts";
import { Random } from "../fuzz/random.ts";

interface Order {
  readonly ifname: string;
  readonly rounds: number;
  readonly each: number;
  /** More senders than those of the subnet: the victim's peers. */
  readonly sources: readonly string[];
  readonly victim: string;
}

const order = JSON.parse(process.argv[2] ?? "") as Order;
const random = new Random(1);
const loop = openLoop({ engine: "auto", chunks: 16, log: SILENT });
using route = new RouteSocket();
const fd = openPacket({ ifindex: route.indexOf(order.ifname), ethertype: 0x88b5 });
const socket = loop.datagrams(fd, { received: () => undefined });
const [subnet, group, victim] = [ipv4("10.0.0.0"), ipv4("224.0.0.5"), ipv4(order.victim)];
const spoofed = order.sources.map(ipv4);

function frame(): Uint8Array {
  const among = random.u32() % 8 === 0 ? spoofed[random.u32() % Math.max(1, spoofed.length)] : undefined;
  const source = among ?? ((subnet + 100 + (random.u32() % 150)) as typeof subnet);
  const packet = packetOf(random.u32() % 4 === 0 ? 0x02020202 : random.u32() % 5000);
  const sealed = seal(packet, { kind: "none" }, { source, destination: group }, 0n, DIGESTS);
  if (random.u32() % 2 === 0) mutate(sealed);
  const ip = new Uint8Array(20);
  ip.set([0x45, 0xc0, (20 + sealed.length) >> 8, (20 + sealed.length) & 255, 0, 0, 0, 0, 1, 89]);
  ip.set(octetsOfIp(source), 12);
  ip.set(octetsOfIp(group), 16);
  const sum = checksum(ip);
  ip.set([sum >> 8, sum & 255], 10);
  return Uint8Array.from([0x01, 0, 0x5e, 0, 0, 5, 2, 0, 0, 0, 0, 0x66, 8, 0, ...ip, ...sealed]);
}

/** Some octets anew, the checksum right again. */
function mutate(sealed: Uint8Array): void {
  for (let left = 1 + (random.u32() % 4); left > 0; left--) sealed[random.u32() % sealed.length] = random.u32() & 255;
  sealed.fill(0, 12, 14);
  const covered = Uint8Array.from([...sealed.subarray(0, 16), ...sealed.subarray(24)]);
  const sum = checksum(covered);
  sealed.set([sum >> 8, sum & 255], 12);
}

function packetOf(routerId: number): Packet {
  const head = { version: 2, routerId: routerId + 1, areaId: 0, instanceId: 0 } as const;
  const key = { type: 1 + (random.u32() % 11), id: random.u32(), advertisingRouter: 0x02020202 };
  const age = random.u32() % 2 === 0 ? MAX_AGE : 1;
  const lsa = encodeLsa(
    2,
    {
      id: 0x02020202,
      advertisingRouter: 0x02020202,
      options: 2,
      age,
      sequence: INITIAL_SEQUENCE + (random.u32() % 100),
    },
    { kind: "router", border: true, external: true, virtual: false, translator: false, options: 0, links: [] },
  );
  switch (random.u32() % 5) {
    case 0: {
      const timing = { helloInterval: 1, deadInterval: 4, priority: 0 };
      const interfaceId = 0;
      return {
        kind: "hello",
        ...head,
        maskLength: 24,
        interfaceId,
        options: 2,
        ...timing,
        dr: 0,
        bdr: 0,
        neighbors: [victim],
      };
    }
    case 1: {
      const flags = { init: random.u32() % 2 === 0, more: true, master: true };
      return {
        kind: "database-description",
        ...head,
        mtu: 1500,
        options: 2,
        ...flags,
        sequence: random.u32(),
        headers: [lsa.header],
      };
    }
    case 2:
      return { kind: "request", ...head, wanted: Array.from({ length: 100 }, () => key) };
    case 3:
      return { kind: "update", ...head, lsas: [lsa, lsa] };
    default:
      return { kind: "acknowledgement", ...head, headers: [lsa.header] };
  }
}

function round(left: number): void {
  if (left === 0) {
    process.stdout.write("done\n");
    return loop.stop();
  }
  for (let count = order.each; count > 0; count--) socket.send(frame());
  loop.wakeAt(after(loop.now(), ms(100)), () => round(left - 1));
}

round(order.rounds);
loop.run();
loop[Symbol.dispose]();
