/**
 * Microseconds per lease renewal, as pulse does it at each heartbeat, and for comparison through libnftables; and of an
 * rtnetlink question.  `sudo node bench/micro/leases.ts`; in a network namespace of its own.  Medians of rounds.
 */
import { formatIp, type Ip, ipv4, ipv6 } from "../../base/address.ts";
import { ms } from "../../base/unit.ts";
import { Fence } from "../../netstack/kernel/fence.ts";
import { VIP_TABLE } from "../../netstack/kernel/marks.ts";
import { createNamespace, deleteNamespace, inside } from "../../netstack/kernel/namespace.ts";
import { RouteSocket } from "../../netstack/kernel/netlink/route-socket.ts";
import { Nftables } from "../../netstack/kernel/nftables.ts";

const ROUNDS = 9;
const TIMES = 500;
const LEASE = ms(60_000);

const namespace = `nv${process.pid}bench`;
createNamespace(namespace);
try {
  inside(namespace, measure);
} finally {
  deleteNamespace(namespace);
}

function measure(): void {
  using fence = new Fence();
  using nft = new Nftables();
  using route = new RouteSocket();
  route.addVeth("e0", { name: "e1" });
  for (const count of [1, 2, 4, 8]) {
    const addresses = Array.from({ length: count }, (_, each): Ip => {
      return each % 2 === 0 ? ipv4(`192.0.2.${each + 1}`) : ipv6(`2001:db8::${each + 1}`);
    });
    fence.install(addresses.map((address) => ({ ifname: "e0", address })));
    report(`claim ${count}`, () => fence.claim(addresses, LEASE, LEASE, () => true));
    report(`renew ${count}`, () => fence.renew(addresses, LEASE));
  }
  const four = [1, 2, 3, 4].map((each) => ipv4(`192.0.2.${each}`));
  fence.claim(four, LEASE, LEASE, () => true);
  const keys = four.map(formatIp).join(", ");
  const timed = four.map((ip) => `${formatIp(ip)} timeout 60s`).join(", ");
  const script = ["ip", "netdev"].map(
    (family) =>
      `delete element ${family} ${VIP_TABLE} owned4 { ${keys} }\nadd element ${family} ${VIP_TABLE} owned4 { ${timed} }\n`,
  );
  report("renew 4, libnftables", () => nft.transaction(script.join("")));
  report("install, nothing to do", () => fence.install([{ ifname: "e0", address: ipv4("192.0.2.1") }]));
  report("get link", () => route.link("e0"));
  report("list addresses", () => route.addresses());
}

function report(what: string, run: () => void): void {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const start = performance.now();
    for (let each = 0; each < TIMES; each++) run();
    return ((performance.now() - start) * 1000) / TIMES;
  }).toSorted((a, b) => a - b);
  console.log(`${what.padEnd(24)} ${(rounds[ROUNDS >> 1] ?? 0).toFixed(1).padStart(8)} µs`);
}
