/**
 * The configuration in force: what the files said when they were last right.  A file that is wrong changes nothing but
 * `problems`.  Everything here is synchronous, so an apply and a reload never meet half-way.
 */
import { statSync } from "node:fs";
import { err, ok, type Result } from "../../base/result.ts";
import type { Diagnostic } from "../../resources/diagnostic.ts";
import { isError, placeOf } from "../../resources/diagnostic.ts";
import type { ResourceSet } from "../../resources/kinds.ts";
import { everything, idOf } from "../../resources/kinds.ts";
import { readDirectory, type SourceFile } from "../../resources/load.ts";
import { KIND_NAMES, kindOf } from "../../resources/names.ts";
import { HIDDEN, SECRET_FIELDS } from "../../resources/routing-values.ts";
import { keyFor, readSecrets, type Secrets } from "../../resources/secret-files.ts";
import { withoutSecrets } from "../../resources/secrets.ts";
import type { Settings } from "../../resources/settings.ts";
import { together } from "../../resources/together.ts";
import type { ApplyAnswer, DeleteRequest, DiffAnswer, FieldChange, Refusal, ReloadAnswer } from "../admin/api.ts";
import type { DesiredCondition } from "../desired/desired.ts";
import type { Events } from "../events.ts";
import type { Flags } from "../flags.ts";
import { fieldChanges, sameContent } from "./canonical.ts";
import { changesBetween, type SiteKeyFile } from "./changes.ts";
import { type Edit, planApply, planDelete } from "./edit.ts";
import type { Places } from "./places.ts";
import { type Configuration, type NamedSettings, readConfiguration, readSettings } from "./read.ts";
import { commit, recover } from "./transaction.ts";

export interface LiveParts {
  readonly places: Places;
  readonly flags: Flags;
  readonly events: Events;
  readonly wall: () => number;
  /** Another configuration is in force. */
  readonly changed: () => void;
  /** Of the configuration in force; undefined: no tunnels.  Makes no key. */
  readonly siteKey?: (current: KeyedConfiguration) => SiteKeyFile | undefined;
}

export class Live {
  readonly #parts: LiveParts;
  readonly #boot: NamedSettings;
  #current: KeyedConfiguration;
  #restart: readonly string[] = [];
  /** Public key that the site's file had at the last reload: what tunnels are about to have. */
  #siteKey: string | undefined;
  generation = 1;
  loadedAt: number;
  problems: readonly Diagnostic[] = [];
  readonly reloads = { accepted: 1, refused: 0 };
  /** `idOf` a resource → when it came into force here. */
  readonly since = new Map<string, number>();

  constructor(first: KeyedConfiguration, parts: LiveParts) {
    this.#parts = parts;
    this.#boot = first.settings;
    this.#current = first;
    this.loadedAt = parts.wall();
    this.#age();
  }

  get places(): Places {
    return this.#parts.places;
  }
  /** Its settings are those in force: what only a restart changes is still as it was at the start. */
  get current(): KeyedConfiguration {
    return this.#current;
  }

  conditions(): readonly DesiredCondition[] {
    const told = (code: "CONFIG_REFUSED" | "CONFIG_WARNING") => (each: Diagnostic) => conditionOf(code, each);
    const refused = this.problems.filter(isError).map(told("CONFIG_REFUSED"));
    const warned = this.#current.warnings.map(told("CONFIG_WARNING"));
    if (this.#restart.length === 0) return [...refused, ...warned];
    const message = `changed on disk, needs a restart: ${this.#restart.join(", ")}`;
    return [...refused, ...warned, { code: "RESTART_NEEDED", severity: "warning", subject: "settings", message }];
  }

  /** Reads the files; what is wrong in them changes nothing. */
  reload(dryRun: boolean): Result<ReloadAnswer, Refusal> {
    const read = readKeyed(this.#parts.places, this.#parts.flags);
    if (!read.ok) {
      if (!dryRun) this.#refused(read.error);
      return err(invalid(read.error));
    }
    const { warnings, hash } = read.value;
    const changes = this.#changes(read.value);
    const changed = changes.length > 0 || !sameContent(warnings, this.#current.warnings);
    if (!dryRun) this.#accept(read.value, changed, changes);
    return ok({ changed, changes, generation: this.generation, hash, warnings });
  }

  apply(source: string, documents: string, dryRun: boolean): Result<ApplyAnswer, Refusal> {
    const edit = this.#plan(source, documents);
    return edit.ok ? this.#perform(edit.value, dryRun) : edit;
  }

  diff(source: string, documents: string): Result<DiffAnswer, Refusal> {
    const edit = this.#plan(source, documents);
    if (!edit.ok) return edit;
    const changes = edit.value.changes.map(({ before, after, ...change }) => ({
      ...change,
      fields: fieldChanges(before, after).map(shownChange),
    }));
    return ok({ changes, warnings: edit.value.warnings });
  }

  /** What would be in force after an apply. */
  preview(
    source: string,
    documents: string,
  ): Result<
    { readonly settings: Settings; readonly resources: ResourceSet; readonly warnings: readonly Diagnostic[] },
    Refusal
  > {
    const edit = this.#plan(source, documents);
    if (!edit.ok) return edit;
    const { resources, warnings } = edit.value;
    return ok({ settings: this.#current.settings, resources, warnings });
  }

  remove(request: DeleteRequest): Result<ApplyAnswer, Refusal> {
    const kind = kindOf(request.kind);
    if (kind === undefined) {
      return err({ code: "NOT_FOUND", message: `there is no kind ${request.kind}`, problems: [] });
    }
    const namespace = KIND_NAMES[kind].namespaced ? request.namespace || "default" : undefined;
    const edit = planDelete(this.#filesNow(), { kind, namespace, name: request.name });
    if (edit === undefined) {
      const name = namespace === undefined ? request.name : `${namespace}/${request.name}`;
      return err({ code: "NOT_FOUND", message: `there is no ${kind} ${name}`, problems: [] });
    }
    if (!edit.ok) return err(invalid(edit.error));
    const wrong = this.#wrong(this.#current.settings, edit.value.resources);
    return wrong === undefined ? this.#perform(edit.value, request.dryRun) : err(invalid(wrong));
  }

  #plan(source: string, documents: string): Result<Edit, Refusal> {
    const { places, flags } = this.#parts;
    // What an apply leaves behind must be what a reload takes: settings and key are looked at before anything is written.
    const settings = readSettings(places, flags);
    if (!settings.ok) return err(invalid(settings.error));
    const edit = planApply(this.#filesNow(), source, documents, this.#current.resourceDir);
    if (!edit.ok) return err(invalid(edit.error));
    const wrong = this.#wrong(settings.value, edit.value.resources);
    return wrong === undefined ? edit : err(invalid(wrong));
  }

  /** What a reload would find beyond the resources themselves. */
  #wrong(settings: NamedSettings, resources: ResourceSet): readonly Diagnostic[] | undefined {
    const found = together(settings, resources);
    if (found.some(isError)) return found;
    const key = keyFor(settings, resources);
    if (!key.ok) return [key.error];
    const secrets = readSecrets(settings, resources);
    return secrets.ok ? undefined : secrets.error;
  }

  /** What is on disk now, not what was read last: an edit must not undo somebody's change. */
  #filesNow(): readonly SourceFile[] {
    const { resourceDir } = this.#current;
    const { settingsFile } = this.#parts.places;
    return exists(resourceDir) ? readDirectory(resourceDir).filter(({ file }) => file !== settingsFile) : [];
  }

  #perform({ changes, files, warnings }: Edit, dryRun: boolean): Result<ApplyAnswer, Refusal> {
    const said = changes.map(({ before: _before, after: _after, ...change }) => change);
    if (!dryRun && files.length > 0) {
      commit(this.#current.resourceDir, files);
      for (const { kind, namespace, name, change, file } of said) {
        if (change !== "unchanged") this.#parts.events.emit("config.applied", { kind, namespace, name, change, file });
      }
      const reloaded = this.reload(false);
      if (!reloaded.ok) return reloaded;
    }
    return ok({ changes: said, warnings, dryRun, generation: this.generation });
  }

  #refused(problems: readonly Diagnostic[]): void {
    this.reloads.refused++;
    const news = !sameContent(this.problems, problems);
    this.problems = problems;
    if (!news) return;
    const { events, changed } = this.#parts;
    for (const problem of problems.filter(isError).slice(0, 20)) {
      const { message, hint } = problem;
      events.emit("config.refused", { at: placeOf(problem), message, hint }, "error");
    }
    changed();
  }

  #accept(read: KeyedConfiguration, changed: boolean, changes: readonly string[]): void {
    this.reloads.accepted++;
    const recovered = this.problems.length > 0;
    this.problems = [];
    const settings = inForce(this.#boot, read.settings);
    const restart = fieldChanges(settings, read.settings).map(({ path }) => path);
    const news = !sameContent(restart, this.#restart);
    this.#restart = restart;
    if (changed) {
      this.generation++;
      this.loadedAt = this.#parts.wall();
      const { hash } = read;
      const files = read.files.length;
      this.#parts.events.emit("config.loaded", { generation: this.generation, hash, files, changes });
    }
    this.#current = { ...read, settings };
    this.#age();
    if (changed || recovered || news) this.#parts.changed();
  }

  #age(): void {
    const ids = new Set(everything(this.#current.resources).map(idOf));
    for (const id of this.since.keys()) if (!ids.has(id)) this.since.delete(id);
    for (const id of ids) if (!this.since.has(id)) this.since.set(id, this.loadedAt);
  }

  #changes(read: KeyedConfiguration): readonly string[] {
    const siteKey = this.#parts.siteKey?.(this.#current);
    const known = siteKey && { ...siteKey, inForce: siteKey.inForce ?? this.#siteKey };
    this.#siteKey = known?.onDisk ?? known?.inForce;
    const settings = { before: this.#current.settings, after: inForce(this.#boot, read.settings) };
    return changesBetween(this.#current, read, settings, known);
  }
}

export interface KeyedConfiguration extends Configuration {
  /** Secret of the segment's nodes, hex; empty while there are no virtual IPs. */
  readonly key: string;
  /** Of BGP, OSPF and BFD, as far as they stand in files of their own. */
  readonly secrets: Secrets;
}

/** Files → configuration, with what an interrupted apply left behind set right first. */
export function readKeyed(places: Places, flags: Flags): Result<KeyedConfiguration, readonly Diagnostic[]> {
  const read = readConfiguration(places, flags);
  if (!read.ok) return read;
  if (exists(read.value.resourceDir) && recover(read.value.resourceDir).length > 0) return readKeyed(places, flags);
  const { resources, settings } = read.value;
  const key = keyFor(settings, resources);
  if (!key.ok) return err([key.error]);
  const secrets = readSecrets(settings, resources);
  return secrets.ok ? ok({ ...read.value, key: key.value, secrets: secrets.value }) : secrets;
}

/** Labels, priorities, l2, routing and the log's level follow the file; the rest shapes processes that run. */
function inForce(boot: NamedSettings, read: NamedSettings): NamedSettings {
  const { labels, priority } = read.node;
  return {
    ...boot,
    node: { ...boot.node, labels, priority },
    l2: read.l2,
    bgp: read.bgp,
    ospf: read.ospf,
    bfd: read.bfd,
    routing: read.routing,
    log: { ...boot.log, level: read.log.level },
  };
}

/** Its hint is half of what an operator needs. */
function conditionOf(code: "CONFIG_REFUSED" | "CONFIG_WARNING", problem: Diagnostic): DesiredCondition {
  const { message, hint } = problem;
  return {
    code,
    severity: code === "CONFIG_REFUSED" ? "error" : "warning",
    subject: placeOf(problem),
    message: hint === undefined ? message : `${message} (${hint})`,
  };
}

/** A changed secret is told as a change of nothing to nothing else. */
function shownChange({ path, before, after }: FieldChange): FieldChange {
  const name = path.slice(path.lastIndexOf(".") + 1);
  const hidden = (value: unknown): unknown =>
    SECRET_FIELDS.has(name) && typeof value === "string" ? HIDDEN : withoutSecrets(value);
  return { path, before: hidden(before), after: hidden(after) };
}

function invalid(problems: readonly Diagnostic[]): Refusal {
  const errors = problems.filter(isError);
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  const message = first === undefined ? "refused" : `${placeOf(first)}: ${first.message}${more}`;
  return { code: "INVALID", message, problems };
}

function exists(directory: string): boolean {
  return statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true;
}
