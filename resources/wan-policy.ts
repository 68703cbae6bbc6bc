/** ProxyWANPolicy: a class of traffic, what it needs of a path, and how its path is chosen. */
import * as z from "zod";
import { isRoutePath } from "./route.ts";
import { routePrefix } from "./routing-values.ts";
import { fieldName, fieldValue, flag, hostname, integer, interfaceName, path, pattern, subdomain } from "./scalar.ts";
import { dscp, loss, PROTOCOL_ERROR, siteName, slaShape } from "./wan-values.ts";

const PORTS_ERROR = "a port or a range of ports such as 443 or 5060-5090";
const ports: z.ZodType<readonly [number, number], string | number> = z
  .union([integer(1, 65_535), z.string().max(11)], { error: PORTS_ERROR })
  .transform((value, context): readonly [number, number] => {
    const [, first = "", last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(String(value)) ?? [];
    const range = [Number(first), Number(last)] as const;
    if (range[0] >= 1 && range[0] <= range[1] && range[1] <= 65_535) return range;
    context.issues.push({ code: "custom", message: PORTS_ERROR, input: value });
    return z.NEVER;
  })
  .meta({ title: "port or range" });

const protocol: z.ZodType<string, string | number> = z
  .union([z.enum(["tcp", "udp", "icmp"]), integer(0, 255)], { error: PROTOCOL_ERROR })
  .transform(String)
  .meta({ title: "protocol" });

const USER_ERROR = "a user's name or number";
const user: z.ZodType<string | number, string | number> = z
  .union([integer(0, 4_294_967_294), pattern("user", USER_ERROR, /^[a-z_][a-z0-9_-]*\$?$/, 32)], { error: USER_ERROR })
  .meta({ title: "user" });

const host = hostname.refine((name) => name !== "*" && !name.endsWith(".*") && !name.startsWith("["), {
  error: "a host name such as www.example.com or *.example.com",
});
const PATH_ERROR = "a path beginning with '/', without query, dot segments and needless encoding";
const requestPath = path.refine(isRoutePath, { error: PATH_ERROR });
const most = (of: string) => `at most 256 ${of}`;

const match = z.strictObject({
  hosts: z
    .array(host)
    .max(256, most("hosts"))
    .default([])
    .describe(
      "Names: of requests that the proxy carries; for all other packets, addresses that DNS answers passing through this host give for them.",
    ),
  paths: z
    .array(requestPath)
    .max(256, most("paths"))
    .default([])
    .describe("Of requests that the proxy carries: prefixes of their paths, by whole segments: /api is not /apiv2."),
  headers: z
    .record(z.string(), fieldValue)
    .refine((headers) => Object.keys(headers).every((name) => fieldName.safeParse(name).success), {
      error: "names of headers with their values",
    })
    .refine((headers) => Object.keys(headers).length <= 16, { error: "at most 16 headers" })
    .default({})
    .describe("Of requests that the proxy carries: all of these headers, with exactly these values."),
  sources: z
    .array(routePrefix)
    .max(256, most("sources"))
    .default([])
    .describe("Networks that packets come from; of requests, their clients."),
  destinations: z.array(routePrefix).max(256, most("destinations")).default([]).describe("Networks that they go to."),
  protocols: z.array(protocol).max(16, "at most 16 protocols").default([]).describe("Protocols."),
  ports: z
    .array(ports)
    .max(64, "at most 64 ports")
    .default([])
    .describe("Destination ports of TCP and UDP, single ones and ranges."),
  dscp: z.array(dscp).max(64, "at most 64 code points").default([]).describe("Code points that packets come with."),
  interfaces: z.array(interfaceName).max(32, "at most 32 interfaces").default([]).describe("Interfaces they come by."),
  users: z
    .array(user)
    .max(32, "at most 32 users")
    .default([])
    .describe("Users whose processes on this host send them, by name or number."),
});

const SLA_CLASSES = ["voice", "video", "interactive", "bulk"] as const;
/** Milliseconds and percent; what `sla.class` stands for where a limit is not written. */
export const SLA_CLASS_LIMITS: Readonly<
  Record<(typeof SLA_CLASSES)[number], { latency?: number; jitter?: number; loss?: number; mos?: number }>
> = {
  // ITU-T G.114: 150 ms one way is the most that goes unnoticed; MOS 3.6 is "some users dissatisfied" (G.107 Annex B).
  voice: { latency: 300, jitter: 30, loss: 1, mos: 3.6 },
  video: { latency: 400, jitter: 50, loss: 1 },
  interactive: { latency: 200, jitter: 100, loss: 2 },
  bulk: { loss: 5 },
};

const SHIELD_ERROR = 'a share from "0.1%" to "50%"';
const lossShield = z.strictObject({
  aboveLoss: loss
    .refine((percent) => percent >= 0.1 && percent <= 50, { error: SHIELD_ERROR })
    .prefault("1%")
    .describe(
      'Loss from this site to the other over which it begins: "1%". It ends when there was no more for ten seconds.',
    ),
  metered: flag.default(false).describe("Whether copies may go by metered links."),
});

const pathSelection = z.strictObject({
  strategy: z
    .enum(["lowest-latency", "highest-bandwidth", "most-reliable", "lowest-cost", "weighted"])
    .describe("What is best among paths that are good enough; `weighted` spreads flows over links by their weights."),
  failover: flag
    .default(true)
    .describe("Whether a path that breaks the SLA is left; one that is dead is left in any case."),
  dscpClass: dscp
    .optional()
    .describe("Code point that packets of the class get, in tunnels also the outer header. Without it: left alone."),
  sla: z
    .strictObject({
      class: z.enum(SLA_CLASSES).optional().describe("Limits that are usual for such traffic, where none is written."),
      ...slaShape,
      minMOS: z
        .number({ error: "a number from 1 to 4.5" })
        .min(1, "a number from 1 to 4.5")
        .max(4.5, "a number from 1 to 4.5")
        .optional()
        .meta({ title: "number from 1 to 4.5" })
        .describe("Least quality of speech (ITU-T G.107)."),
    })
    .prefault({})
    .describe("What a path must keep to be good enough for this class."),
  links: z
    .array(subdomain)
    .max(32, "at most 32 links")
    .default([])
    .describe("Names of this site's links that may carry it; empty: all."),
  breakout: z
    .union([z.enum(["local", "none"]), siteName], { error: "local, none, or a site's name" })
    .default("local")
    .describe(
      "How it reaches the internet: by this site's links, not at all, or through another site, whose links then hide it (NAT).",
    ),
  killSwitch: flag
    .default(false)
    .describe("While none of its paths is alive it is refused, rather than left to the host's main routing table."),
  balance: flag
    .default(true)
    .describe("Whether its flows are spread over links of role loadbalance, where there are several."),
  lossShield: lossShield
    .optional()
    .describe(
      "While the tunnel that carries it loses packets, they are sent by a second one, too; the other site lets one of two pass. " +
        "Needs dscpClass, and the same policy there. Without it: never.",
    ),
});

export const wanPolicySpec = z.strictObject({
  match: match
    .prefault({})
    .describe("What belongs to the class: all fields that are there, any value of each. Empty: everything."),
  pathSelection: pathSelection.describe("How its path is chosen."),
  priority: integer(0, 1000)
    .default(100)
    .describe("Policies are tried from the highest number down, equal ones by name; the first that matches decides."),
});
export type WanPolicySpec = z.output<typeof wanPolicySpec>;
