/** The programs of several versions, each in a directory of its own: bundles.ts DIRECTORY VERSION...  The bench of upgrades uses it. */
import { join } from "node:path";
import { bundle, copyBinding, installedBinding } from "./bundle.ts";

const [directory = "", ...versions] = process.argv.slice(2);
void make();

async function make(): Promise<void> {
  for (const version of versions) {
    const to = join(directory, version);
    await bundle(to, version);
    copyBinding(installedBinding(process.arch), to, process.arch);
  }
}
