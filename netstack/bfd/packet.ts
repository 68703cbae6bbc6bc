/**
 * BFD Control packets.  Standards: RFC 5880 §4.1–4.4, and the refusals of §6.8.6 that need no session.
 * Left out on purpose: whether the authentication section is right (auth.ts), point-to-multipoint (RFC 8562; the M bit
 * is refused).  Octets between the authentication section and the end that Length names are covered by digests and
 * otherwise ignored.
 */
import { err, ok, type Result } from "../../base/result.ts";
import { type Ms, ms } from "../../base/unit.ts";
import { Reader, Writer } from "../wire/cursor.ts";
import type { BfdAuth, BfdDiagnostic, BfdState } from "./plan.ts";

export interface ControlPacket {
  readonly diagnostic: BfdDiagnostic;
  readonly state: BfdState;
  readonly poll: boolean;
  readonly final: boolean;
  readonly controlPlaneIndependent: boolean;
  readonly demand: boolean;
  readonly multiplier: number;
  readonly myDiscriminator: number;
  /** 0: not known yet. */
  readonly yourDiscriminator: number;
  readonly desiredMinTx: Ms;
  readonly requiredMinRx: Ms;
  readonly requiredMinEchoRx: Ms;
  readonly auth: AuthSection | undefined;
}

export type AuthSection =
  | { readonly kind: "simple"; readonly keyId: number; readonly password: Uint8Array }
  | {
      readonly kind: "digest";
      readonly type: DigestType;
      readonly keyId: number;
      readonly sequence: number;
      readonly digest: Uint8Array;
    };
export type DigestType = Exclude<BfdAuth["type"], "simple">;

export type Malformed =
  | { readonly kind: "version"; readonly got: number }
  | { readonly kind: "short"; readonly have: number }
  /** Length is less than the sections that the A bit promises. */
  | { readonly kind: "length"; readonly got: number }
  | { readonly kind: "length-beyond-payload"; readonly got: number; readonly have: number }
  | { readonly kind: "multiplier-zero" }
  | { readonly kind: "multipoint" }
  | { readonly kind: "my-discriminator-zero" }
  /** Only Down and AdminDown may be said to nobody in particular. */
  | { readonly kind: "your-discriminator-zero"; readonly state: BfdState }
  /** P and F both (§6.5: MUST NOT be sent). */
  | { readonly kind: "poll-and-final" }
  | { readonly kind: "auth-type"; readonly got: number }
  | { readonly kind: "auth-length"; readonly got: number };

/** The checks in the order of §6.8.6. */
export function decode(bytes: Uint8Array): Result<ControlPacket, Malformed> {
  if (bytes.length < MANDATORY) return err({ kind: "short", have: bytes.length });
  const r = new Reader(bytes);
  const [b0, b1, multiplier, length] = [r.u8(), r.u8(), r.u8(), r.u8()];
  if (b0 >> 5 !== VERSION) return err({ kind: "version", got: b0 >> 5 });
  const hasAuth = (b1 & AUTH) !== 0;
  if (length < (hasAuth ? MANDATORY + 2 : MANDATORY)) return err({ kind: "length", got: length });
  if (length > bytes.length) return err({ kind: "length-beyond-payload", got: length, have: bytes.length });
  if (multiplier === 0) return err({ kind: "multiplier-zero" });
  if ((b1 & MULTIPOINT) !== 0) return err({ kind: "multipoint" });
  const [myDiscriminator, yourDiscriminator] = [r.u32(), r.u32()];
  if (myDiscriminator === 0) return err({ kind: "my-discriminator-zero" });
  const state = STATES[(b1 >> 6) as 0 | 1 | 2 | 3];
  if (yourDiscriminator === 0 && (state === "init" || state === "up")) {
    return err({ kind: "your-discriminator-zero", state });
  }
  if ((b1 & POLL) !== 0 && (b1 & FINAL) !== 0) return err({ kind: "poll-and-final" });
  const [desiredMinTx, requiredMinRx, requiredMinEchoRx] = [r.u32(), r.u32(), r.u32()];
  const auth = hasAuth ? decodeAuth(bytes.subarray(MANDATORY, length)) : NO_AUTH;
  if (!auth.ok) return auth;
  return ok({
    diagnostic: DIAGNOSTICS[b0 & 31] ?? "reserved",
    state,
    poll: (b1 & POLL) !== 0,
    final: (b1 & FINAL) !== 0,
    controlPlaneIndependent: (b1 & INDEPENDENT) !== 0,
    demand: (b1 & DEMAND) !== 0,
    multiplier,
    myDiscriminator,
    yourDiscriminator,
    desiredMinTx: ms(desiredMinTx / 1000),
    requiredMinRx: ms(requiredMinRx / 1000),
    requiredMinEchoRx: ms(requiredMinEchoRx / 1000),
    auth: auth.value,
  });
}

export function encode(packet: ControlPacket): Uint8Array {
  const auth = packet.auth === undefined ? 0 : sectionLength(packet.auth);
  const writer = new Writer(new Uint8Array(MANDATORY + auth));
  let flags = STATES.indexOf(packet.state) << 6;
  if (packet.poll) flags |= POLL;
  if (packet.final) flags |= FINAL;
  if (packet.controlPlaneIndependent) flags |= INDEPENDENT;
  if (packet.auth !== undefined) flags |= AUTH;
  if (packet.demand) flags |= DEMAND;
  writer
    .u8((VERSION << 5) | DIAGNOSTICS.indexOf(packet.diagnostic))
    .u8(flags)
    .u8(packet.multiplier)
    .u8(MANDATORY + auth)
    .u32(packet.myDiscriminator)
    .u32(packet.yourDiscriminator)
    .u32(microseconds(packet.desiredMinTx))
    .u32(microseconds(packet.requiredMinRx))
    .u32(microseconds(packet.requiredMinEchoRx));
  if (packet.auth !== undefined) encodeAuth(writer, packet.auth);
  return writer.written();
}

/** The discriminator that chooses the session, without a look at the rest; 0 also when it is not there. */
export function yourDiscriminatorOf(bytes: Uint8Array): number {
  if (bytes.length < MANDATORY) return 0;
  return (bytes[8] ?? 0) * 0x1000000 + (((bytes[9] ?? 0) << 16) | ((bytes[10] ?? 0) << 8) | (bytes[11] ?? 0));
}

/** What goes on the wire: whole microseconds. */
export function microseconds(span: Ms): number {
  return Math.min(Math.round(span * 1000), 0xffff_ffff);
}

/** Octets before the authentication section. */
export const MANDATORY = 24;
/** Where the digest begins in a packet that has one. */
export const DIGEST_AT = MANDATORY + 8;
export const DIGEST_LENGTH: Readonly<Record<DigestType, number>> = {
  md5: 16,
  "meticulous-md5": 16,
  sha1: 20,
  "meticulous-sha1": 20,
};

function decodeAuth(section: Uint8Array): Result<AuthSection, Malformed> {
  const r = new Reader(section);
  const [number, length] = [r.u8(), r.u8()];
  const type = AUTH_TYPES[number];
  if (type === undefined) return err({ kind: "auth-type", got: number });
  const bad = err({ kind: "auth-length", got: length } as const);
  if (length > section.length) return bad;
  const keyId = r.u8();
  if (type === "simple") {
    if (length < 4 || length > 19) return bad; // §4.2: 1 to 16 octets of password
    return ok({ kind: "simple", keyId, password: new Uint8Array(r.bytes(length - 3)) });
  }
  if (length !== 8 + DIGEST_LENGTH[type]) return bad;
  r.skip(1); // §4.3, §4.4: reserved, ignored on receipt
  const sequence = r.u32();
  return ok({ kind: "digest", type, keyId, sequence, digest: new Uint8Array(r.bytes(DIGEST_LENGTH[type])) });
}

function encodeAuth(writer: Writer, auth: AuthSection): void {
  const length = sectionLength(auth);
  if (auth.kind === "simple") writer.u8(1).u8(length).u8(auth.keyId).put(auth.password);
  else {
    writer.u8(AUTH_TYPES.indexOf(auth.type)).u8(length).u8(auth.keyId).u8(0).u32(auth.sequence).put(auth.digest);
  }
}

function sectionLength(auth: AuthSection): number {
  return auth.kind === "simple" ? 3 + auth.password.length : 8 + auth.digest.length;
}

const VERSION = 1;
const POLL = 0x20;
const FINAL = 0x10;
const INDEPENDENT = 0x08;
const AUTH = 0x04;
const DEMAND = 0x02;
const MULTIPOINT = 0x01;
const NO_AUTH = ok(undefined);
/** §4.1, wire order. */
const STATES = ["admin-down", "down", "init", "up"] as const;
const DIAGNOSTICS: readonly BfdDiagnostic[] = [
  "none",
  "control-detection-expired",
  "echo-failed",
  "neighbor-down",
  "forwarding-reset",
  "path-down",
  "concatenated-path-down",
  "admin-down",
  "reverse-path-down",
  "reserved",
];
const AUTH_TYPES: readonly (BfdAuth["type"] | undefined)[] = [
  undefined,
  "simple",
  "md5",
  "meticulous-md5",
  "sha1",
  "meticulous-sha1",
];
