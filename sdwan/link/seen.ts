/** What the kernel says of one interface, at one moment: the whole picture each time, so that nothing has to be remembered. */
import type { Ip } from "../../base/address.ts";

export interface Seen {
  readonly index: number;
  /** Switched on by whoever administers the host. */
  readonly up: boolean;
  readonly carrier: boolean;
  readonly mtu: number;
  readonly addresses: readonly SeenAddress[];
  /** Default routes of the main table that leave by this interface. */
  readonly defaults: readonly DefaultRoute[];
}

export interface SeenAddress {
  readonly ip: Ip;
  readonly prefixLength: number;
  /** The other end, on point-to-point interfaces. */
  readonly peer: Ip | undefined;
  /** Can be a source now: not link-local, not being checked for a duplicate, not deprecated, no virtual IP of ours. */
  readonly usable: boolean;
  /** RFC 8981: comes and goes, so others are taken first. */
  readonly temporary: boolean;
}

export interface DefaultRoute {
  readonly family: 4 | 6;
  /** undefined: on the interface itself. */
  readonly gateway: Ip | undefined;
  readonly metric: number;
}
