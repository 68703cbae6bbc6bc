/** `novactl cleanup`: removes what is ours in the kernel. */
import type { CleanupAnswer, OwnedThing } from "../daemon/admin/api.ts";
import { type Action, type Call, CommandError, EXIT, isSet } from "./command.ts";
import { printed, table } from "./output.ts";

/** The running daemon keeps what its configuration wants; without one nothing is wanted. */
export const cleanup: Action = async (call) => {
  const dryRun = isSet(call, "dry-run");
  const answer = await call.client.call("POST /v1/cleanup", { dryRun }).catch((thrown: unknown) => {
    if (thrown instanceof CommandError && thrown.code === "NOT_RUNNING") return offline(dryRun);
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

function offline(_dryRun: boolean): Promise<CleanupAnswer> {
  throw new CommandError(EXIT.notRunning, "NOT_RUNNING", "the daemon does not run");
}
