/**
 * Sites behind gateways of every pair of kinds: whether they meet directly, how soon, and how soon the first packet passes
 * at all (by the relay).  Then what moves below a tunnel: a gateway that forgets, an address that changes.  There is no peer
 * that does this on one machine with the same tunnels; the table is the result.
 */
import type { Gateways } from "../lab/topology/sites.ts";
import type { BenchOptions } from "./options.ts";
import { peer } from "./peer.ts";
import { type Report, Samples } from "./report.ts";
import { type Behind, meet, recover } from "./wan/nat-trial.ts";

const KINDS: readonly Gateways[] = [
  "none",
  "independent",
  "preserving",
  "address",
  "symmetric",
  "double",
  "sequential",
];

export async function wanNat(options: BenchOptions): Promise<Report> {
  peer("wireguard-go", "wireguard-go");
  peer("wg", "wireguard-tools");
  peer("turnserver", "coturn");
  peer("conntrack", "conntrack");
  peer("fping", "fping");
  const samples = new Samples();
  const missing = new Set(KINDS.flatMap((a, index) => KINDS.slice(index).map((b) => nameOf(a, b))));
  while (missing.size > 0) {
    const behind = options.quick ? QUICK : mostOf(missing);
    const { firstPacket, pairs } = await meet(behind, options.quick ? 25_000 : 30_000);
    samples.add("novaedge", "all", "first_packet_ms", "ms", firstPacket);
    for (const { kinds, direct, found, truthful } of pairs) {
      const name = nameOf(...kinds);
      missing.delete(name);
      process.stderr.write(`${name.padEnd(26)} ${direct === undefined ? "relayed" : `direct ${direct} ms ${found}`}\n`);
      samples.add("novaedge", name, "is_direct", "", direct === undefined ? 0 : 1);
      samples.add("novaedge", name, "wrong_claims", "", truthful ? 0 : 1);
      if (direct !== undefined) samples.add("novaedge", name, "direct_after_ms", "ms", direct);
    }
    if (options.quick) break;
  }
  for (const what of options.quick ? [] : (["mapping-lost", "address-moved"] as const)) {
    const { outage, again } = await recover(what);
    process.stderr.write(`${what}: ${outage.toFixed(0)} ms without service, direct again after ${again} ms\n`);
    samples.add("novaedge", what, "outage_ms", "ms", outage);
    samples.add("novaedge", what, "direct_again_ms", "ms", again);
  }
  return samples.report("wan-nat", []);
}

const QUICK: Behind = { second: ["independent", "symmetric"], third: ["preserving", "double"] };

/** The four kinds whose four pairs hold most of what is missing. */
function mostOf(missing: ReadonlySet<string>): Behind {
  let best: Behind = QUICK;
  let most = 0;
  for (const a of KINDS)
    for (const b of KINDS)
      for (const c of KINDS)
        for (const d of KINDS) {
          const names = new Set([nameOf(a, c), nameOf(a, d), nameOf(b, c), nameOf(b, d)]);
          const count = [...names].filter((name) => missing.has(name)).length;
          if (count > most) [best, most] = [{ second: [a, b], third: [c, d] }, count];
        }
  return best;
}

function nameOf(a: Gateways, b: Gateways): string {
  return KINDS.indexOf(a) <= KINDS.indexOf(b) ? `${a}-${b}` : `${b}-${a}`;
}
