/** Policies that ask of requests, below the table of `novactl wan policies`: what they ask, and whether the proxy knows. */
import type { WanPolicyStatus } from "../daemon/admin/wan-api.ts";
import type { Io } from "./command.ts";
import { table, toned } from "./output.ts";

/** Empty: no policy does. */
export function requestTable(io: Io, policies: readonly WanPolicyStatus[]): string {
  const rows = policies.flatMap(({ name, requests }) => {
    if (requests === undefined) return [];
    const { hosts, paths, headers, proxy } = requests;
    const fields = Object.entries(headers).map(([header, value]) => `${header}: ${value}`);
    return [[name, hosts.join(", "), paths.join(", "), fields.join(", "), toned(proxy, TONES[proxy])]];
  });
  return rows.length === 0 ? "" : table(io, ["REQUESTS OF", "HOSTS", "PATHS", "HEADERS", "PROXY"], rows);
}

const TONES = { matching: "good", waiting: "warn", none: "dim" } as const;
