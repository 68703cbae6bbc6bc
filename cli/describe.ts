/** `novactl describe`: one resource as written, what became of it, and why. */
import { type Action, CommandError, EXIT, flagOf } from "./command.ts";
import { labelsOf } from "./get.ts";
import { idOf, kindFrom, nameFrom } from "./kind.ts";
import { ageOf, clean, yamlOf } from "./output.ts";
import { conditionTable } from "./status.ts";

export const describe: Action = async (call) => {
  const [word = "", written = ""] = call.arguments;
  const kind = kindFrom(word);
  const { namespace, name } = nameFrom(call, kind, written);
  const { resources } = await call.client.call("GET /v1/resources", undefined, { kind, name });
  const resource = resources.find((each) => each.kind === kind && each.name === name && each.namespace === namespace);
  if (resource === undefined) {
    const place = namespace === "" || flagOf(call, "namespace") !== undefined ? "" : ` in namespace ${namespace}`;
    throw new CommandError(EXIT.failed, "NOT_FOUND", `there is no ${kind} ${name}${place}`);
  }
  const status = await call.client.call("GET /v1/status");
  const line = (title: string, text: string): string => `${`${title}:`.padEnd(14)}${text}\n`;
  const pairs = (values: Readonly<Record<string, string>>): string =>
    Object.entries(values)
      .map(([key, value]) => `${key}=${value}`)
      .join(", ") || "-";
  const metadata = resource.manifest["metadata"] as
    | { readonly annotations?: Readonly<Record<string, string>> }
    | undefined;
  let text = line("Name", name);
  if (namespace !== "") text += line("Namespace", namespace);
  text += line("Kind", `${kind} (${resource.apiVersion})`);
  text += line("Labels", clean(pairs(labelsOf(resource))));
  text += line("Annotations", clean(pairs(metadata?.annotations ?? {})));
  text += line("Read from", clean(`${resource.file}:${resource.line}`));
  const { conditions: _, loadedAt, ...rest } = resource.status;
  if (typeof loadedAt === "number") text += line("In force for", ageOf(call.io.now() - loadedAt));
  text += `Spec:\n${indented(await yamlOf(resource.manifest["spec"] ?? {}))}`;
  if (Object.keys(rest).length > 0) text += `Status:\n${indented(await yamlOf(dated(rest)))}`;
  const conditions = status.conditions.filter((each) => each.subject === idOf(resource));
  if (conditions.length > 0) text += `Conditions:\n${indented(conditionTable(call, conditions))}`;
  call.io.out(text);
  return EXIT.ok;
};

/** Milliseconds since the epoch, as the API has times, are nothing to read. */
function dated(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, each: unknown) =>
    key === "since" && typeof each === "number" ? new Date(each).toISOString() : each,
  );
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, "  ");
}
