/** `novactl get`: resources and what became of them. */
import type { LoadedResource, Status } from "../daemon/admin/api.ts";
import { KIND_NAMES, type Kind } from "../resources/names.ts";
import { type Action, type Call, CommandError, EXIT, flagOf, isSet } from "./command.ts";
import { idOf, kindFrom, nameFrom, qualified } from "./kind.ts";
import { ageOf, formatOf, paint, printed, table } from "./output.ts";
import { healthy, state, told } from "./status.ts";
import { WAN_COLUMNS } from "./wan-columns.ts";

export const get: Action = async (call) => {
  const [word = "", name] = call.arguments;
  const kinds = word.toLowerCase() === "all" ? (Object.keys(KIND_NAMES) as Kind[]) : [kindFrom(word)];
  const { resources } = await call.client.call("GET /v1/resources");
  const chosen = resources.filter((each) => kinds.some((kind) => kind === each.kind) && wanted(call, each, name));
  const [first] = chosen;
  if (name !== undefined && first === undefined) {
    throw new CommandError(EXIT.failed, "NOT_FOUND", `there is no ${kinds.join(", ")} ${name}`);
  }
  const format = formatOf(call);
  if (format === "name") {
    call.io.out(chosen.map((each) => `${kinds.length > 1 ? idOf(each) : each.name}\n`).join(""));
    return EXIT.ok;
  }
  // YAML is for people, who edit and apply it; JSON is for programs, which also want to know what became of it.
  const shown = chosen.map((each) => (format === "json" ? { ...each.manifest, status: each.status } : each.manifest));
  if (await printed(call, name === undefined ? listOf(shown) : shown[0])) return EXIT.ok;
  if (chosen.length === 0) {
    call.io.err("no resources found\n");
    return EXIT.ok;
  }
  const status = await call.client.call("GET /v1/status");
  const tables = kinds
    .map((kind) => chosen.filter((each) => each.kind === kind))
    .filter((each) => each.length > 0)
    .map((each) => `${kinds.length > 1 ? `${heading(call, each)}\n` : ""}${tableOf(call, each, status)}`);
  call.io.out(tables.join("\n"));
  return EXIT.ok;
};

function heading(call: Call, [first]: readonly LoadedResource[]): string {
  return paint(call.io, first?.kind ?? "", "dim");
}

function wanted(call: Call, resource: LoadedResource, name: string | undefined): boolean {
  const kind = resource.kind as Kind;
  const all = isSet(call, "all-namespaces");
  const space = flagOf(call, "namespace") ?? "default";
  if (name === undefined) {
    if (KIND_NAMES[kind].namespaced && !all && resource.namespace !== space) return false;
  } else {
    const place = nameFrom(call, kind, name);
    if (resource.name !== place.name || (!all && resource.namespace !== place.namespace)) return false;
  }
  return labelled(resource, flagOf(call, "selector"));
}

/** "a=b,c!=d,e": as kubectl reads equality selectors. */
function labelled(resource: LoadedResource, selector: string | undefined): boolean {
  if (selector === undefined || selector === "") return true;
  const labels = labelsOf(resource);
  return selector.split(",").every((term) => {
    const [, key = "", operator, value] = /^\s*([^=!\s]+)\s*(?:(!=|==?)\s*(.*?)\s*)?$/.exec(term) ?? [];
    if (key === "")
      throw new CommandError(EXIT.usage, "SELECTOR", `${JSON.stringify(term)} is not KEY=VALUE, KEY!=VALUE or KEY`);
    if (operator === undefined) return labels[key] !== undefined;
    return operator === "!=" ? labels[key] !== value : labels[key] === value;
  });
}

export function labelsOf(resource: LoadedResource): Readonly<Record<string, string>> {
  const metadata = resource.manifest["metadata"] as { readonly labels?: Readonly<Record<string, string>> } | undefined;
  return metadata?.labels ?? {};
}

/** As kubectl prints many; `novactl apply` takes it back. */
function listOf(items: readonly object[]): unknown {
  return { apiVersion: "v1", kind: "List", items };
}

type Row = Parameters<typeof table>[2][number];
interface Column {
  readonly head: string;
  readonly wide: boolean;
  readonly cell: (resource: LoadedResource, status: Status) => Row[number];
}

function tableOf(call: Call, resources: readonly LoadedResource[], status: Status): string {
  const kind = resources[0]?.kind as Kind;
  const wide = formatOf(call) === "wide";
  const spaces = isSet(call, "all-namespaces") && KIND_NAMES[kind].namespaced;
  const columns: readonly Column[] = [
    ...(spaces ? [column("NAMESPACE", (each) => each.namespace)] : []),
    column("NAME", (each) => each.name),
    ...COLUMNS[kind],
    column("AGE", (each) => {
      const at = each.status["loadedAt"];
      return typeof at === "number" ? ageOf(call.io.now() - at) : undefined;
    }),
    column("FILE", (each) => `${each.file}:${each.line}`, true),
  ].filter((each) => wide || !each.wide);
  const rows = resources.map((each) => columns.map(({ cell }) => cell(each, status)));
  return table(
    call.io,
    columns.map((each) => each.head),
    rows,
  );
}

function column(head: string, cell: Column["cell"], wide = false): Column {
  return { head, wide, cell };
}
function spec(resource: LoadedResource): Readonly<Record<string, unknown>> {
  return (resource.manifest["spec"] ?? {}) as Readonly<Record<string, unknown>>;
}
function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
function names(value: unknown): string {
  return list(value)
    .map((each) => (each as { readonly name: string }).name)
    .join(",");
}
function vipOf(resource: LoadedResource, status: Status): Status["vips"][number] | undefined {
  return status.vips.find((each) => each.name === resource.name);
}

const COLUMNS: Readonly<Record<Kind, readonly Column[]>> = {
  ProxyGateway: [
    column("VIP", (each) => spec(each)["vipRef"] as string | undefined),
    column("LISTENERS", (each) =>
      list(spec(each)["listeners"])
        .map((listener) => listener as { readonly name: string; readonly port: number })
        .map((listener) => `${listener.name}:${listener.port}`)
        .join(","),
    ),
    column("READY", (each, status) => {
      const own = status.listeners.filter((listener) => listener.gateway === qualified(each));
      const up = own.filter((listener) => listener.workers === listener.wanted && listener.wanted > 0).length;
      return `${up}/${own.length}`;
    }),
  ],
  ProxyRoute: [
    column("HOSTNAMES", (each) => list(spec(each)["hostnames"]).join(",") || "*"),
    column("GATEWAYS", (each) => names(spec(each)["parentRefs"])),
    column("RULES", (each) => list(spec(each)["rules"]).length),
  ],
  ProxyBackend: [
    column("LB-POLICY", (each) => (spec(each)["lbPolicy"] as string | undefined) ?? "RoundRobin"),
    column("ENDPOINTS", (each) => list(spec(each)["endpoints"]).length),
    column("HEALTHY", (each, status) => {
      const backend = status.backends.find((one) => one.name === qualified(each));
      return backend === undefined ? undefined : healthy(backend);
    }),
  ],
  ProxyVIP: [
    column("ADDRESS", (each, status) => vipOf(each, status)?.addresses.join(",") ?? address(each)),
    column("MODE", (each) => spec(each)["mode"] as string),
    column("FAMILY", (each, status) => familyOf(vipOf(each, status)?.addresses ?? [])),
    column("ACTIVE-NODE", (each, status) => vipOf(each, status)?.owner),
    column("STATE", (each, status) => {
      const vip = vipOf(each, status);
      return vip === undefined ? undefined : state(vip.state);
    }),
    column("PORTS", (each) => list(spec(each)["ports"]).join(","), true),
    column("INTERFACE", (each, status) => vipOf(each, status)?.ifname, true),
    column(
      "TOLD",
      (each, status) => {
        const vip = vipOf(each, status);
        return vip === undefined || vip.mode === "L2ARP" ? undefined : told(vip);
      },
      true,
    ),
    column("ELIGIBLE", (each, status) => vipOf(each, status)?.eligibleWhy, true),
  ],
  ProxyIPPool: [
    column("CIDRS", (each) =>
      list(spec(each)["cidrs"])
        .concat(list(spec(each)["addresses"]))
        .join(","),
    ),
    column("AUTO-ASSIGN", (each) => (spec(each)["autoAssign"] === false ? "false" : "true")),
    column("ALLOCATED", (each) => plain(each.status["allocated"])),
    column("AVAILABLE", (each) => plain(each.status["available"])),
  ],
  ...WAN_COLUMNS,
};

function plain(value: unknown): string | number | undefined {
  return typeof value === "string" || typeof value === "number" ? value : undefined;
}
function address(resource: LoadedResource): string {
  return [spec(resource)["address"], spec(resource)["ipv6Address"]]
    .filter((each) => typeof each === "string")
    .join(",");
}
function familyOf(addresses: readonly string[]): string | undefined {
  const v6 = addresses.some((each) => each.includes(":"));
  const v4 = addresses.some((each) => !each.includes(":"));
  if (v4 && v6) return "dual";
  return v6 ? "ipv6" : v4 ? "ipv4" : undefined;
}
