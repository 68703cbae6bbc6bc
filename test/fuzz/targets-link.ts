/** What reads strangers' ICMP on a WAN link, and trains inside tunnels. */
import { decodeEcho, encodeEcho } from "../../sdwan/link/echo.ts";
import { decodeTrain, encodeTrain, type TrainPacket } from "../../sdwan/link/train.ts";
import { must, type Target } from "./target.ts";

const TOKEN = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const request = (family: 4 | 6): Uint8Array => encodeEcho(family, { id: 0x1234, sequence: 7, token: TOKEN }, 72);

/** An answer, and a router's word about a request of ours. */
function heard(family: 4 | 6): readonly Uint8Array[] {
  const ip = new Uint8Array(family === 4 ? 20 : 40);
  if (family === 4) ip.set([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1]);
  else ip.set([0x60, 0, 0, 0, 0, 0, 58, 64]);
  const outer = family === 4 ? ip : new Uint8Array(0);
  const answer = Uint8Array.from(request(family));
  answer[0] = family === 4 ? 0 : 129;
  const error = family === 4 ? [3, 4, 0, 0, 0, 0, 5, 0x78] : [2, 0, 0, 0, 0, 0, 5, 0x78];
  return [Uint8Array.from([...outer, ...answer]), Uint8Array.from([...outer, ...error, ...ip, ...request(family)])];
}

const echo = (family: 4 | 6): Target => ({
  name: `link-echo-${family}`,
  corpus: heard(family),
  tokens: [Uint8Array.of(0x45), Uint8Array.of(0x4f), Uint8Array.of(3, 4), Uint8Array.of(2, 0), Uint8Array.of(129)],
  run(memory, start, end) {
    const found = decodeEcho(family, memory.subarray(start, end));
    if (found.kind === "answer") {
      must(found.echo.token.length === TOKEN.length, "a token of another length");
      must(found.size <= end - start + (family === 4 ? 0 : 40), "an answer that is larger than what came");
    } else if (found.kind === "too-big") must(found.mtu >= 0 && found.id <= 0xffff, "out of range");
  },
});

const ZERO = (): Uint8Array => new Uint8Array(32);
const TRAINS: readonly TrainPacket[] = [
  { kind: "ask", train: 7n, count: 60, size: 1352, stamp: 9n },
  { kind: "wagon", train: 7n, index: 3, count: 60 },
  { kind: "result", train: 7n, received: 60, count: 60, bits: 1e7 },
];

const train: Target = {
  name: "link-train",
  corpus: TRAINS.map((packet) => encodeTrain(packet, ZERO)),
  tokens: [Buffer.from("NVBW"), Uint8Array.of(1, 1), Uint8Array.of(1, 2), Uint8Array.of(1, 3)],
  run(memory, start, end) {
    const found = decodeTrain(memory.subarray(start, end), () => true);
    if (!found.ok) return must(found.error.kind.length > 0, "refused without a name");
    const again = decodeTrain(encodeTrain(found.value, ZERO), () => true);
    must(again.ok && again.value.kind === found.value.kind && again.value.train === found.value.train, "changes");
  },
};

export const LINK: readonly Target[] = [echo(4), echo(6), train];
