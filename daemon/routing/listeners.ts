/** Whether somebody accepts connections at a virtual IP: what the kernel says, without asking control. */
import { type Ip, isIpv4, prefixOf } from "../../base/address.ts";
import { Fault } from "../../base/fault.ts";
import { type Listening, SocketDiag } from "../../netstack/kernel/netlink/socket-diag.ts";
import type { RoutedVip } from "./words.ts";

export class Listeners implements Disposable {
  readonly #diag = new SocketDiag();
  readonly #unknown: (why: string) => void;

  constructor(unknown: (why: string) => void) {
    this.#unknown = unknown;
  }

  /** Names of those that may be announced, and at which nobody does.  A kernel that cannot tell finds none. */
  missing(vips: readonly RoutedVip[]): ReadonlySet<string> {
    const wanted = vips.filter(({ eligible, ports }) => eligible && ports.length > 0);
    const listening = wanted.length === 0 ? [] : this.#listening();
    if (listening === undefined) return new Set();
    const served = ({ addresses, ports }: RoutedVip): boolean =>
      addresses.every((text) => ports.every((port) => listening.some((each) => takes(each, prefixOf(text).ip, port))));
    return new Set(wanted.filter((vip) => !served(vip)).map(({ name }) => name));
  }

  [Symbol.dispose](): void {
    this.#diag[Symbol.dispose]();
  }

  #listening(): readonly Listening[] | undefined {
    try {
      return this.#diag.listening();
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      this.#unknown(cause.message);
      return undefined;
    }
  }
}

/** A wildcard of IPv6 usually takes IPv4 too. */
function takes({ ip, port }: Listening, at: Ip, wanted: number): boolean {
  return port === wanted && (ip === at || ip === "::" || (isIpv4(at) && ip === 0));
}
