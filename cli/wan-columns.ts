/** What `novactl get` shows of WAN links, policies and remote sites: the reference's columns, from what the daemon makes of them. */
import type { LoadedResource } from "../daemon/admin/api.ts";

interface Column {
  readonly head: string;
  readonly wide: boolean;
  readonly cell: (resource: LoadedResource) => string | number | undefined;
}

export const WAN_COLUMNS: Readonly<
  Record<"ProxyWANLink" | "ProxyWANPolicy" | "NovaEdgeRemoteCluster", readonly Column[]>
> = {
  ProxyWANLink: [
    column("SITE", spec("site")),
    column("INTERFACE", spec("interface")),
    column("ROLE", (each) => spec("role")(each) ?? "primary"),
    column("PROVIDER", spec("provider")),
    column("STATE", status("state")),
    column("WHY", status("why"), true),
  ],
  ProxyWANPolicy: [
    column("STRATEGY", (each) => inner(of(each, "spec", "pathSelection"), "strategy")),
    column("DSCP", (each) => inner(of(each, "spec", "pathSelection"), "dscpClass")),
    column("PRIORITY", (each) => spec("priority")(each) ?? 100),
    column("PATHS", status("paths")),
  ],
  NovaEdgeRemoteCluster: [
    column("CLUSTER", spec("clusterName")),
    column("REGION", spec("region")),
    column("ZONE", spec("zone"), true),
    column("PHASE", status("phase")),
    column("CONNECTED", status("connected")),
    column("TUNNELS", status("tunnels")),
  ],
};

function column(head: string, cell: Column["cell"], wide = false): Column {
  return { head, wide, cell };
}
function spec(field: string): Column["cell"] {
  return (resource) => inner(of(resource, "spec"), field);
}
function status(field: string): Column["cell"] {
  return ({ status }) => inner(status, field);
}
function of({ manifest }: LoadedResource, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((value, step) => (isMapping(value) ? value[step] : undefined), manifest);
}
function inner(value: unknown, field: string): string | number | undefined {
  const found = isMapping(value) ? value[field] : undefined;
  if (typeof found === "boolean") return String(found);
  return typeof found === "string" || typeof found === "number" ? found : undefined;
}
function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
