/** Settings of one node: /etc/novaedge/novaedge.yaml.  What a node is; resources say what it serves. */
import * as z from "zod";
import { err, ok, type Result } from "../base/result.ts";
import { bfdSettings } from "./bfd.ts";
import { bgpSettings } from "./bgp.ts";
import { check, diagnosticAt } from "./check.ts";
import type { Diagnostic } from "./diagnostic.ts";
import type { SourceFile } from "./load.ts";
import { labels } from "./metadata.ts";
import { ospfSettings } from "./ospf.ts";
import { routingConsistency } from "./routing-consistency.ts";
import { absoluteFile, duration, integer, interfaceName, ip, nodeName, port, unicast } from "./scalar.ts";
import { sdwanSettings } from "./sdwan.ts";
import { parseYaml } from "./yaml.ts";

const heartbeat = z.strictObject({
  interval: duration("10ms", "1s")
    .refine(Number.isInteger, { error: "a duration of whole milliseconds" })
    .prefault("100ms")
    .describe("Time between two heartbeats to the other nodes."),
  multiplier: integer(2, 10)
    .default(3)
    .describe("Heartbeats missed before a node counts as dead: it is detected after interval × multiplier."),
  port: port.default(9477).describe("UDP port of the heartbeats; equal on all nodes of a segment."),
});

export const settingsSchema = z
  .strictObject({
    node: z
      .strictObject({
        name: nodeName.optional().describe("Unique on the segment. Without it: the host's name, in lower case."),
        labels: labels.default({}).describe("What node selectors select by."),
        priority: integer(1, 255)
          .default(100)
          .describe(
            "The higher one wins among nodes that may own a virtual IP; `l2.priorities` of a VIP stands above it.",
          ),
      })
      .prefault({})
      .describe("This node."),
    l2: z
      .strictObject({
        heartbeat: heartbeat.prefault({}).describe("How nodes of a segment watch each other."),
        interface: interfaceName
          .optional()
          .describe("Interface of virtual IPs that name none. Without it: the one whose network contains the address."),
        peers: z
          .array(unicast)
          .max(31, "at most 31 peers")
          .default([])
          .describe(
            "Addresses of the other nodes, where multicast does not pass. Empty: the link-local multicast group.",
          ),
        witnesses: z
          .union([z.enum(["auto", "none"]), z.array(unicast).min(1).max(8)], {
            error: "auto, none, or a list of addresses",
          })
          .default("auto")
          .describe(
            "Addresses that answer while this node's link works; a node that hears neither a peer nor a witness gives its virtual IPs up. `auto`: the default gateway of the interface.",
          ),
        keyFile: absoluteFile
          .default("/etc/novaedge/l2.key")
          .describe("File with the secret of the segment's nodes: 64 hexadecimal digits, readable by root alone."),
      })
      .prefault({})
      .describe("L2 virtual IPs."),
    bgp: bgpSettings.optional().describe("The BGP router of this node; virtual IPs of mode BGP add to it."),
    ospf: ospfSettings.optional().describe("The OSPF routers of this node; virtual IPs of mode OSPF add to them."),
    bfd: bfdSettings.prefault({}).describe("BFD: profiles, and sessions beside those of BGP and OSPF."),
    sdwan: sdwanSettings.prefault({}).describe("SD-WAN: this host's site, its tunnels, and how paths are judged."),
    routing: z
      .strictObject({
        onStop: z
          .enum(["withdraw", "keep"])
          .default("withdraw")
          .describe(
            "When the daemon stops: withdraw what it announces, or end as a graceful restart does, so that peers go on sending for `restartTime`.",
          ),
        drain: duration("0s", "60s")
          .prefault("1s")
          .describe(
            "How long everything is announced as the last choice before it is withdrawn, when connections that do not end are left at a stop; without any it is withdrawn at once.",
          ),
      })
      .prefault({})
      .describe("BGP and OSPF together."),
    dataplane: z
      .strictObject({
        workers: z
          .union([z.literal("auto"), integer(1, 256)], { error: "auto, or a number from 1 to 256" })
          .default("auto")
          .describe("Data-plane processes; `auto`: one per CPU."),
        engine: z
          .enum(["auto", "io_uring", "epoll"])
          .default("auto")
          .describe("How sockets are driven; `auto`: io_uring where the kernel has what is needed."),
        user: z
          .string({ error: "a user name" })
          .max(32, { error: "a user name of at most 32 characters", abort: true })
          .regex(/^[a-z_][a-z0-9_-]*\$?$/, "a user name")
          .default("novaedge")
          .describe("The user that data-plane processes run as."),
      })
      .prefault({})
      .describe("The processes that carry traffic."),
    admin: z
      .strictObject({
        socket: absoluteFile.default("/run/novaedge/admin.sock").describe("Unix socket that `novactl` talks to."),
      })
      .prefault({})
      .describe("The admin API."),
    metrics: z
      .strictObject({
        address: ip.prefault("127.0.0.1").describe("Address of the metrics."),
        port: port.default(9090).describe("Port of the metrics: GET /metrics."),
      })
      .prefault({})
      .describe("Prometheus metrics."),
    health: z
      .strictObject({
        address: ip.prefault("127.0.0.1").describe("Address of the health endpoints."),
        port: port.default(8080).describe("Port of the health endpoints: GET /healthz and /readyz."),
      })
      .prefault({})
      .describe("Health of the daemon itself."),
    log: z
      .strictObject({
        level: z
          .enum(["trace", "debug", "info", "warn", "error"])
          .default("info")
          .describe("The least important lines that are written."),
        format: z
          .enum(["auto", "json", "journal", "text"])
          .default("auto")
          .describe("`auto`: journald fields under systemd, text on a terminal, else JSON lines."),
      })
      .prefault({})
      .describe("The log."),
    paths: z
      .strictObject({
        config: absoluteFile
          .default("/etc/novaedge/conf.d")
          .describe("Directory with the resources: all *.yaml and *.yml."),
        state: absoluteFile
          .default("/var/lib/novaedge")
          .describe("Directory for what must survive a restart (allocations)."),
      })
      .prefault({})
      .describe("Files."),
  })
  .describe("Settings of one node.");
export type Settings = z.output<typeof settingsSchema>;

export const DEFAULT_SETTINGS: Settings = settingsSchema.parse({});

/** The node's name where it is decided from (the file, a flag, the host), or why it cannot be one. */
export function nodeNameFrom(written: string | undefined, hostname: string): Result<string, string> {
  const name = written ?? hostname.toLowerCase();
  const parsed = nodeName.safeParse(name);
  if (parsed.success) return ok(parsed.data);
  const whose = written === undefined ? "the host's name" : "the node's name";
  return err(`${whose} is ${JSON.stringify(name)}; expected ${parsed.error.issues[0]?.message ?? "a name"}`);
}

export interface LoadedSettings {
  /** undefined when there is an error. */
  readonly settings: Settings | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

export function loadSettings({ file, content }: SourceFile): LoadedSettings {
  const { documents, diagnostics } = parseYaml(file, content);
  if (diagnostics.length > 0) return { settings: undefined, diagnostics };
  const [first, second] = documents;
  if (first === undefined) return { settings: DEFAULT_SETTINGS, diagnostics };
  if (second !== undefined) {
    const message = "settings are one document";
    return { settings: undefined, diagnostics: [diagnosticAt(second, [], "value", "DUPLICATE", message)] };
  }
  const { value, diagnostics: problems } = check(settingsSchema, first, "settings");
  if (value === undefined) return { settings: undefined, diagnostics: problems };
  if (value.metrics.port === value.health.port && value.metrics.address === value.health.address) {
    const at = ["health", "port"];
    const message = "health and metrics have the same address and port";
    return { settings: undefined, diagnostics: [diagnosticAt(first, at, "value", "CONTRADICTION", message)] };
  }
  const contradictions = routingConsistency(value, first);
  return { settings: contradictions.length > 0 ? undefined : value, diagnostics: contradictions };
}
