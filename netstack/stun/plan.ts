/** What is asked of STUN servers from one port, and what they tell of the way there. */
import type { StunAddress } from "./packet.ts";

/** RFC 4787 §4.1. */
export type Mapping = "none" | "endpoint-independent" | "address-dependent" | "address-and-port-dependent" | "unknown";
/** RFC 4787 §5. */
export type Filtering = Mapping;

/** One look at the outside from one local port. */
export interface Behavior {
  /** Where the outside sees the port, when one server asks first; undefined: no server answered. */
  readonly mapped: StunAddress | undefined;
  readonly mapping: Mapping;
  readonly filtering: Filtering;
  /** Ports that were seen outside, in the order of asking, of mappings that depend on whom is spoken to. */
  readonly ports: readonly number[];
  /** In words: which tests decided, or why nothing could be decided. */
  readonly why: string;
}
