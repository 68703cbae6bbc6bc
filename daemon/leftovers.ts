/** What is ours in the kernel: found by its marks, listed for `doctor`, removed at start, at the end and by `cleanup`. */
import { formatIp } from "../base/address.ts";
import { Fault } from "../base/fault.ts";
import { ADDRESS_PROTOCOL } from "../netstack/kernel/marks.ts";
import { RouteSocket } from "../netstack/kernel/netlink/route-socket.ts";
import { Nftables } from "../netstack/kernel/nftables.ts";
import type { CleanupAnswer, OwnedThing } from "./admin/api.ts";
import type { Desired } from "./desired.ts";
import type { Events } from "./events.ts";

interface Found {
  readonly thing: OwnedThing;
  remove(route: RouteSocket, nft: Nftables): void;
}

export function ownedThings(desired: Desired | undefined): readonly OwnedThing[] {
  return found(desired).map(({ thing }) => thing);
}

/** Removes what the running configuration does not want. */
export function cleanup(desired: Desired | undefined, dryRun: boolean): CleanupAnswer {
  const all = found(desired);
  const removed = all.filter(({ thing }) => !thing.wanted);
  if (!dryRun) remove(removed);
  return {
    removed: removed.map(({ thing }) => thing),
    kept: all.filter(({ thing }) => thing.wanted).map(({ thing }) => thing),
    dryRun,
  };
}

/** Everything of ours: no child runs, so nothing of it is alive. */
export function removeLeftovers(events: Events): void {
  const all = found(undefined);
  for (const { thing } of all) events.emit("kernel.left-over-removed", { ...thing }, "warn");
  remove(all);
}

function remove(things: readonly Found[]): void {
  if (things.length === 0) return;
  using route = new RouteSocket();
  using nft = new Nftables();
  for (const each of things) each.remove(route, nft);
}

function found(desired: Desired | undefined): readonly Found[] {
  using route = new RouteSocket();
  const segments = desired?.vips.segments ?? [];
  const wanted = new Set(
    segments.flatMap(({ vips }) => vips.flatMap(({ address4, address6 }) => [address4, address6])).filter(Boolean),
  );
  const names = new Map(route.links().map(({ index, name }) => [index, name]));
  const addresses = route
    .addresses()
    .filter(({ protocol }) => protocol === ADDRESS_PROTOCOL)
    .map(({ ip, prefixLength, index }): Found => {
      const name = `${formatIp(ip)}/${prefixLength}`;
      return {
        thing: { kind: "address", name, detail: `on ${names.get(index) ?? index}`, wanted: wanted.has(name) },
        remove: (socket) => void socket.deleteAddress(ip, prefixLength, index),
      };
    });
  const tables = tablesOf().map(
    ({ family, name }): Found => ({
      thing: { kind: "nftables", name: `${family} ${name}`, detail: "table", wanted: segments.length > 0 },
      remove: (_, nft) => void nft.transaction(`delete table ${family} ${name}`),
    }),
  );
  return [...addresses, ...tables];
}

/** A host without libnftables has no tables of ours: pulse could not have made them. */
function tablesOf(): ReturnType<Nftables["listTables"]> {
  try {
    using nft = new Nftables();
    return nft.listTables();
  } catch (error) {
    if (error instanceof Fault && error.code === "LIBRARY_MISSING") return [];
    throw error;
  }
}
