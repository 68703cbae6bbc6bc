/**
 * What a data plane may say to control.  It is unprivileged and parses hostile octets, so control believes only what has
 * this form: whoever takes a data plane over gains neither control's rights nor the power to stop it.
 */
import * as z from "zod";
import { type DataplaneStats, DURATION_BUCKETS, type FromDataplane } from "../../proxy/control.ts";

/** The message, or undefined: the process that sent it is not ours any more and is to be killed. */
export function parseFromDataplane(message: unknown): FromDataplane | undefined {
  const parsed = words.safeParse(message);
  return parsed.success ? parsed.data : undefined;
}

/** Names and reasons; longer ones exist in no configuration. */
const text = z.string().max(4096);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const seconds = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const counts = z.record(text, count);

const stats: z.ZodType<DataplaneStats> = z.strictObject({
  connections: count,
  requestsInFlight: count,
  connectionsTotal: count,
  requests: counts,
  durations: z.record(text, z.array(seconds).length(DURATION_BUCKETS.length + 1)),
  upstream: counts,
  pools: z.record(text, z.tuple([count, count, count, count])),
  refused: counts,
});

const words: z.ZodType<FromDataplane> = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("hello"), pid: count, engine: text, why: text }),
  z.strictObject({ kind: z.literal("applied"), version: text, listening: z.array(text).max(65_536) }),
  z.strictObject({ kind: z.literal("refused"), version: text, why: text }),
  z.strictObject({ kind: z.literal("pong"), n: z.number() }),
  z.strictObject({ kind: z.literal("hushed") }),
  z.strictObject({ kind: z.literal("told") }),
  z.strictObject({ kind: z.literal("health"), backend: text, endpoint: text, healthy: z.boolean(), why: text }),
  z.strictObject({ kind: z.literal("stats"), stats }),
]);
