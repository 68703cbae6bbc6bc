/**
 * The admin API: what `novactl` and the daemon say to each other.  HTTP/1.1 with JSON bodies on a Unix socket (mode
 * 0660: access to the file is the permission).  Types and paths only, no code that runs in one side alone.
 *
 * Every answer but 2xx carries a `Refusal`.  Streams (`events`) are JSON lines.  Times are milliseconds since the epoch,
 * durations milliseconds.  Fields are added, never renamed: both sides may be of different versions.
 */
import type { FaultCode } from "../../base/fault.ts";
import type { Level } from "../../base/log.ts";
import type { PeerReport, VipState } from "../../netstack/vip/plan.ts";
import type { Diagnostic } from "../../resources/diagnostic.ts";
import type { RoutedVipReport } from "../routing/words.ts";
import type { RoutingCalls, RoutingSummary } from "./routing-api.ts";
import type { WanCalls, WanSummary } from "./wan-api.ts";

/** Method, path, request body (or query) and answer of each call. */
export interface AdminCalls extends RoutingCalls, WanCalls {
  readonly "GET /v1/status": { readonly request: undefined; readonly answer: Status };
  /** Query: `kind`, `namespace`, `name` narrow the list. */
  readonly "GET /v1/resources": { readonly request: undefined; readonly answer: ResourceList };
  readonly "POST /v1/apply": { readonly request: ApplyRequest; readonly answer: ApplyAnswer };
  readonly "POST /v1/diff": { readonly request: DiffRequest; readonly answer: DiffAnswer };
  readonly "POST /v1/delete": { readonly request: DeleteRequest; readonly answer: ApplyAnswer };
  readonly "POST /v1/reload": { readonly request: ReloadRequest; readonly answer: ReloadAnswer };
  /** Query: `after` (a sequence number), `limit`, `follow=1`. Answer: one `AdminEvent` a line; with `follow` it never ends. */
  readonly "GET /v1/events": { readonly request: undefined; readonly answer: AdminEvent };
  readonly "GET /v1/doctor": { readonly request: undefined; readonly answer: DoctorAnswer };
  /** Removes what is ours in the kernel and not wanted by the running configuration. */
  readonly "POST /v1/cleanup": { readonly request: CleanupRequest; readonly answer: CleanupAnswer };
}
export type AdminCall = keyof AdminCalls;

/**
 * The body of every answer that is not 2xx.
 * 400 `BAD_REQUEST`, 404 `NOT_FOUND` (no such path or resource), 405 `METHOD`, 413 `TOO_LARGE`, 409 `BUSY` (the daemon is
 * stopping) and `NOT_ROUTING`, `NO_WAN` (the routing or the wan process does not run), 422 `INVALID` (documents refused: see `problems`; nothing changed), 500 a FaultCode or `INTERNAL`.
 */
export interface Refusal {
  readonly code: RefusalCode | FaultCode;
  readonly message: string;
  readonly problems: readonly Problem[];
}

export type RefusalCode =
  | "BAD_REQUEST"
  | "NOT_FOUND"
  | "METHOD"
  | "TOO_LARGE"
  | "BUSY"
  | "NOT_ROUTING"
  | "NO_WAN"
  | "INVALID"
  | "INTERNAL";

/** A finding in a document; `formatDiagnostic` prints it. */
export type Problem = Diagnostic;

export interface Status {
  readonly version: string;
  readonly node: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly uptime: number;
  readonly phase: "starting" | "ready" | "degraded" | "draining";
  /** Socket engine of the data planes: "io_uring", "epoll", or "" before the first hello; and why that one. */
  readonly engine: string;
  readonly engineWhy: string;
  readonly configuration: ConfigurationStatus;
  readonly processes: readonly ProcessStatus[];
  readonly conditions: readonly Condition[];
  readonly vips: readonly VipStatus[];
  readonly peers: readonly PeerReport[];
  readonly routing: RoutingSummary;
  /** undefined: this host has no WAN links. */
  readonly wan?: WanSummary | undefined;
  readonly listeners: readonly ListenerStatus[];
  readonly backends: readonly BackendStatus[];
}

interface ConfigurationStatus {
  /** Counts the configurations taken into force since the start. */
  readonly generation: number;
  /** Of the content; equal on hosts that run equal resources. */
  readonly hash: string;
  readonly loadedAt: number;
  readonly settingsFile: string;
  readonly resourceDir: string;
  /** Of the last attempt that was refused; empty when the running configuration is what the files say. */
  readonly problems: readonly Problem[];
}

export interface ProcessStatus {
  /** "control", "pulse", "dataplane/0" … */
  readonly name: string;
  readonly pid: number | undefined;
  readonly state: "starting" | "up" | "silent" | "backoff" | "stopping" | "stopped";
  readonly startedAt: number | undefined;
  readonly restarts: number;
  /** Of the last end: "exit 1", "signal SIGKILL", "no answer for 2000 ms"; undefined before the first one. */
  readonly lastEnd: string | undefined;
  /** Resident memory, octets. */
  readonly memory: number | undefined;
}

/** What is wrong or remarkable now, by code; conditions go away with their cause. */
export interface Condition {
  readonly code: ConditionCode;
  readonly severity: "info" | "warning" | "error";
  /** What it is about: a resource ("ProxyVIP/web"), a process, a file; "" for the whole node. */
  readonly subject: string;
  readonly message: string;
  readonly since: number;
}
export type ConditionCode =
  | "CONFIG_REFUSED"
  | "CONFIG_WARNING"
  | "RESTART_NEEDED"
  | "CHILD_DOWN"
  | "DATAPLANE_REFUSED"
  | "LISTENER_FAILED"
  | "VIP_INELIGIBLE"
  | "VIP_CONFLICT"
  | "VIP_NO_LINK"
  | "VIP_NO_INTERFACE"
  | "POOL_EXHAUSTED"
  | "POOL_MISSING"
  | "POOL_OUTSIDE"
  | "ADDRESS_ALLOCATED"
  | "BACKEND_DOWN"
  | "ENGINE_FALLBACK"
  | "KERNEL_DRIFT"
  | "ROUTING_INCOMPLETE"
  | "ROUTING_DOWN"
  | "VIP_NOT_ANNOUNCED"
  | "LB_NOT_CONSISTENT"
  | "BGP_PEER_DOWN"
  | "BGP_MAX_PREFIX"
  | "OSPF_NO_NEIGHBOR"
  | "BFD_DOWN"
  | "WAN_INCOMPLETE"
  | "WAN_KEY"
  | "LINK_DOWN"
  | "LINK_DEGRADED"
  | "TUNNEL_DOWN"
  | "TUNNEL_NO_HANDSHAKE"
  | "TUNNEL_RELAYED"
  | "PATH_DEAD"
  | "PATH_BAD"
  | "NO_PATH"
  | "QUOTA_SPENT";

export interface VipStatus {
  readonly name: string;
  readonly mode: string;
  /** With prefix length; one or both families. */
  readonly addresses: readonly string[];
  readonly ifname: string;
  /** Of mode L2ARP, or of the others. */
  readonly state: VipState | RoutedVipReport["state"] | "unknown";
  /** Node name of the owner as far as known here. */
  readonly owner: string | undefined;
  readonly term: number;
  /** Why it is in this state. */
  readonly why: string;
  readonly eligible: boolean;
  /** Why the health gate says so. */
  readonly eligibleWhy: string;
  readonly priority: number;
  readonly conflictWith: string | undefined;
  readonly since: number | undefined;
  readonly failovers: number;
  /** Modes BGP and OSPF: who is told of it, and how the session or adjacency with them is. */
  readonly neighbors: readonly VipNeighbor[];
}
export interface VipNeighbor {
  /** A BGP peer's name, or "OSPFv2 192.0.2.1 on eth0". */
  readonly name: string;
  readonly state: string;
  readonly bfd: string | undefined;
}

export interface ListenerStatus {
  /** "gateway/listener@address:port" */
  readonly key: string;
  readonly gateway: string;
  readonly name: string;
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
  /** Workers that accept on it now, and workers that should. */
  readonly workers: number;
  readonly wanted: number;
  /** Why it does not listen, when it does not. */
  readonly problem: string | undefined;
}

export interface BackendStatus {
  readonly name: string;
  readonly lbPolicy: string;
  readonly checked: boolean;
  readonly endpoints: readonly EndpointStatus[];
}
export interface EndpointStatus {
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** "unchecked": the backend has no health check; "unknown": no verdict yet. */
  readonly health: "healthy" | "unhealthy" | "unknown" | "unchecked";
  readonly why: string;
  readonly since: number | undefined;
}

export interface ResourceList {
  readonly generation: number;
  readonly resources: readonly LoadedResource[];
}
export interface LoadedResource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Where it was read. */
  readonly file: string;
  readonly line: number;
  /** The document as written (parsed, defaults not filled in): apiVersion, kind, metadata, spec. */
  readonly manifest: Readonly<Record<string, unknown>>;
  /** Lines for `describe` and `why`: what the daemon makes of it now. */
  readonly status: Readonly<Record<string, unknown>>;
}

export interface ApplyRequest {
  /** YAML, one or many documents. */
  readonly documents: string;
  /** What messages call the text: a file name or "<stdin>". */
  readonly source: string;
  readonly dryRun: boolean;
}
export interface ApplyAnswer {
  readonly changes: readonly Change[];
  readonly warnings: readonly Problem[];
  readonly dryRun: boolean;
  /** In force when the call returns (unchanged by a dry run). */
  readonly generation: number;
}
export interface Change {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly change: "created" | "configured" | "unchanged" | "deleted";
  /** The file written or removed. */
  readonly file: string;
}
export interface DiffRequest {
  readonly documents: string;
  readonly source: string;
}
export interface DiffAnswer {
  readonly changes: readonly (Change & { readonly fields: readonly FieldChange[] })[];
  readonly warnings: readonly Problem[];
}
/** `path` like "spec.rules[0].matches"; undefined before = added, undefined after = removed. */
export interface FieldChange {
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
}
export interface DeleteRequest {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly dryRun: boolean;
}

export interface ReloadRequest {
  /** Only says whether the files would be accepted. */
  readonly dryRun: boolean;
}
export interface ReloadAnswer {
  readonly changed: boolean;
  /** What, a line each: settings, resources, and files that they name, such as keys. */
  readonly changes: readonly string[];
  readonly generation: number;
  readonly hash: string;
  readonly warnings: readonly Problem[];
}

/** A decision with its reasons; `name` is stable and dotted ("vip.moved", "child.ended"). */
export interface AdminEvent {
  readonly seq: number;
  readonly at: number;
  readonly level: Level;
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface DoctorAnswer {
  readonly checks: readonly DoctorCheck[];
  readonly owned: readonly OwnedThing[];
}
export interface DoctorCheck {
  /** Stable: "kernel.version", "kernel.io-uring", "capability.net-admin", "port.80", "conflict.keepalived" … */
  readonly name: string;
  readonly verdict: "ok" | "warning" | "error";
  readonly message: string;
  /** What to do about it. */
  readonly hint: string | undefined;
}
/** Something of ours in the kernel. */
export interface OwnedThing {
  readonly kind: "address" | "route" | "rule" | "nftables" | "link" | "sysctl";
  readonly name: string;
  readonly detail: string;
  /** The running configuration wants it. */
  readonly wanted: boolean;
}

export interface CleanupRequest {
  readonly dryRun: boolean;
}
export interface CleanupAnswer {
  readonly removed: readonly OwnedThing[];
  readonly kept: readonly OwnedThing[];
  readonly dryRun: boolean;
}
