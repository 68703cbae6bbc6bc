/**
 * Flows to the internet that are bound to a link which died: their source address is that link's, so nowhere else are they
 * worth anything, and both ends would wait for minutes.  What ends them at once here:
 *   a process of this host   its socket is ended (sock_diag)
 *   a client behind us       a nudge makes it speak, and the rule for dead links answers with a reset (nudge.ts)
 *   everything else          (a connection that is not answered yet, too) is forgotten by the kernel: the next packet is
 *                            the first of a new flow, on a link that lives
 * The far end cannot be reached: what it sends meets a reset as soon as the link is back.
 */
import { type Ip, isIpv4 } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { after, ms } from "../../../base/unit.ts";
import type { Datagrams, Loop } from "../../../netstack/kernel/loop.ts";
import { MARK_MASK, markValue, packetMark } from "../../../netstack/kernel/marks.ts";
import { type Connection, IPPROTO_TCP, IPS_SRC_NAT, TCP_ALIVE } from "../../../netstack/kernel/netlink/conntrack.ts";
import { ConntrackSocket } from "../../../netstack/kernel/netlink/conntrack-socket.ts";
import { SocketDiag } from "../../../netstack/kernel/netlink/socket-diag.ts";
import { encodeInet } from "../../../netstack/kernel/sockaddr.ts";
import { openRaw } from "../../../netstack/kernel/sockets.ts";
import { encodeNudge, NUDGE_PRIORITY } from "../nudge.ts";

export interface Bound {
  /** Values of the mark whose flows are bound to the link. */
  readonly values: readonly number[];
  /** All addresses of this host. */
  readonly own: ReadonlySet<Ip>;
  /** Whether a flow to this address stays in tunnels. */
  readonly inTunnels: (destination: Ip) => boolean;
  /** The link hides sources, so that a flow which does not is in a tunnel. */
  readonly masquerade: boolean;
}

export interface Ended {
  readonly sockets: number;
  readonly nudged: number;
  readonly forgotten: number;
}

export type Connections = Pick<ConntrackSocket, "list" | "delete" | "setMark" | typeof Symbol.dispose>;

export class FlowEnds implements Disposable {
  readonly #loop: Loop;
  readonly #failed: (why: string) => void;
  readonly #conntrack: Connections;
  readonly #sockets = new SocketDiag();
  readonly #raw: readonly [v4: Datagrams | undefined, v6: Datagrams | undefined];
  readonly #later = new Set<Disposable>();

  /** `failed`: the kernel would not forget a connection (one that hardware carries, say). */
  constructor(loop: Loop, failed: (why: string) => void, conntrack: Connections = new ConntrackSocket()) {
    this.#loop = loop;
    this.#failed = failed;
    this.#conntrack = conntrack;
    const open = (family: 4 | 6): Datagrams | undefined => {
      try {
        const fd = openRaw({ family, protocol: IPPROTO_RAW, priority: NUDGE_PRIORITY });
        return loop.datagrams(fd, { received: () => undefined });
      } catch (cause) {
        // A host without IPv6 has nobody to nudge there.
        if (!(cause instanceof Fault) || family === 4) throw cause;
        return undefined;
      }
    };
    this.#raw = [open(4), open(6)];
  }

  /** One walk through the kernel's table, which filters by the bits that all the values have in common. */
  list(values: readonly number[]): readonly Connection[] {
    const marks = values.map(packetMark);
    const [first = 0] = marks;
    const mask = marks.reduce((common, mark) => common & ~(mark ^ first), MARK_MASK);
    if (marks.length === 0) return [];
    const wanted = new Set(values);
    return this.#conntrack.list({ mark: first & mask, mask }).filter(({ mark }) => wanted.has(markValue(mark)));
  }

  /** Flows of values that mean something else from now on belong to nobody; their next packets go as unmarked ones do. */
  release(values: readonly number[]): void {
    for (const connection of this.list(values)) this.#conntrack.setMark(connection, { mark: 0, mask: MARK_MASK });
  }

  end({ values, own, inTunnels, masquerade }: Bound): Ended {
    const bound = this.list(values).filter(({ original, status }) => {
      if ((status & IPS_SRC_NAT) !== 0) return true;
      if (own.has(original.source)) return !inTunnels(original.destination);
      return !masquerade && !inTunnels(original.destination);
    });
    const alive = bound.filter(
      ({ original, tcpState }) => original.protocol === IPPROTO_TCP && TCP_ALIVE.includes(tcpState ?? 0),
    );
    let sockets = 0;
    let nudged = 0;
    for (const connection of alive) {
      if (this.#endSocket(connection, own)) sockets++;
      else if (this.#nudge(connection)) nudged++;
    }
    const rest = bound.filter((connection) => !alive.includes(connection));
    const forgotten = rest.filter((connection) => this.#delete(connection)).length;
    if (alive.length > 0) this.#forget(alive);
    return { sockets, nudged, forgotten };
  }

  [Symbol.dispose](): void {
    for (const each of this.#later) each[Symbol.dispose]();
    for (const each of this.#raw) each?.[Symbol.dispose]();
    this.#conntrack[Symbol.dispose]();
    this.#sockets[Symbol.dispose]();
  }

  #endSocket({ original }: Connection, own: ReadonlySet<Ip>): boolean {
    const { source, destination, sourcePort, destinationPort } = original;
    if (sourcePort === undefined || destinationPort === undefined || !own.has(source)) return false;
    return this.#sockets.destroy({
      local: source,
      localPort: sourcePort,
      remote: destination,
      remotePort: destinationPort,
    });
  }

  #nudge({ original }: Connection): boolean {
    const { source, destination, sourcePort, destinationPort } = original;
    if (sourcePort === undefined || destinationPort === undefined) return false;
    const packet = encodeNudge({ from: destination, fromPort: destinationPort, to: source, toPort: sourcePort });
    const socket = this.#raw[isIpv4(source) ? 0 : 1];
    return socket?.send(packet, encodeInet({ ip: source, port: 0 })) === 0;
  }

  /** Only when their ends have heard: what the kernel does not know, the rule for dead links does not meet. */
  #forget(connections: readonly Connection[]): void {
    const timer = this.#loop.wakeAt(after(this.#loop.now(), GRACE), () => {
      this.#later.delete(timer);
      for (const connection of connections) this.#delete(connection);
    });
    this.#later.add(timer);
  }

  /** One that stays must not keep the others. */
  #delete(connection: Connection): boolean {
    try {
      return this.#conntrack.delete(connection);
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      this.#failed(cause.message);
      return false;
    }
  }
}

const IPPROTO_RAW = 255;
const GRACE = ms(1000);
