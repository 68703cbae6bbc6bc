/** ProxyIPPool: addresses that VIPs are given. */
import * as z from "zod";
import { flag, prefix, unicast } from "./scalar.ts";

export const poolSpec = z.strictObject({
  cidrs: z
    .array(prefix)
    .default([])
    .describe("Ranges; of an IPv4 range up to /30 the network and broadcast addresses are left out."),
  addresses: z.array(unicast).default([]).describe("Single addresses."),
  autoAssign: flag
    .default(true)
    .describe("Whether a VIP without an address and without a poolRef may be served from this pool."),
});
export type PoolSpec = z.output<typeof poolSpec>;
