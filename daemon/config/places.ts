/** Where configuration is; decided once, at the start. */
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

export interface Places {
  readonly settingsFile: string;
  /** A directory was named: it may do without settings. */
  readonly settingsOptional: boolean;
  /** undefined: what the settings say. */
  readonly resourceDir: string | undefined;
}

/** A directory holds novaedge.yaml and conf.d/, or, without conf.d/, the resources themselves. */
export function placesOf(config: string): Places {
  const path = resolve(config);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) {
    return { settingsFile: path, settingsOptional: false, resourceDir: undefined };
  }
  const own = join(path, "conf.d");
  const resourceDir = existsSync(own) ? undefined : path;
  return { settingsFile: join(path, SETTINGS_NAME), settingsOptional: true, resourceDir };
}

const SETTINGS_NAME = "novaedge.yaml";
