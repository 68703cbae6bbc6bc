/** `novactl cleanup`: removes what is ours in the kernel, with the daemon or without. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { formatIp, formatPrefix } from "../base/address.ts";
import type { CleanupAnswer, OwnedThing } from "../daemon/admin/api.ts";
import type { Ours } from "../netstack/kernel/audit.ts";
import { type Action, type Call, CommandError, EXIT, isSet } from "./command.ts";
import { printed, table } from "./output.ts";

/** The running daemon keeps what its configuration wants; without one nothing is wanted. */
export const cleanup: Action = async (call) => {
  const dryRun = isSet(call, "dry-run");
  const answer = await call.client.call("POST /v1/cleanup", { dryRun }).catch((thrown: unknown) => {
    if (thrown instanceof CommandError && thrown.code === "NOT_RUNNING") return withoutDaemon(dryRun);
    throw thrown;
  });
  if (!(await printed(call, answer))) call.io.out(text(call, answer));
  return EXIT.ok;
};

function text({ io }: Call, { removed, kept, dryRun }: CleanupAnswer): string {
  const rows = (things: readonly OwnedThing[], fate: string): string[][] =>
    things.map((each) => [fate, each.kind, each.name, each.detail]);
  const all = [...rows(removed, dryRun ? "would go" : "removed"), ...rows(kept, "kept")];
  return all.length === 0 ? "nothing of ours is in the kernel\n" : table(io, ["", "KIND", "NAME", "DETAIL"], all);
}

async function withoutDaemon(dryRun: boolean): Promise<CleanupAnswer> {
  const running = runningHere();
  if (running !== undefined) {
    // A daemon behind another socket serves with what would be removed.
    const message = `novaedge runs here (process ${running}), but not behind this socket`;
    throw new CommandError(EXIT.failed, "RUNNING", message, "--socket names its admin socket");
  }
  const { audit, removeAll } = await import("../netstack/kernel/audit.ts");
  return { removed: thingsOf(dryRun ? audit() : removeAll()), kept: [], dryRun };
}

/** A process of ours in this network namespace. */
function runningHere(): number | undefined {
  const here = readlinkSync("/proc/self/ns/net");
  const processes = readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name));
  const found = processes.find((pid) => {
    try {
      // Not "novaedge.prerm", the package's script that may have called us.
      const named = /^novaedge(:|$)/m.test(readFileSync(`/proc/${pid}/comm`, "utf8"));
      return named && readlinkSync(`/proc/${pid}/ns/net`) === here;
    } catch (thrown) {
      // It ended meanwhile, or is somebody else's: then it is not ours.
      if (thrown instanceof Error && "code" in thrown) return false;
      throw thrown;
    }
  });
  return found === undefined ? undefined : Number(found);
}

export function thingsOf(ours: Ours): readonly OwnedThing[] {
  const thing = (kind: OwnedThing["kind"], name: string, detail: string): OwnedThing => ({
    kind,
    name,
    detail,
    wanted: false,
  });
  return [
    ...ours.addresses.map((each) => thing("address", `${formatIp(each.ip)}/${each.prefixLength}`, `on ${each.ifname}`)),
    ...ours.routes.map((each) => thing("route", formatPrefix(each.destination), `table ${each.table}`)),
    ...ours.rules.map((each) => thing("rule", String(each.preference), `table ${each.table}`)),
    ...ours.links.map((each) => thing("link", each.name, `index ${each.index}`)),
    ...ours.tables.map((each) => thing("nftables", `${each.family} ${each.name}`, "table")),
  ];
}
