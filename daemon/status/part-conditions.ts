/** What data planes and pulse say that an operator should know. */
import type { VipReport } from "../../netstack/vip/plan.ts";
import type { DesiredCondition } from "../desired/desired.ts";
import type { Dataplanes } from "../parts/dataplanes.ts";
import type { Vips } from "../parts/vips.ts";
import type { Wan } from "../parts/wan.ts";

export interface ConditionParts {
  readonly dataplanes: Dataplanes;
  readonly vips: Vips;
  readonly wan: Wan;
}

export function partConditions({ dataplanes, vips, wan }: ConditionParts): readonly DesiredCondition[] {
  const none = (): undefined => undefined;
  const children = [vips.status(none), wan.status(none), ...dataplanes.status(none)]
    .filter((each) => each !== undefined)
    .filter(({ state }) => state === "silent" || state === "backoff")
    .map(({ name, state, lastEnd }): DesiredCondition => {
      const message = state === "silent" ? "does not answer" : `ended: ${lastEnd ?? "unknown"}; a restart is due`;
      return { code: "CHILD_DOWN", severity: "error", subject: name, message };
    });
  const listeners = [...dataplanes.failures].map(
    ([key, message]): DesiredCondition => ({ code: "LISTENER_FAILED", severity: "error", subject: key, message }),
  );
  const reports = [...vips.reports.values()].flatMap(({ report }) => vipConditions(report));
  const refused = dataplanes.refusals().map(
    ({ name, why }): DesiredCondition => ({
      code: "DATAPLANE_REFUSED",
      severity: "error",
      subject: name,
      message: why,
    }),
  );
  const drift: readonly DesiredCondition[] =
    vips.drift === undefined
      ? []
      : [
          {
            code: "KERNEL_DRIFT",
            severity: "warning",
            subject: "",
            message: `repaired what others had changed: ${vips.drift.what}`,
          },
        ];
  const { engine, why } = dataplanes.engine;
  const fallback: readonly DesiredCondition[] =
    engine === "epoll" && why !== "configured"
      ? [
          {
            code: "ENGINE_FALLBACK",
            severity: "info",
            subject: "dataplane",
            message: `epoll instead of io_uring: ${why}`,
          },
        ]
      : [];
  return [...children, ...listeners, ...refused, ...reports, ...drift, ...fallback];
}

function vipConditions({ name, state, why, conflictWith }: VipReport): readonly DesiredCondition[] {
  const subject = `ProxyVIP/${name}`;
  if (conflictWith !== undefined) {
    const message = `${conflictWith} answers for the address and is no node of ours`;
    return [{ code: "VIP_CONFLICT", severity: "error", subject, message }];
  }
  if (state === "no-link") return [{ code: "VIP_NO_LINK", severity: "error", subject, message: why }];
  return [];
}
