/** `novactl events`: decisions with their reasons. */
import type { AdminEvent } from "../daemon/admin/api.ts";
import type { CandidateReport } from "../sdwan/steer-plan.ts";
import { type Action, type Call, CommandError, EXIT, flagOf, type Io, isSet } from "./command.ts";
import { clean, formatOf, paint, type Tone, yamlOf } from "./output.ts";

export const events: Action = async (call) => {
  const limit = flagOf(call, "limit") ?? "100";
  if (!/^[1-9][0-9]{0,5}$/.test(limit))
    throw new CommandError(EXIT.usage, "USAGE", "--limit takes a number from 1 to 999999");
  const query = { limit, ...(isSet(call, "watch") ? { follow: "1" } : {}) };
  for await (const event of call.client.events(query, call.io.signal)) await printEvent(call, event);
  return EXIT.ok;
};

export async function printEvent(call: Call, event: AdminEvent): Promise<void> {
  const format = formatOf(call);
  if (format === "json") call.io.out(`${JSON.stringify(event)}\n`);
  else if (format === "yaml") call.io.out(`---\n${await yamlOf(event)}`);
  else call.io.out(`${eventLine(call.io, event)}\n`);
}

const LEVEL_TONES: Readonly<Record<AdminEvent["level"], Tone | undefined>> = {
  trace: "dim",
  debug: "dim",
  info: undefined,
  warn: "warn",
  error: "bad",
};

function eventLine(io: Io, { at, level, name, fields }: AdminEvent): string {
  const time = new Date(at).toISOString().slice(11, 23);
  const rest = Object.entries(brief(fields)).map(([key, value]) => `${key}=${written(value)}`);
  const level5 = paint(io, level.padEnd(5), LEVEL_TONES[level]);
  return [paint(io, time, "dim"), level5, clean(name).padEnd(24), clean(rest.join(" "))].join("  ").trimEnd();
}

/** Candidates in full are for programs. */
function brief(fields: AdminEvent["fields"]): AdminEvent["fields"] {
  const { candidates } = fields;
  if (!Array.isArray(candidates)) return fields;
  const all = (candidates as readonly CandidateReport[]).map(({ path, verdict }) => `${path} ${verdict}`);
  return { ...fields, candidates: all.join(", ") };
}

function written(value: unknown): string {
  if (typeof value === "string") return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value) ?? "-";
}
