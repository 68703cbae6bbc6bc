/** `novactl apply`, `diff`, `delete`, `reload`: changes of the configuration. */
import type { ApplyAnswer, Change, FieldChange } from "../daemon/admin/api.ts";
import { formatDiagnostic } from "../resources/diagnostic.ts";
import { type Action, type Call, EXIT, isSet } from "./command.ts";
import { documentsOf, placed } from "./documents.ts";
import { kindFrom, nameFrom } from "./kind.ts";
import { clean, paint, printed, type Tone } from "./output.ts";

export const apply: Action = async (call) => {
  const documents = await documentsOf(call);
  const request = { ...documents.request, dryRun: isSet(call, "dry-run") };
  const answer = await placed(documents, call.client.call("POST /v1/apply", request));
  for (const warning of answer.warnings) call.io.err(`${formatDiagnostic(documents.place(warning))}\n`);
  await report(call, answer);
  return EXIT.ok;
};

export const remove: Action = async (call) => {
  const [word = "", written = ""] = call.arguments;
  const kind = kindFrom(word);
  const place = nameFrom(call, kind, written);
  const answer = await call.client.call("POST /v1/delete", { kind, ...place, dryRun: isSet(call, "dry-run") });
  for (const warning of answer.warnings) call.io.err(`${formatDiagnostic(warning)}\n`);
  await report(call, answer);
  return EXIT.ok;
};

export const reload: Action = async (call) => {
  const answer = await call.client.call("POST /v1/reload", { dryRun: isSet(call, "dry-run") });
  for (const warning of answer.warnings) call.io.err(`${formatDiagnostic(warning)}\n`);
  if (await printed(call, answer)) return EXIT.ok;
  const what = isSet(call, "dry-run") ? "would be in force" : "in force";
  call.io.out(
    `${answer.changed ? "changed" : "unchanged"}: generation ${answer.generation} (${answer.hash}) ${what}\n`,
  );
  for (const change of answer.changes) call.io.out(`  ${clean(change)}\n`);
  return EXIT.ok;
};

export const diff: Action = async (call) => {
  const documents = await documentsOf(call);
  const answer = await placed(documents, call.client.call("POST /v1/diff", documents.request));
  for (const warning of answer.warnings) call.io.err(`${formatDiagnostic(documents.place(warning))}\n`);
  const changed = answer.changes.filter((each) => each.change !== "unchanged");
  if (!(await printed(call, answer))) {
    for (const each of changed) {
      call.io.out(`${nameOf(each)} ${each.change}\n`);
      for (const field of each.fields) call.io.out(fieldLines(call, field));
    }
    if (changed.length === 0) call.io.err("no differences\n");
  }
  return changed.length > 0 && isSet(call, "exit-code") ? EXIT.failed : EXIT.ok;
};

async function report(call: Call, answer: ApplyAnswer): Promise<void> {
  if (await printed(call, answer)) return;
  const suffix = answer.dryRun ? " (dry run)" : "";
  for (const each of answer.changes) {
    call.io.out(`${nameOf(each)} ${paint(call.io, each.change, TONES[each.change])}${suffix}\n`);
  }
  if (answer.changes.length === 0) call.io.err("no resources in the documents\n");
}
const TONES: Readonly<Record<Change["change"], Tone | undefined>> = {
  created: "good",
  configured: "good",
  unchanged: "dim",
  deleted: "warn",
};

function nameOf({ kind, namespace, name }: Change): string {
  return clean(namespace === "" ? `${kind}/${name}` : `${kind}/${namespace}/${name}`);
}

function fieldLines({ io }: Call, { path, before, after }: FieldChange): string {
  const line = (sign: string, value: unknown, tone: Tone): string =>
    value === undefined ? "" : `${paint(io, clean(`  ${sign} ${path}: ${JSON.stringify(value)}`), tone)}\n`;
  return line("-", before, "bad") + line("+", after, "good");
}
