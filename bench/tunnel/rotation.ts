/**
 * What changing keys under way costs: 1,000 packets a second each way, and how many of them have no answer.
 */
import { createInterface } from "node:readline";
import { setTimeout as elapse } from "node:timers/promises";
import { spawnInside } from "../../netstack/kernel/namespace.ts";
import type { Samples } from "../report.ts";
import { newKey, type OurPair } from "./pair.ts";

export async function rotations(samples: Samples, pair: OurPair, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const none = await lost(pair, () => undefined);
    samples.add("novaedge", "rotation", "lost_without", "packets", none);
    const presharedKey = newKey().privateKey;
    const preshared = await lost(pair, () => {
      for (const end of ["server", "client"] as const) pair.plan(end, { peer: { presharedKey } });
    });
    samples.add("novaedge", "rotation", "lost_preshared", "packets", preshared);
    const next = newKey();
    pair.plan("server", { peer: { nextPublicKey: next.publicKey } });
    await elapse(1_500);
    const key = await lost(pair, () => pair.plan("client", { privateKey: next.privateKey }));
    samples.add("novaedge", "rotation", "lost_key", "packets", key);
    pair.plan("server", { peer: { publicKey: next.publicKey, nextPublicKey: undefined } });
    await elapse(1_500);
    process.stderr.write(`rotation: ${none} lost without, ${preshared} by a preshared key, ${key} by a key\n`);
  }
}

/** Packets without an answer, up to the last that had one, while something changes in the middle of them. */
async function lost(pair: OurPair, change: () => void): Promise<number> {
  const args = ["-c", "2500", "-i", "1", "-p", "1", "-t", "1000", "-S", "10.1.0.1", "10.2.0.1"];
  const child = spawnInside(pair.client, "fping", args, { stdio: ["ignore", "pipe", "ignore"] });
  if (child.stdout === null) throw new TypeError("a program without output");
  const answered = new Set<number>();
  const lines = createInterface({ input: child.stdout });
  let changed = false;
  for await (const line of lines) {
    const number = / : \[(\d+)\], \d+ bytes, /.exec(line)?.[1];
    if (number === undefined) continue;
    answered.add(Number(number));
    if (changed || answered.size < 1_000) continue;
    changed = true;
    change();
  }
  if (!changed) throw new Error(`only ${answered.size} answers`);
  return Math.max(...answered) + 1 - answered.size;
}
