/** What the admin API's calls do: glue between its server and the parts of the daemon. */
import { err, type Result } from "../../base/result.ts";
import type { Live } from "../config/live.ts";
import type { Control } from "../control.ts";
import { doctor } from "../doctor/doctor.ts";
import { cleanup } from "../leftovers.ts";
import { resourcesOf, type StatusParts, statusOf } from "../status/status.ts";
import type { Refusal } from "./api.ts";
import { routingActions } from "./routing-actions.ts";
import { type AdminActions, refusal } from "./server.ts";
import { wanActions } from "./wan-actions.ts";

export interface ActionParts extends StatusParts {
  /** SIGHUP and `reload` do the same. */
  readonly reload: (dryRun: boolean) => ReturnType<Live["reload"]>;
}

export function adminActions(parts: ActionParts): AdminActions {
  const { control, live } = parts;
  return {
    ...routingActions(parts),
    ...wanActions(parts),
    status: () => statusOf(parts),
    resources: (query) => resourcesOf(parts, query),
    apply: async ({ source, documents, dryRun }) =>
      unlessDraining(control, dryRun, () => live.apply(source, documents, dryRun)),
    diff: async ({ source, documents }) => live.diff(source, documents),
    remove: async (request) => unlessDraining(control, request.dryRun, () => live.remove(request)),
    reload: async ({ dryRun }) => unlessDraining(control, dryRun, () => parts.reload(dryRun)),
    doctor: async () => doctor(parts),
    cleanup: async ({ dryRun }) => cleanup(control.desired, dryRun),
  };
}

function unlessDraining<T>(control: Control, dryRun: boolean, act: () => Result<T, Refusal>): Result<T, Refusal> {
  if (control.draining && !dryRun) return err(refusal("BUSY", "the daemon is stopping"));
  return act();
}
