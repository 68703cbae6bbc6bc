/**
 * UDP of BFD control packets: one socket to receive for each family and kind of hop, and one to send for each session.
 * Standards: RFC 5881 §4 (ports; the source port is in 49152–65535 and a session's own; any is accepted, because peers
 * do not keep to it), §5 (TTL 255), RFC 5883 §5 (port 4784).
 */
import { type Ip, ipv4, ipv6, isIpv4, isLinkLocal } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import type { DatagramHandler, Datagrams, Loop } from "../../kernel/loop.ts";
import { randomOctets } from "../../kernel/random.ts";
import { Sender } from "../../kernel/sender.ts";
import { encodeInet } from "../../kernel/sockaddr.ts";
import { openUdp } from "../../kernel/sockets.ts";
import type { SessionConfig } from "../event.ts";

export type Hops = SessionConfig["hops"];

export function openReceiver(loop: Loop, family: 4 | 6, hops: Hops, on: DatagramHandler): Datagrams {
  const fd = openUdp({
    bind: { ip: family === 4 ? ANY4 : ANY6, port: PORT[hops] },
    meta: { ttl: true, packetInfo: true },
    receiveBuffer: RECEIVE_BUFFER,
  });
  return loop.datagrams(fd, on);
}

/** The hands of one session. */
export class SessionSender implements Disposable {
  readonly #sender: Sender;
  readonly #to: Uint8Array;

  /** `ifindex` of the configured interface. */
  constructor(config: SessionConfig, ifindex: number | undefined) {
    const { peer, local, ifname, hops } = config;
    const scope = ifindex === undefined ? {} : { scope: ifindex };
    const bind = local ?? (isIpv4(peer) ? ANY4 : ANY6);
    this.#sender = new Sender(
      withPort((port) =>
        openUdp({
          bind: { ip: bind, port },
          ...(isLinkLocal(bind) ? scope : {}),
          ...(ifname === undefined ? {} : { device: ifname }),
          freebind: true, // the address may come later than we
          ttl: 255,
          trafficClass: NETWORK_CONTROL,
          priority: 6,
          receiveBuffer: 1,
        }),
      ),
    );
    this.#to = encodeInet({ ip: peer, port: PORT[hops] }, isLinkLocal(peer) ? ifindex : undefined);
  }

  send(octets: Uint8Array): number {
    return this.#sender.send(octets, this.#to);
  }

  [Symbol.dispose](): void {
    this.#sender[Symbol.dispose]();
  }
}

/** RFC 5881 §4: a port from 49152 on, unlike those of other sessions; taken ones are passed over. */
function withPort(open: (port: number) => number): number {
  const [high = 0, low = 0] = randomOctets(2);
  const start = (high * 256 + low) % PORTS;
  for (let step = 0; ; step++) {
    try {
      return open(FIRST_PORT + ((start + step) % PORTS));
    } catch (cause) {
      if (!(cause instanceof Fault) || cause.code !== "ADDRESS_TAKEN" || step === MOST_TRIES) throw cause;
    }
  }
}

const PORT: Readonly<Record<Hops, number>> = { single: 3784, multi: 4784 };
const FIRST_PORT = 49152;
const PORTS = 65536 - FIRST_PORT;
const MOST_TRIES = 256;
export const ANY4: Ip = ipv4("0.0.0.0");
export const ANY6: Ip = ipv6("::");
/** A process that stood still for a while still finds what came meanwhile. */
const RECEIVE_BUFFER = 1 << 20;
/** DSCP CS6 (RFC 4594 §3.1). */
const NETWORK_CONTROL = 48 << 2;
