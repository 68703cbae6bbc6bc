/** SD-WAN in the settings of a node: which site it is, its networks, and how paths are measured and judged. */
import * as z from "zod";
import { absoluteFile, duration, flag, integer, port, prefix, size } from "./scalar.ts";
import { siteName, socket } from "./wan-values.ts";

const probe = z.strictObject({
  port: port.default(862).describe("UDP port of the probes inside tunnels (STAMP, RFC 8762); equal on all sites."),
  interval: duration("10ms", "60s").prefault("100ms").describe("Time between two probes while all is well."),
  inDoubt: duration("10ms", "60s").prefault("50ms").describe("… while one is missing or the figures get worse."),
  metered: duration("10ms", "60s").prefault("1s").describe("… on metered links."),
  deadAfter: integer(2, 10).default(3).describe("So many probes without an answer: the path is dead."),
  alpha: z
    .number({ error: "a number from 0.01 to 1" })
    .min(0.01, "a number from 0.01 to 1")
    .max(1, "a number from 0.01 to 1")
    .default(0.3)
    .meta({ title: "number from 0.01 to 1" })
    .describe("Weight of the newest measurement in smoothed figures."),
  bytesPerHour: size.default(100 * 1024 * 1024).describe("What probes of one path may cost, both ways."),
  meteredBytesPerHour: size.default(4 * 1024 * 1024).describe("… on a metered link."),
});

const bfd = z.strictObject({
  enabled: flag.default(true).describe("Guard each tunnel with BFD (RFC 5880)."),
  interval: duration("10ms", "60s")
    .prefault("50ms")
    .describe("Time between two packets; on metered links 1s at least."),
  multiplier: integer(2, 50).default(3).describe("Packets missed before a path is dead."),
});

const hold = z.strictObject({
  bad: integer(1, 20).default(3).describe("Bad windows that make a path bad …"),
  of: integer(1, 20).default(5).describe("… of the last so many."),
  recover: duration("1s", "1h").prefault("30s").describe("Good this long before what was bad or dead is taken again."),
  marginPercent: integer(0, 100).default(10).describe("A path is better only if by so many percent …"),
  marginLatency: duration("0s", "10s").prefault("5ms").describe("… and by so much, where time is compared …"),
  marginLoss: z
    .number({ error: "a number from 0 to 100" })
    .min(0, "a number from 0 to 100")
    .max(100, "a number from 0 to 100")
    .default(1)
    .meta({ title: "number from 0 to 100" })
    .describe("… or so many points of loss …"),
  evaluations: integer(1, 100).default(3).describe("… so many times in a row."),
  rest: duration("0s", "1h")
    .prefault("8s")
    .describe("After a move none for improvement for so long; doubles on flaps."),
  mostRest: duration("0s", "24h").prefault("10m").describe("Longest rest."),
});

const topology = z.strictObject({
  kind: z
    .enum(["full-mesh", "hub-and-spoke"])
    .default("full-mesh")
    .describe("Tunnels to every site, or from spokes to hubs alone, which carry what is for other spokes."),
  hubs: z.array(siteName).max(16).default([]).describe("Sites that relay for others, the first one first."),
});

export const sdwanSettings = z.strictObject({
  site: siteName
    .optional()
    .describe("Name of this host's site. Without it: the one site that links name and no NovaEdgeRemoteCluster is."),
  overlayCIDR: prefix
    .optional()
    .describe("This site's part of the overlay; this host has its first address. Needed for tunnels."),
  prefixes: z.array(prefix).max(256).default([]).describe("Networks of this site, which other sites reach by tunnels."),
  privateKeyFile: absoluteFile
    .optional()
    .describe(
      "File with the private key of this site's tunnels; made when it is missing. Without it: `wan.key` in `paths.state`.",
    ),
  wireguard: z
    .enum(["auto", "kernel", "userspace"])
    .default("auto")
    .describe("The kernel's WireGuard or wireguard-go; `auto`: the kernel's where it has it."),
  onStop: z
    .enum(["keep", "remove"])
    .default("keep")
    .describe("When the daemon stops: tunnels, marks and routes go on carrying traffic, or are removed."),
  outerDSCP: flag
    .default(true)
    .describe("A tunnel of its own for each `dscpClass` in use, so that the outer packets carry it, too."),
  topology: topology.prefault({}).describe("Which sites have tunnels to each other."),
  stun: z
    .strictObject({
      servers: z.array(socket).max(8).default([]).describe("STUN servers (RFC 8489); two tell the kind of a NAT."),
      interval: duration("10s", "24h").prefault("5m").describe("Ask again this often, even if nothing changed."),
    })
    .prefault({})
    .describe("How the outside sees this site's links."),
  rendezvousPort: port
    .default(9478)
    .describe(
      "UDP port, inside tunnels, on which sites tell each other where they are reached; equal on all sites. The next one is for bandwidth tests.",
    ),
  probe: probe.prefault({}).describe("Measuring paths through tunnels."),
  bfd: bfd.prefault({}).describe("Noticing dead paths."),
  hold: hold.prefault({}).describe("When a path is left for another one."),
});
