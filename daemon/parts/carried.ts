/** What the data planes go on carrying for a virtual IP that is on its way out. */
import { formatIp } from "../../base/address.ts";
import type { BackendConfig, ListenerConfig } from "../../proxy/config.ts";
import type { Desired } from "../desired/desired.ts";
import type { SocketWanted } from "../desired/proxy.ts";

export interface Carried {
  readonly sockets: readonly SocketWanted[];
  readonly listeners: readonly ListenerConfig[];
  readonly backends: readonly BackendConfig[];
}

/** At these addresses, without prefix lengths. */
export function carriedBy(addresses: readonly string[], { proxy, sockets: all }: Desired): Carried {
  const wanted = new Set(addresses);
  const sockets = all.filter(({ ip }) => wanted.has(formatIp(ip)));
  const keys = new Set(sockets.map((socket) => socket.key));
  const listeners = proxy.listeners.filter((listener) => keys.has(listener.key));
  const used = new Set(
    listeners.flatMap(({ rules }) => rules.flatMap(({ backends }) => backends.map(({ backend }) => backend))),
  );
  return { sockets, listeners, backends: proxy.backends.filter(({ name }) => used.has(name)) };
}

/** The wanted, and the listeners of what has not left yet, by the names of their virtual IPs. */
export function withCarried(
  { proxy, sockets }: Pick<Desired, "proxy" | "sockets">,
  carried: Iterable<readonly [string, Carried]>,
): Pick<Desired, "proxy" | "sockets"> {
  const open = [...carried].filter(([, each]) => each.sockets.length > 0);
  if (open.length === 0) return { proxy, sockets };
  const backends = new Map(open.flatMap(([, vip]) => vip.backends).map((each) => [each.name, each]));
  for (const each of proxy.backends) backends.set(each.name, each);
  return {
    proxy: {
      version: `${proxy.version}+${open.map(([name]) => name).join("+")}`,
      listeners: [...proxy.listeners, ...open.flatMap(([, vip]) => vip.listeners)],
      backends: [...backends.values()],
    },
    sockets: [...sockets, ...open.flatMap(([, vip]) => vip.sockets)],
  };
}
