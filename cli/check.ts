/** `novactl check`: the same reading of the files as the daemon's, without one. */
import { existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Diagnostic, formatDiagnostic, isError } from "../resources/diagnostic.ts";
import { everything, type ResourceSet } from "../resources/kinds.ts";
import { loadResources, readDirectory, readSource, type SourceFile } from "../resources/load.ts";
import { keyFor, readSecrets } from "../resources/secret-files.ts";
import { loadSettings, type Settings } from "../resources/settings.ts";
import { together } from "../resources/together.ts";
import { type Action, CommandError, EXIT, flagOf, isSet } from "./command.ts";
import { printed } from "./output.ts";

export const check: Action = async (call) => {
  const path = flagOf(call, "config") ?? "/etc/novaedge";
  const { settings, files } = filesAt(path);
  const own = settings === undefined ? undefined : loadSettings(settings);
  const loaded = loadResources(files);
  const diagnostics: Diagnostic[] = [...(own?.diagnostics ?? []), ...loaded.diagnostics];
  if (own?.settings !== undefined) {
    diagnostics.push(...together(own.settings, loaded.resources, loaded.refused));
    // As the daemon: files that nobody can use tell nothing of those that they name.
    if (!isSet(call, "no-secrets") && !diagnostics.some(isError))
      diagnostics.push(...secretProblems(own.settings, loaded.resources));
  }
  const bad = diagnostics.some(isError);
  const count = everything(loaded.resources).length;
  if (!(await printed(call, { ok: !bad, resources: count, files: files.length, problems: diagnostics }))) {
    if (files.length === 0) call.io.err(`${path}: warning: no *.yaml with resources here: nothing would be served\n`);
    for (const each of diagnostics) call.io.err(`${formatDiagnostic(each)}\n`);
    const errors = diagnostics.filter(isError).length;
    if (bad) call.io.err(`${errors} error${errors === 1 ? "" : "s"}\n`);
    else call.io.out(`ok: ${count} resources in ${files.length} files\n`);
  }
  return bad ? EXIT.configuration : EXIT.ok;
};

function secretProblems(settings: Settings, resources: ResourceSet): readonly Diagnostic[] {
  const key = keyFor(settings, resources);
  const secrets = readSecrets(settings, resources);
  return [...(key.ok ? [] : [key.error]), ...(secrets.ok ? [] : secrets.error)];
}

/** A directory with conf.d/ or novaedge.yaml is a whole configuration, as is a novaedge.yaml; any other holds resources. */
function filesAt(path: string): { readonly settings: SourceFile | undefined; readonly files: readonly SourceFile[] } {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new CommandError(EXIT.configuration, "FILE", `${path} does not exist`);
  if (!stats.isDirectory()) {
    return basename(path) === SETTINGS ? filesAt(dirname(path)) : { settings: undefined, files: [readSource(path)] };
  }
  const settingsFile = join(path, SETTINGS);
  const settings = existsSync(settingsFile) ? readSource(settingsFile) : undefined;
  const own = join(path, "conf.d");
  if (existsSync(own)) return { settings, files: readDirectory(own) };
  return { settings, files: readDirectory(path).filter(({ file }) => file !== settingsFile) };
}
const SETTINGS = "novaedge.yaml";
