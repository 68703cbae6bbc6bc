/** Secrets that stand in files of their own: read with the configuration, so that a wrong file refuses it. */
import { readFileSync, statSync } from "node:fs";
import { errnoWords } from "../../base/errno.ts";
import { err, ok, type Result } from "../../base/result.ts";
import type { Diagnostic } from "../../resources/diagnostic.ts";
import type { ResourceSet } from "../../resources/kinds.ts";
import { type SecretFile, secretFiles } from "../../resources/secrets.ts";
import type { Settings } from "../../resources/settings.ts";

/** File → what it holds. */
export type Secrets = ReadonlyMap<string, string>;

export function readSecrets(settings: Settings, resources: ResourceSet): Result<Secrets, readonly Diagnostic[]> {
  const secrets = new Map<string, string>();
  const problems: Diagnostic[] = [];
  for (const each of secretFiles(settings, resources)) {
    const read = readSecret(each);
    if (read.ok) secrets.set(each.file, read.value);
    else if (!problems.some(({ file }) => file === each.file)) problems.push(read.error);
  }
  return problems.length > 0 ? err(problems) : ok(secrets);
}

function readSecret({ file, most }: SecretFile): Result<string, Diagnostic> {
  const problem = (message: string, hint: string): Result<string, Diagnostic> =>
    err({ severity: "error", file, line: 0, column: 0, code: "FILE_READ", message, hint });
  try {
    const text = readFileSync(file, "latin1").replace(/\r?\n$/, "");
    if (!/^[\x21-\x7e]+$/.test(text) || text.length > most) {
      return problem(
        `not a secret of 1 to ${most} visible characters in one line`,
        `(umask 077; printf %s SECRET > ${file})`,
      );
    }
    if ((statSync(file).mode & 0o007) !== 0) return problem("the secret is readable by everybody", `chmod 600 ${file}`);
    return ok(text);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return problem(`a secret cannot be read: ${errnoWords(code)}`, "the field that ends in File names it");
  }
}
