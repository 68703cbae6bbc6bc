/** TCP between the hosts of the network, on the test's own loop. */
import type { Closed, Stream, StreamHandler } from "../../../netstack/kernel/loop.ts";
import { listenTcp, openTcp } from "../../../netstack/kernel/sockets.ts";
import { type HostName, type Network, REMOTE } from "./network.ts";
import { ipOf } from "./plans.ts";

export interface Flow {
  readonly stream: Stream;
  readonly opened: boolean;
  readonly closed: Closed | undefined;
}

export function connect(net: Network, host: HostName, from: string | undefined, to: string, toPort: number): Flow {
  const family = to.includes(":") ? 6 : 4;
  const fd = net.in(host, () =>
    openTcp({ family, ...(from === undefined ? {} : { bind: { ip: ipOf(from), port: 0 } }) }),
  );
  const flow: { stream: Stream; opened: boolean; closed: Closed | undefined } = {
    stream: undefined as unknown as Stream,
    opened: false,
    closed: undefined,
  };
  const handler: StreamHandler = {
    opened: () => {
      flow.opened = true;
    },
    received: (_stream, chunk) => net.loop.release(chunk),
    ended: () => undefined,
    closed: (_stream, why) => {
      flow.closed = why;
    },
  };
  flow.stream = net.loop.connect({ ip: ipOf(to), port: toPort }, handler, { socket: fd });
  return flow;
}

/** A server on the internet's host, or on the remote site's. */
export function serve(
  net: Network,
  at: string,
  on: number,
): Disposable & { readonly accepted: number; readonly octets: number } {
  const host = at === REMOTE.v4 || at === REMOTE.v6 ? "b" : "i";
  const fd = net.in(host, () => listenTcp({ ip: ipOf(at), port: on }));
  const streams: Stream[] = [];
  const state = {
    accepted: 0,
    octets: 0,
    [Symbol.dispose]: () => {
      accepting[Symbol.dispose]();
      for (const stream of streams) stream.abort();
    },
  };
  const handler: StreamHandler = {
    received: (_stream, chunk, start, end) => {
      state.octets += end - start;
      net.loop.release(chunk);
    },
    ended: () => undefined,
    closed: () => undefined,
  };
  const accepting = net.loop.accept(fd, {
    accepted: (stream) => {
      state.accepted++;
      streams.push(stream);
      return handler;
    },
  });
  return state;
}
