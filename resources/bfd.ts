/** BFD (RFC 5880): timing, profiles and sessions in the settings of a node. */
import * as z from "zod";
import { bfdInterval, bfdMultiplier, routerAddress, secretFile } from "./routing-values.ts";
import { duration, flag, integer, interfaceName, label, pattern, prefix, unicast } from "./scalar.ts";

/** RFC 5880 §4.2–4.4: how long a key may be. */
export const BFD_KEY_LENGTH = { simple: 16, md5: 16, "meticulous-md5": 16, sha1: 20, "meticulous-sha1": 20 } as const;

export const bfdTimingShape = {
  interval: bfdInterval
    .prefault("300ms")
    .describe("Desired minimum time between two of our packets (RFC 5880 §6.8.1)."),
  minRx: bfdInterval
    .optional()
    .describe("Least time between two packets of the peer that we ask for. Without it: `interval`."),
  multiplier: bfdMultiplier.default(3).describe("Packets missed before the session is down."),
  echoInterval: bfdInterval
    .optional()
    .describe("Send echo packets this often, when the peer loops them back. Without it: none. Single hop only."),
  minEchoRx: duration("0s", "60s")
    .prefault("50ms")
    .describe("How often we loop the peer's echo packets back at most; 0s: not at all."),
  demand: flag.default(false).describe("Ask the peer to stop its periodic packets once up (RFC 5880 §6.6)."),
};

export const bfdProfile = z.strictObject({
  name: label.describe("What `bfd` of a peer or an interface names."),
  ...bfdTimingShape,
});
export type BfdProfile = z.output<typeof bfdProfile>;

const profileName = label.optional().describe("One of `bfd.profiles`. Without it: the defaults of a profile.");

const auth = z.strictObject({
  type: z
    .enum(["simple", "md5", "meticulous-md5", "sha1", "meticulous-sha1"])
    .describe("Authentication type (RFC 5880 §4.2–4.4)."),
  keyId: integer(0, 255).default(1).describe("Number of the key, equal on both sides."),
  key: pattern("secret", "a secret of 1 to 20 visible characters", /^(?!\(hidden\)$)[\x21-\x7e]{1,20}$/, 20)
    .optional()
    .describe("The secret: at most 16 characters with simple and MD5, 20 with SHA1."),
  keyFile: secretFile.optional(),
});
export type BfdAuthSpec = z.output<typeof auth>;

const session = z.strictObject({
  name: label.describe("Unique; `novactl bfd` shows it."),
  peer: routerAddress.describe("Address of the other end."),
  local: unicast.optional().describe("Source address. Without it: what the route to the peer says."),
  interface: interfaceName
    .optional()
    .describe("Interface of a single-hop session; compulsory with link-local addresses."),
  multihop: flag.default(false).describe("RFC 5883 instead of RFC 5881."),
  minTtl: integer(1, 255).optional().describe("Multihop: packets with a lower TTL are ignored. Without it: 1."),
  passive: flag.default(false).describe("Be silent until the peer is heard."),
  profile: profileName,
  auth: auth.optional().describe("Authentication of the packets."),
  enabled: flag.default(true).describe("`false` holds the session in AdminDown, which the peer is told."),
});
export type BfdSessionSpec = z.output<typeof session>;

const unsolicited = z.strictObject({
  interface: interfaceName.describe("Interface on which strangers may open sessions."),
  from: z.array(prefix).max(64).default([]).describe("Networks that they must be in. Empty: those of the interface."),
  most: integer(1, 1024).default(16).describe("Sessions at most."),
  profile: profileName,
});

export const bfdSettings = z.strictObject({
  profiles: z.array(bfdProfile).max(64).default([]).describe("Timings by name."),
  sessions: z
    .array(session)
    .max(256)
    .default([])
    .describe("Sessions of their own, which nothing but the operator looks at."),
  unsolicited: z
    .array(unsolicited)
    .max(64)
    .default([])
    .describe("Where others may begin a session with this node (RFC 9468)."),
});
export type BfdSettings = z.output<typeof bfdSettings>;

/** `bfd` of a BGP peer or an OSPF interface. */
export const bfdGuard = z.strictObject({
  profile: profileName,
});

/** `bfd` of a ProxyVIP. */
export const vipBfd = z.strictObject({
  enabled: flag.default(true).describe("Whether the peers of this virtual IP are guarded."),
  detectMultiplier: bfdMultiplier.default(3).describe("Packets missed before a peer is down."),
  desiredMinTxInterval: bfdInterval.prefault("300ms").describe("Time between two of our packets."),
  requiredMinRxInterval: bfdInterval.prefault("300ms").describe("Least time between two packets of the peer."),
  echoMode: flag.default(false).describe("Send echo packets too, as often as control packets."),
});
export type VipBfd = z.output<typeof vipBfd>;
