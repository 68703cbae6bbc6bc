/** What is different between two configurations, in an operator's words: a line each, secrets by their files alone. */
import { everything, idOf } from "../../resources/kinds.ts";
import type { Settings } from "../../resources/settings.ts";
import { fieldChanges, sameContent } from "./canonical.ts";
import type { KeyedConfiguration } from "./live.ts";

/** The private key of this site: tunnels have it, and it stands in no resource. */
export interface SiteKeyFile {
  readonly file: string;
  /** Public keys: of the pair that tunnels have, undefined while there is none, and of the file, undefined while it is gone. */
  readonly inForce: string | undefined;
  readonly onDisk: string | undefined;
}

/** `settings`: those that would be in force, of both. */
export function changesBetween(
  before: KeyedConfiguration,
  after: KeyedConfiguration,
  settings: { readonly before: Settings; readonly after: Settings },
  siteKey: SiteKeyFile | undefined,
): readonly string[] {
  const { keyFile } = settings.after.l2;
  return [
    ...fieldChanges(settings.before, settings.after).map(({ path }) => `settings: ${path}`),
    ...resources(before, after),
    ...(before.key === after.key ? [] : [`key of the segment: ${keyFile}`]),
    ...secrets(before, after),
    ...siteKeyChange(siteKey),
  ];
}

function resources(before: KeyedConfiguration, after: KeyedConfiguration): readonly string[] {
  const had = new Map(everything(before.resources).map((each) => [idOf(each), each]));
  const has = new Map(everything(after.resources).map((each) => [idOf(each), each]));
  const now = [...has].flatMap(([id, each]) => {
    const known = had.get(id);
    if (known === undefined) return [`${id} created`];
    const same = sameContent([known.metadata, known.spec], [each.metadata, each.spec]);
    return same ? [] : [`${id} configured`];
  });
  return [...now, ...[...had.keys()].filter((id) => !has.has(id)).map((id) => `${id} deleted`)];
}

/** A file that is named now, or no more, belongs to a field that says so itself. */
function secrets(before: KeyedConfiguration, after: KeyedConfiguration): readonly string[] {
  return [...after.secrets].flatMap(([file, secret]) => {
    const known = before.secrets.get(file);
    return known === undefined || known === secret ? [] : [`secret in ${file}`];
  });
}

function siteKeyChange(siteKey: SiteKeyFile | undefined): readonly string[] {
  if (siteKey?.inForce === undefined || siteKey.inForce === siteKey.onDisk) return [];
  const { file, onDisk } = siteKey;
  if (onDisk === undefined) return [`private key of the site: ${file} is gone, a new one is made`];
  return [`private key of the site: ${file}, its public key is ${onDisk} now`];
}
