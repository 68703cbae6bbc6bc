/** A rehearsal (../rehearsal.ts) on the loop: a step a turn, and what it would tell the kernel goes to paper. */
import { isIpv4 } from "../../../base/address.ts";
import type { Loop } from "../../kernel/loop.ts";
import { RouteWriter } from "../../kernel/netlink/route-writer.ts";
import type { RouteChange } from "../event.ts";
import { Rehearsal } from "../rehearsal.ts";
import type { Gateway } from "./gateways.ts";
import { type KernelRouteParts, KernelRoutes } from "./kernel-routes.ts";
import { Shares } from "./shares.ts";

/** Ends by itself, or when it is disposed. */
export function rehearse(loop: Loop): Disposable {
  const queue: RouteChange[] = [];
  const shares = new Shares(loop, () => undefined);
  const kernel = new KernelRoutes({
    loop,
    route: paper(),
    shares,
    next: (most) => queue.splice(0, most),
    gateway: (ip): Gateway => ({ metric: 0, hops: isIpv4(ip) ? [{ gateway: ip, oif: 1 }] : [] }),
    warn: () => undefined, // nothing is refused on paper
  });
  kernel.plan({ table: 254, metric: 20, multipath: 1 });
  const rehearsal = new Rehearsal((changes) => {
    queue.push(...changes);
    kernel.changed();
  });
  let next: Disposable | undefined;
  const end = (): void => {
    next?.[Symbol.dispose]();
    kernel[Symbol.dispose]();
    shares[Symbol.dispose]();
  };
  const step = (): void => {
    if (rehearsal.step()) next = loop.wakeAt(loop.now(), step);
    else end();
  };
  next = loop.wakeAt(loop.now(), step);
  return { [Symbol.dispose]: end };
}

/** They are encoded, and that is all. */
function paper(): KernelRouteParts["route"] {
  const writer = new RouteWriter();
  return {
    routes: () => [],
    changeRoutes(orders) {
      writer.begin();
      orders.forEach((order, sequence) => {
        if (writer.put(order, sequence)) return;
        writer.finish();
        writer.begin();
        writer.put(order, sequence);
      });
      if (orders.length > 0) writer.finish();
      return [];
    },
  };
}
