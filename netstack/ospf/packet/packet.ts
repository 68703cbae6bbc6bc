/**
 * OSPF packets, one shape for both versions.  Standards: RFC 2328 A.3 (v2), RFC 5340 A.3 (v3).
 * IDs (router, area, link state) are u32 numbers; durations in seconds, as on the wire.
 * `decode.ts` and `encode.ts` turn these into octets; authentication is around them (`auth-v2.ts`, `auth-v3.ts`).
 */
import type { Lsa, LsaHeader, LsaKey, Version } from "./lsa.ts";

export type Packet = Hello | DatabaseDescription | Request | Update | Acknowledgement;

export interface PacketHead {
  readonly version: Version;
  readonly routerId: number;
  readonly areaId: number;
  /** v3; v2: 0 (RFC 6549 is left out). */
  readonly instanceId: number;
}

export interface Hello extends PacketHead {
  readonly kind: "hello";
  /** v2: mask as prefix length; v3: undefined. */
  readonly maskLength: number | undefined;
  /** v3; v2: 0. */
  readonly interfaceId: number;
  readonly options: number;
  readonly helloInterval: number;
  readonly deadInterval: number;
  readonly priority: number;
  /** v2: interface address, v3: router ID; 0 = none. */
  readonly dr: number;
  readonly bdr: number;
  /** Router IDs heard. */
  readonly neighbors: readonly number[];
}

export interface DatabaseDescription extends PacketHead {
  readonly kind: "database-description";
  /** 0 on virtual links. */
  readonly mtu: number;
  readonly options: number;
  readonly init: boolean;
  readonly more: boolean;
  readonly master: boolean;
  readonly sequence: number;
  readonly headers: readonly LsaHeader[];
}

export interface Request extends PacketHead {
  readonly kind: "request";
  readonly wanted: readonly LsaKey[];
}

export interface Update extends PacketHead {
  readonly kind: "update";
  /** Their lengths are consistent; checksums and bodies are not looked at yet (RFC 2328 §13 (1)). */
  readonly lsas: readonly Lsa[];
}

export interface Acknowledgement extends PacketHead {
  readonly kind: "acknowledgement";
  readonly headers: readonly LsaHeader[];
}

/** Octets before the first LSA, header or key of each kind, for filling packets up to the MTU. */
export const HEAD_OCTETS = { 2: 24, 3: 16 } as const;
export const DESCRIPTION_OCTETS = { 2: 8, 3: 12 } as const;
export const LSA_HEADER_OCTETS = 20;
export const KEY_OCTETS = 12;
export const UPDATE_OCTETS = 4;
