/**
 * Prefixes of routes, made to be keys: a hundred thousand of them are compared, hashed and kept, and each is read from
 * octets once.  An IPv4 prefix is a number (address × 64 + length), an IPv6 prefix a short string (a character of the
 * length, then the octets that it covers); bits behind the length are always clear, so that equal prefixes are equal.
 */
import type { Unit } from "../../../base/unit.ts";

export type Nlri4 = Unit<number, "nlri4">;
export type Nlri6 = Unit<string, "nlri6">;
export type NlriKey = Nlri4 | Nlri6;
