/**
 * Capabilities (RFC 5492).  Standards: RFC 4760 §8, RFC 2918, RFC 8950 §4, RFC 8654 §3, RFC 4724 §3, RFC 8538 §2,
 * RFC 6793 §3, RFC 7911 §4, RFC 7313 §3.1, RFC 9494 §3.1, RFC 9234 §4.1.  Others are kept as octets.
 */
import { err, ok, type Result, unreachable } from "../../../base/result.ts";
import { type Ms, seconds } from "../../../base/unit.ts";
import { Reader, Writer } from "../../wire/cursor.ts";
import { type AnyFamily, afiOf, familyOf, safiOf } from "./family.ts";

export type Capability =
  | { readonly kind: "multiprotocol"; readonly family: AnyFamily }
  | { readonly kind: "route-refresh" }
  | {
      readonly kind: "extended-next-hop";
      readonly families: readonly { readonly family: AnyFamily; readonly nextHop: "ipv4" | "ipv6" | number }[];
    }
  | { readonly kind: "extended-message" }
  | { readonly kind: "role"; readonly role: "provider" | "rs" | "rs-client" | "customer" | "peer" | number }
  | GracefulRestart
  | { readonly kind: "four-octet-asn"; readonly asn: number }
  | {
      readonly kind: "add-path";
      readonly families: readonly { readonly family: AnyFamily; readonly can: "receive" | "send" | "both" }[];
    }
  | { readonly kind: "enhanced-route-refresh" }
  | {
      readonly kind: "long-lived-graceful-restart";
      readonly families: readonly {
        readonly family: AnyFamily;
        readonly forwarding: boolean;
        /** Whole seconds, 24 bits. */
        readonly staleTime: Ms;
      }[];
    }
  | { readonly kind: "unknown"; readonly code: number; readonly value: Uint8Array };

export interface GracefulRestart {
  readonly kind: "graceful-restart";
  /** R: the sender has restarted. */
  readonly restarting: boolean;
  /** N (RFC 8538): routes survive a NOTIFICATION and an expired hold timer, too. */
  readonly notification: boolean;
  /** Whole seconds, at most 4095. */
  readonly restartTime: Ms;
  readonly families: readonly { readonly family: AnyFamily; readonly forwarding: boolean }[];
}

/** The values of one Capabilities parameter.  One that a session hangs on and cannot be read is refused. */
export function decodeCapabilities(reader: Reader): Result<readonly Capability[], { readonly code: number }> {
  const capabilities: Capability[] = [];
  while (reader.remaining > 0) {
    const code = reader.u8();
    const value = reader.sub(reader.u8());
    if (reader.short || value.short) return err({ code });
    const octets = value.bytes(value.remaining);
    const known = decodeValue(code, octets);
    // Who the peer is must not be guessed; whatever else is malformed is a capability that the peer does not have.
    if (known === undefined && code === CODES["four-octet-asn"]) return err({ code });
    capabilities.push(known ?? { kind: "unknown", code, value: octets.slice() });
  }
  return ok(capabilities);
}

/** Code, length, value. */
export function encodeCapability(capability: Capability): Uint8Array {
  if (capability.kind === "unknown")
    return Uint8Array.of(capability.code, capability.value.length, ...capability.value);
  const writer = new Writer(new Uint8Array(257)).u8(CODES[capability.kind]).u8(0);
  encodeValue(writer, capability);
  const bytes = writer.written().slice();
  bytes[1] = bytes.length - 2;
  return bytes;
}

function decodeValue(code: number, octets: Uint8Array): Capability | undefined {
  const reader = new Reader(octets);
  const whole = <T extends Capability>(capability: T): T | undefined =>
    reader.short || reader.remaining > 0 ? undefined : capability;
  switch (code) {
    case CODES.multiprotocol: {
      const afi = reader.u16();
      reader.skip(1);
      return whole({ kind: "multiprotocol", family: familyOf(afi, reader.u8()) });
    }
    case CODES["route-refresh"]:
      return whole({ kind: "route-refresh" });
    case CODES["extended-next-hop"]: {
      const families = tuples(reader, 6, () => {
        const family = familyOf(reader.u16(), reader.u16());
        const afi = reader.u16();
        return { family, nextHop: afi === 1 ? ("ipv4" as const) : afi === 2 ? ("ipv6" as const) : afi };
      });
      return families && { kind: "extended-next-hop", families };
    }
    case CODES["extended-message"]:
      return whole({ kind: "extended-message" });
    case CODES.role: {
      const role = reader.u8();
      return whole({ kind: "role", role: ROLES[role] ?? role });
    }
    case CODES["graceful-restart"]: {
      const first = reader.u16();
      const families = tuples(reader, 4, () => ({
        family: familyOf(reader.u16(), reader.u8()),
        forwarding: reader.u8() >= FORWARDING,
      }));
      const [restarting, notification] = [(first & 0x8000) !== 0, (first & 0x4000) !== 0];
      const restartTime = seconds(first & 0x0fff);
      return families && { kind: "graceful-restart", restarting, notification, restartTime, families };
    }
    case CODES["four-octet-asn"]:
      return whole({ kind: "four-octet-asn", asn: reader.u32() });
    case CODES["add-path"]: {
      const families = tuples(reader, 4, () => ({
        family: familyOf(reader.u16(), reader.u8()),
        can: DIRECTIONS[reader.u8() - 1],
      }));
      // RFC 7911 §4: any other value, and the family is as if it were not there.
      const usable = families?.flatMap(({ family, can }) => (can === undefined ? [] : [{ family, can }]));
      return usable && { kind: "add-path", families: usable };
    }
    case CODES["enhanced-route-refresh"]:
      return whole({ kind: "enhanced-route-refresh" });
    case CODES["long-lived-graceful-restart"]: {
      const families = tuples(reader, 7, () => ({
        family: familyOf(reader.u16(), reader.u8()),
        forwarding: reader.u8() >= FORWARDING,
        staleTime: seconds(reader.u8() * 65536 + reader.u16()),
      }));
      return families && { kind: "long-lived-graceful-restart", families };
    }
    default:
      return undefined;
  }
}

function encodeValue(writer: Writer, capability: Exclude<Capability, { kind: "unknown" }>): void {
  switch (capability.kind) {
    case "multiprotocol":
      writer.u16(afiOf(capability.family)).u8(0).u8(safiOf(capability.family));
      return;
    case "route-refresh":
    case "extended-message":
    case "enhanced-route-refresh":
      return;
    case "extended-next-hop":
      for (const { family, nextHop } of capability.families) {
        const afi = nextHop === "ipv4" ? 1 : nextHop === "ipv6" ? 2 : nextHop;
        writer.u16(afiOf(family)).u16(safiOf(family)).u16(afi);
      }
      return;
    case "role":
      writer.u8(typeof capability.role === "number" ? capability.role : ROLES.indexOf(capability.role));
      return;
    case "graceful-restart":
      writer.u16(
        (capability.restarting ? 0x8000 : 0) +
          (capability.notification ? 0x4000 : 0) +
          Math.min(capability.restartTime / 1000, 0x0fff),
      );
      for (const { family, forwarding } of capability.families)
        writer
          .u16(afiOf(family))
          .u8(safiOf(family))
          .u8(forwarding ? FORWARDING : 0);
      return;
    case "four-octet-asn":
      writer.u32(capability.asn);
      return;
    case "add-path":
      for (const { family, can } of capability.families)
        writer
          .u16(afiOf(family))
          .u8(safiOf(family))
          .u8(DIRECTIONS.indexOf(can) + 1);
      return;
    case "long-lived-graceful-restart":
      for (const { family, forwarding, staleTime } of capability.families) {
        const whole = Math.min(staleTime / 1000, 0xffffff);
        writer
          .u16(afiOf(family))
          .u8(safiOf(family))
          .u8(forwarding ? FORWARDING : 0);
        writer.u8(whole >>> 16).u16(whole & 0xffff);
      }
      return;
    default:
      unreachable(capability);
  }
}

/** All that is left, `size` octets each; undefined when it does not come out even. */
function tuples<T>(reader: Reader, size: number, read: () => T): readonly T[] | undefined {
  if (reader.short || reader.remaining % size !== 0) return undefined;
  const all: T[] = [];
  while (reader.remaining > 0) all.push(read());
  return all;
}

const FORWARDING = 0x80;
/** RFC 7911 §4, from 1. */
const DIRECTIONS = ["receive", "send", "both"] as const;
/** RFC 9234 §4.1. */
const ROLES = ["provider", "rs", "rs-client", "customer", "peer"] as const;
const CODES = {
  multiprotocol: 1,
  "route-refresh": 2,
  "extended-next-hop": 5,
  "extended-message": 6,
  role: 9,
  "graceful-restart": 64,
  "four-octet-asn": 65,
  "add-path": 69,
  "enhanced-route-refresh": 70,
  "long-lived-graceful-restart": 71,
} as const;
