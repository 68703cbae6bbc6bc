/** Files on disk → one configuration, or every problem in them with its place.  Nothing here keeps state. */
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { errnoWords } from "../../base/errno.ts";
import { Fault } from "../../base/fault.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { type Diagnostic, inOrder, isError } from "../../resources/diagnostic.ts";
import { everything, idOf, type ResourceSet } from "../../resources/kinds.ts";
import { loadResources, readDirectory, readSource, type SourceFile } from "../../resources/load.ts";
import { DEFAULT_SETTINGS, loadSettings, nodeNameFrom, type Settings } from "../../resources/settings.ts";
import { together } from "../../resources/together.ts";
import { type Flags, withFlags } from "../flags.ts";
import { contentHash } from "./canonical.ts";
import type { Places } from "./places.ts";

export interface Configuration {
  readonly settings: NamedSettings;
  readonly resourceDir: string;
  readonly files: readonly SourceFile[];
  readonly resources: ResourceSet;
  readonly warnings: readonly Diagnostic[];
  /** Of the resources' content. */
  readonly hash: string;
}
/** Settings whose node has its name. */
export type NamedSettings = Settings & { readonly node: { readonly name: string } };

export function readConfiguration(places: Places, flags: Flags): Result<Configuration, readonly Diagnostic[]> {
  const settings = readSettings(places, flags);
  if (!settings.ok) return settings;
  const resourceDir = resourceDirOf(places, settings.value);
  const files = attempt(() => readResources(places, resourceDir));
  if (!files.ok) return files;
  const { resources, diagnostics: own, refused } = loadResources(files.value);
  const diagnostics = inOrder([...own, ...together(settings.value, resources, refused)]);
  if (diagnostics.some(isError)) return err(diagnostics);
  return ok({
    settings: settings.value,
    resourceDir,
    files: files.value,
    resources,
    warnings: diagnostics,
    hash: contentHash(everything(resources).map((each) => [idOf(each), each.metadata, each.spec])),
  });
}

export function readSettings(places: Places, flags: Flags): Result<NamedSettings, readonly Diagnostic[]> {
  const { settingsFile, settingsOptional } = places;
  const source = attempt(() => (settingsOptional && !existsSync(settingsFile) ? undefined : readSource(settingsFile)));
  if (!source.ok) return source;
  const loaded =
    source.value === undefined ? { settings: DEFAULT_SETTINGS, diagnostics: [] } : loadSettings(source.value);
  if (loaded.settings === undefined) return err(loaded.diagnostics);
  const settings = withFlags(loaded.settings, flags);
  const name = nodeNameFrom(settings.node.name, hostname());
  if (name.ok) return ok({ ...settings, node: { ...settings.node, name: name.value } });
  const problem = { severity: "error", file: settingsFile, line: 1, column: 1, code: "VALUE" } as const;
  return err([{ ...problem, message: name.error, hint: "write node.name, or give --node-name" }]);
}

/** conf.d beside the settings file, unless the settings name another place. */
function resourceDirOf(places: Places, settings: Settings): string {
  if (places.resourceDir !== undefined) return places.resourceDir;
  const { config } = settings.paths;
  return config === DEFAULT_SETTINGS.paths.config ? join(dirname(places.settingsFile), basename(config)) : config;
}

function readResources(places: Places, directory: string): readonly SourceFile[] {
  if (!existsSync(directory)) return [];
  return readDirectory(directory).filter(({ file }) => resolve(file) !== places.settingsFile);
}

/** A file that cannot be read is a finding about that file, as one that cannot be parsed. */
function attempt<T>(read: () => T): Result<T, readonly Diagnostic[]> {
  try {
    return ok(read());
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { path, errno } = error.fields;
    const file = typeof path === "string" ? path : "";
    const message = typeof errno === "string" ? whyUnread(file, errno) : error.message;
    return err([{ severity: "error", file, line: 0, column: 0, code: "FILE_READ", message }]);
  }
}

/** What has not the name of a configuration file was meant as a directory. */
function whyUnread(file: string, errno: string): string {
  if (errno === "ENOENT") return /\.ya?ml$/.test(file) ? "no such file" : "no such directory";
  return errnoWords(errno);
}
