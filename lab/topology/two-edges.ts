/**
 * Two edge hosts that share virtual IPs towards a client, and three backends behind them on a segment of their own, so
 * that the front can be cut alone.  The client is the edges' default gateway, as a router would be: their witness.
 */
import { type Description, describe } from "../description.ts";

export const VIP4 = "10.77.0.100";
export const VIP6 = "fd77::100";
export const BACKENDS = ["b1", "b2", "b3"] as const;

export function twoEdges(): Description {
  return describe({
    hosts: {
      client: { interfaces: { eth0: ["10.77.0.254/24", "fd77::fe/64"] } },
      a: edge(1),
      b: edge(2),
      b1: backend(11),
      b2: backend(12),
      b3: backend(13),
    },
    switches: ["front", "back"],
    links: [
      { from: "client:eth0", to: "front" },
      { from: "a:eth0", to: "front" },
      { from: "b:eth0", to: "front" },
      { from: "a:eth1", to: "back" },
      { from: "b:eth1", to: "back" },
      ...BACKENDS.map((name) => ({ from: `${name}:eth0`, to: "back" }) as const),
    ],
  });
}

function edge(n: number) {
  return {
    interfaces: {
      eth0: [`10.77.0.${n}/24`, `fd77::${n}/64`],
      eth1: [`10.78.0.${n}/24`, `fd78::${n}/64`],
    },
    routes: [
      { to: "default", via: "10.77.0.254" },
      { to: "default", via: "fd77::fe" },
    ],
  };
}
function backend(n: number) {
  return { interfaces: { eth0: [`10.78.0.${n}/24`, `fd78::${n}/64`] } };
}
