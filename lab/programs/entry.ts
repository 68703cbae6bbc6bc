/**
 * A door from this host's shell into a lab: listens on loopback addresses of the namespace it was started in, connects
 * from inside the lab.  Its argument is an EntryOrder; it says {"kind":"listening"} with the port, and ends with its stdin.
 */
import { ipv4, ipv6 } from "../../base/address.ts";
import { Fault } from "../../base/fault.ts";
import { SILENT } from "../../base/log.ts";
import type { Closed, Endpoint, Fd, Stream, StreamHandler } from "../../netstack/kernel/loop.ts";
import { inside } from "../../netstack/kernel/namespace.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { listenTcp } from "../../netstack/kernel/sockets.ts";
import { readOrders, say } from "./orders.ts";

export interface EntryOrder {
  /** Namespace from which connections are made. */
  readonly namespace: string;
  /** The first port to try; the next free one is taken. */
  readonly port: number;
  readonly doors: readonly { readonly listen: string; readonly to: string; readonly toPort: number }[];
}

const order = JSON.parse(process.argv[2] ?? "") as EntryOrder;
const parse = (text: string) => (text.includes(":") ? ipv6(text) : ipv4(text));

interface Door {
  readonly listener: Fd;
  readonly listen: string;
  readonly to: Endpoint;
}

/** All doors on one port, so that it is easy to say. */
function open(port: number): readonly Door[] | undefined {
  const doors: Door[] = [];
  for (const { listen, to, toPort } of order.doors) {
    try {
      doors.push({ listener: listenTcp({ ip: parse(listen), port }), listen, to: { ip: parse(to), port: toPort } });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (error.code === "ADDRESS_TAKEN") return undefined;
      // A host without IPv6 has no ::1; the other door does.
    }
  }
  return doors;
}

/** Octets that may wait for one side before the other is paused. */
const HIGH = 1 << 18;

/** One direction's source; what arrives goes to `other`, no faster than it takes it. */
class Half implements StreamHandler {
  other: Stream | undefined;
  readonly #release: (chunk: number) => void;
  constructor(release: (chunk: number) => void) {
    this.#release = release;
  }
  received(stream: Stream, chunk: number, start: number, end: number): void {
    if (this.other === undefined) return this.#release(chunk);
    this.other.forward(chunk, start, end);
    if (this.other.queued > HIGH) stream.pause();
  }
  drained(): void {
    this.other?.resume();
  }
  ended(): void {
    this.other?.end();
  }
  closed(_: Stream, why: Closed): void {
    const { other } = this;
    this.other = undefined;
    if (other === undefined) return;
    (other.handler as Half).other = undefined;
    if (why.kind === "failed") other.abort();
    else other.close();
  }
}

let port = order.port;
let doors = open(port);
while (doors === undefined && port < order.port + 100) doors = open(++port);
if (doors === undefined) throw new Fault("ADDRESS_TAKEN", { address: `127.0.0.1 ports ${order.port} to ${port}` });
const opened = doors;

inside(order.namespace, () => {
  const loop = openLoop({ engine: "auto", chunks: 256, log: SILENT });
  const release = (chunk: number): void => loop.release(chunk);
  for (const { listener, to } of opened)
    loop.accept(listener, {
      accepted(stream) {
        const [near, far] = [new Half(release), new Half(release)];
        near.other = loop.connect(to, far);
        far.other = stream;
        return near;
      },
    });
  readOrders(
    loop,
    () => undefined,
    () => loop.stop(),
  );
  say({ kind: "listening", port, on: opened.map((door) => door.listen) });
  loop.run();
});
