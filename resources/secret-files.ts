/** Secrets and keys that stand in files of their own: read with the configuration, so that a wrong file refuses it. */
import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { errnoWords } from "../base/errno.ts";
import { err, ok, type Result } from "../base/result.ts";
import type { Diagnostic } from "./diagnostic.ts";
import type { ResourceSet } from "./kinds.ts";
import { type SecretFile, secretFiles } from "./secrets.ts";
import type { Settings } from "./settings.ts";

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

/** Empty while there is nothing that needs one: routers do not know it. */
export function keyFor({ l2 }: Settings, { vips }: ResourceSet): Result<string, Diagnostic> {
  return vips.some(({ spec }) => spec.mode === "L2ARP") ? readKey(l2.keyFile) : ok("");
}

function readKey(file: string): Result<string, Diagnostic> {
  const problem = (message: string, hint: string): Result<string, Diagnostic> =>
    err({ severity: "error", file, line: 0, column: 0, code: "FILE_READ", message, hint });
  const write = `mkdir -p ${dirname(file)} && (umask 077; openssl rand -hex 32 > ${file})`;
  const make = `the same file on all nodes of the segment: ${write}`;
  try {
    const key = readFileSync(file, "utf8").trim();
    if (!/^[0-9a-fA-F]{64}$/.test(key)) return problem("the key is not 64 hexadecimal digits", make);
    if ((statSync(file).mode & 0o007) !== 0) return problem("the key is readable by everybody", `chmod 600 ${file}`);
    return ok(key.toLowerCase());
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return problem(
      `virtual IPs need the key of their segment (l2.keyFile), and it cannot be read: ${errnoWords(code)}`,
      make,
    );
  }
}

function readSecret({ file, most, wireGuard }: SecretFile): Result<string, Diagnostic> {
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
    if (wireGuard === true && !WIREGUARD_KEY.test(text)) {
      return problem(
        "not a key of 32 octets in base64",
        `the same file on both sites: (umask 077; wg genpsk > ${file})`,
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

const WIREGUARD_KEY = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;
