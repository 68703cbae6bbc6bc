/** OSPFv2 (RFC 2328) and OSPFv3 (RFC 5340) in the settings of a node: areas, interfaces, authentication. */
import * as z from "zod";
import { bfdGuard } from "./bfd.ts";
import { areaId, routerAddress, routerId, secret, secretFile } from "./routing-values.ts";
import { duration, flag, integer, interfaceName } from "./scalar.ts";

const wholeSeconds = { error: "a duration of whole seconds" };
const whole = (value: number): boolean => value % 1000 === 0;

const secretShape = {
  secret: secret(80).optional().describe("The secret; with md5 at most 16 characters."),
  secretFile: secretFile.optional(),
};
const HMAC = ["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"] as const;
const KEYS = "Cryptographic: the first one signs, all are accepted, so that keys are changed by overlapping.";

const authV2 = z
  .strictObject({
    password: secret(8).optional().describe("Simple password in clear text; at most 8 characters."),
    passwordFile: secretFile.optional(),
    keys: z
      .array(
        z.strictObject({
          id: integer(0, 255).describe("Number of the key, equal on the network."),
          algorithm: z
            .enum(["md5", ...HMAC])
            .default("hmac-sha256")
            .describe("MAC algorithm (RFC 2328 §D.3, RFC 5709)."),
          ...secretShape,
        }),
      )
      .max(16)
      .default([])
      .describe(KEYS),
    extendedSequence: flag
      .default(false)
      .describe(
        "With keys: 64-bit sequence numbers, and the source address is protected (RFC 7474); equal on the network.",
      ),
  })
  .refine((auth) => !auth.extendedSequence || auth.keys.length > 0, {
    error: "extendedSequence is for keys; a password has no sequence",
    path: ["extendedSequence"],
  });
const authV3 = z.strictObject({
  keys: z
    .array(
      z.strictObject({
        id: integer(0, 65_535).describe("Security association (RFC 7166), equal on the network."),
        algorithm: z.enum(HMAC).default("hmac-sha256").describe("MAC algorithm."),
        ...secretShape,
      }),
    )
    .min(1, "at least one key")
    .max(16)
    .describe(KEYS),
});
export type OspfAuthSettings = z.output<typeof authV2> | z.output<typeof authV3>;

const interfaceShape = {
  name: interfaceName.describe("The interface."),
  type: z
    .enum(["broadcast", "point-to-point", "nbma"])
    .default("broadcast")
    .describe("Kind of network (RFC 2328 §1.2)."),
  passive: flag.default(false).describe("Announce its networks, form no adjacency."),
  cost: integer(1, 65_535).default(10).describe("Cost of sending through it."),
  priority: integer(0, 255).default(1).describe("In the election of the designated router; 0: never."),
  hello: duration("1s", "65535s")
    .refine(whole, wholeSeconds)
    .prefault("10s")
    .describe("Time between two hellos; equal on the network."),
  dead: duration("2s", "65535s")
    .refine(whole, wholeSeconds)
    .prefault("40s")
    .describe("A neighbour unheard for so long is gone; equal on the network."),
  retransmit: duration("1s", "3600s")
    .refine(whole, wholeSeconds)
    .prefault("5s")
    .describe("Time until what was not acknowledged is sent again."),
  transmitDelay: duration("1s", "3600s")
    .refine(whole, wholeSeconds)
    .prefault("1s")
    .describe("Added to the age of what is sent."),
  mtuIgnore: flag.default(false).describe("Form adjacencies in spite of different MTUs (RFC 2328 §10.6)."),
  neighbors: z
    .array(
      z.strictObject({
        address: routerAddress.describe("Address of the neighbour; in OSPFv3 its link-local one."),
        priority: integer(0, 255).default(1).describe("Whether it may become designated router (0: no)."),
      }),
    )
    .max(256)
    .default([])
    .describe("NBMA alone: the neighbours."),
  poll: duration("1s", "65535s")
    .refine(whole, wholeSeconds)
    .prefault("120s")
    .describe("NBMA: how often silent neighbours are tried."),
  bfd: bfdGuard.optional().describe("Guard the adjacencies with BFD; `{}` is enough."),
};

const interfaceV2 = z.strictObject({
  ...interfaceShape,
  auth: authV2.optional().describe("Authentication."),
});
const interfaceV3 = z.strictObject({
  ...interfaceShape,
  instanceId: integer(0, 255).default(0).describe("Several instances on one link (RFC 5340 §2.4)."),
  auth: authV3.optional().describe("Authentication trailer (RFC 7166)."),
});
export type OspfInterfaceSettings = z.output<typeof interfaceV2> | z.output<typeof interfaceV3>;

const areaShape = {
  id: areaId.describe("Area."),
  kind: z
    .enum(["normal", "stub", "nssa"])
    .default("normal")
    .describe("Stub (RFC 2328 §3.6) or not-so-stubby (RFC 3101)."),
};
const areaV2 = z.strictObject({
  ...areaShape,
  interfaces: z.array(interfaceV2).min(1, "at least one interface").max(256).describe("Interfaces in this area."),
});
const areaV3 = z.strictObject({
  ...areaShape,
  interfaces: z.array(interfaceV3).min(1, "at least one interface").max(256).describe("Interfaces in this area."),
});
const areas = "Areas with their interfaces.";
const versionV2 = z.strictObject({ areas: z.array(areaV2).min(1, "at least one area").max(64).describe(areas) });
const versionV3 = z.strictObject({ areas: z.array(areaV3).min(1, "at least one area").max(64).describe(areas) });

export const ospfSettings = z.strictObject({
  routerId: routerId
    .optional()
    .describe("Without it: what the virtual IPs say, else the lowest IPv4 address of the interfaces."),
  v2: versionV2.optional().describe("OSPFv2: IPv4."),
  v3: versionV3.optional().describe("OSPFv3: IPv6."),
  maxMetric: flag
    .default(false)
    .describe("Be the last choice for everything (RFC 6987), before maintenance of this node."),
  gracefulRestart: z
    .strictObject({
      enabled: flag.default(true).describe("Whether this node restarts gracefully (RFC 3623, RFC 5187)."),
      period: duration("1s", "1800s")
        .refine(whole, wholeSeconds)
        .prefault("120s")
        .describe("How long neighbours wait."),
      helper: flag.default(true).describe("Help neighbours that restart."),
    })
    .prefault({})
    .describe("Graceful restart."),
  install: z
    .strictObject({
      table: integer(1, 4_294_967_295).default(254).describe("Routing table; 254 is main."),
      metric: integer(1, 4_294_967_295).default(110).describe("Metric of the routes."),
    })
    .optional()
    .describe("Put learnt routes into the kernel. Without this block they are only shown."),
});
export type OspfSettings = z.output<typeof ospfSettings>;
