/** What is ours in the kernel (netstack/kernel/audit.ts) as the admin API shows it, and its removal. */
import { formatIp, formatPrefix } from "../base/address.ts";
import { audit, type Ours, remove, removeAll } from "../netstack/kernel/audit.ts";
import type { CleanupAnswer, OwnedThing } from "./admin/api.ts";
import type { Desired } from "./desired.ts";
import type { Events } from "./events.ts";

export function ownedThings(desired: Desired | undefined): readonly OwnedThing[] {
  return thingsOf(audit(), desired);
}

/** Removes what the running configuration does not want. */
export function cleanup(desired: Desired | undefined, dryRun: boolean): CleanupAnswer {
  const ours = audit();
  const things = thingsOf(ours, desired);
  const removed = things.filter(({ wanted }) => !wanted);
  const names = new Set(removed.map(({ kind, name }) => `${kind} ${name}`));
  if (!dryRun) {
    remove({
      ...ours,
      addresses: ours.addresses.filter((each) => names.has(`address ${addressName(each)}`)),
      tables: ours.tables.filter((each) => names.has(`nftables ${tableName(each)}`)),
    });
  }
  return { removed, kept: things.filter(({ wanted }) => wanted), dryRun };
}

/** Everything of ours: no child runs, so nothing of it is alive. */
export function removeLeftovers(events: Events): void {
  for (const { kind, name, detail } of thingsOf(removeAll(), undefined)) {
    events.emit("kernel.left-over-removed", { kind, name, detail }, "warn");
  }
}

function thingsOf(ours: Ours, desired: Desired | undefined): readonly OwnedThing[] {
  const segments = desired?.vips.segments ?? [];
  const wanted = new Set(segments.flatMap(({ vips }) => vips.flatMap((vip) => [vip.address4, vip.address6])));
  const fence = segments.length > 0;
  return [
    ...ours.addresses.map((address): OwnedThing => {
      const name = addressName(address);
      return { kind: "address", name, detail: `on ${address.ifname}`, wanted: wanted.has(name) };
    }),
    ...ours.tables.map(
      (table): OwnedThing => ({
        kind: "nftables",
        name: tableName(table),
        detail: "table: the fence around virtual IPs",
        wanted: fence,
      }),
    ),
    ...ours.routes.map(
      ({ destination, table }): OwnedThing => ({
        kind: "route",
        name: formatPrefix(destination),
        detail: `in table ${table}`,
        wanted: false,
      }),
    ),
    ...ours.rules.map(
      ({ preference, family }): OwnedThing => ({
        kind: "rule",
        name: String(preference),
        detail: family,
        wanted: false,
      }),
    ),
    ...ours.links.map(({ name, kind }): OwnedThing => ({ kind: "link", name, detail: kind ?? "", wanted: false })),
  ];
}

function addressName({ ip, prefixLength }: Ours["addresses"][number]): string {
  return `${formatIp(ip)}/${prefixLength}`;
}
function tableName({ family, name }: Ours["tables"][number]): string {
  return `${family} ${name}`;
}
