/**
 * `novactl wan what-if --policy FILE --since 24h`: recorded measurements through the engine that decides now, with the policies
 * in force and with those of the file.  It runs here, not in the daemon, which has traffic to look after.
 */

import { formatDiagnostic } from "../resources/diagnostic.ts";
import { parseDuration } from "../resources/scalar.ts";
import { decodeRecord, type Recorded } from "../sdwan/choose/record.ts";
import { type Replayed, type ReplayedChoice, replay } from "../sdwan/choose/replay.ts";
import { isWholeClass } from "../sdwan/steer-plan.ts";
import { type Call, CommandError, EXIT, flagOf } from "./command.ts";
import { documentsOf, placed } from "./documents.ts";
import { ageOf, printed, table, toned } from "./output.ts";

export async function whatIf(call: Call): Promise<0> {
  const { io, client } = call;
  const span = flagOf(call, "since") ?? "24h";
  const since = parseDuration(span);
  if (since === undefined) throw new CommandError(EXIT.usage, "USAGE", `--since ${span} is no time such as 24h or 30m`);
  const documents = await documentsOf(call, "policy");
  const asked = client.call("POST /v1/wan/what-if", documents.request);
  const { inForce, whatIf: other, warnings } = await placed(documents, asked);
  for (const each of warnings) io.err(`${formatDiagnostic(documents.place(each))}\n`);
  const from = io.now() - since;
  const records: Recorded[] = [];
  let unread = 0;
  for await (const line of client.records({ since: String(from) }, io.signal)) {
    const record = decodeRecord(line);
    if (!record.ok) unread++;
    else if (record.value.at >= from) records.push(record.value);
  }
  if (unread > 0) io.err(`${unread} lines of another version, or cut short, were left out\n`);
  const order = records.toSorted((a, b) => a.at - b.at);
  const whole = [...inForce.choices, ...other.choices].filter(isWholeClass).map(({ id }) => id);
  const answer = compared(new Set(whole), replay(inForce, order), replay(other, order));
  if (await printed(call, answer)) return EXIT.ok;
  if (answer.from === undefined || answer.until === undefined) {
    io.err("nothing was measured in that time\n");
    return EXIT.ok;
  }
  io.out(`measured over ${ageOf(answer.until - answer.from)}, ${order.length} records\n\n`);
  io.out(
    table(
      io,
      ["CHOICE", "POLICY", "MOVES", "GOOD", "BAD", "NONE", "ON"],
      answer.choices.flatMap(({ id, inForce: before, whatIf: after }) => [
        row(id, "in force", before),
        row("", "what if", after),
      ]),
    ),
  );
  return EXIT.ok;
}

interface Compared {
  readonly from: number | undefined;
  readonly until: number | undefined;
  /** Of classes; those of single links and of answers follow from them. */
  readonly choices: readonly {
    readonly id: string;
    readonly inForce: ReplayedChoice | undefined;
    readonly whatIf: ReplayedChoice | undefined;
  }[];
  readonly decisions: { readonly inForce: Replayed["decisions"]; readonly whatIf: Replayed["decisions"] };
}

function compared(whole: ReadonlySet<string>, inForce: Replayed, other: Replayed): Compared {
  const all = new Set([...inForce.choices, ...other.choices].map(({ id }) => id));
  const ids = [...all].filter((id) => whole.has(id));
  return {
    from: inForce.from,
    until: inForce.until,
    choices: ids.map((id) => ({
      id,
      inForce: inForce.choices.find((each) => each.id === id),
      whatIf: other.choices.find((each) => each.id === id),
    })),
    decisions: { inForce: inForce.decisions, whatIf: other.decisions },
  };
}

function row(id: string, which: string, of: ReplayedChoice | undefined): Parameters<typeof table>[2][number] {
  if (of === undefined) return [id, which, undefined, undefined, undefined, undefined, "there is none"];
  const all = of.kept + of.broken + of.none;
  const share = (part: number): string => (all === 0 ? "" : `${Number(((100 * part) / all).toFixed(1))}%`);
  const spent = Object.entries(of.spent).toSorted(([, a], [, b]) => b - a);
  return [
    id,
    which,
    of.moves,
    share(of.kept),
    of.broken > 0 ? toned(share(of.broken), "warn") : undefined,
    of.none > 0 ? toned(share(of.none), "bad") : undefined,
    spent.map(([path, part]) => `${path} ${share(part)}`).join(", "),
  ];
}
