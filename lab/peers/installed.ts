/** Which peers this machine has.  Tests skip with the sentence that `missing` returns; benches install (bench/peer.ts). */
import { existsSync } from "node:fs";

export type Program = keyof typeof PROGRAMS;

export const PROGRAMS = {
  frr: { paths: ["/usr/lib/frr/zebra"], debian: "frr" },
  bird: { paths: ["/usr/sbin/bird"], debian: "bird2" },
  gobgp: { paths: ["/usr/bin/gobgpd"], debian: "gobgpd" },
  exabgp: { paths: ["/usr/sbin/exabgp", "/usr/bin/exabgp"], debian: "exabgp" },
  openbgpd: { paths: ["/usr/sbin/bgpd"], debian: "openbgpd" },
  coturn: { paths: ["/usr/bin/turnserver"], debian: "coturn" },
  wireguardGo: { paths: ["/usr/bin/wireguard-go"], debian: "wireguard-go" },
  wg: { paths: ["/usr/bin/wg"], debian: "wireguard-tools" },
  fping: { paths: ["/usr/bin/fping"], debian: "fping" },
  conntrack: { paths: ["/usr/sbin/conntrack"], debian: "conntrack" },
  dnsmasq: { paths: ["/usr/sbin/dnsmasq"], debian: "dnsmasq-base" },
  keepalived: { paths: ["/usr/sbin/keepalived"], debian: "keepalived" },
} as const satisfies Readonly<Record<string, { readonly paths: readonly string[]; readonly debian: string }>>;

export function pathOf(program: Program): string | undefined {
  return PROGRAMS[program].paths.find((path) => existsSync(path));
}

/** Why a test that needs root and these programs cannot run here; undefined when it can. */
export function missing(...programs: readonly Program[]): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  const absent = programs.filter((program) => pathOf(program) === undefined);
  return absent.length === 0 ? undefined : `needs Debian's ${absent.map((each) => PROGRAMS[each].debian).join(", ")}`;
}
