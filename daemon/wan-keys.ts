/**
 * Keys of a site: the X25519 pair of its tunnels (RFC 7748), kept in a file that only root reads, and the key that two
 * sites share for their probes and rendezvous without ever sending it (X25519, then HKDF-SHA-256, RFC 5869).
 */
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { Fault } from "../base/fault.ts";
import { err, ok, type Result } from "../base/result.ts";

export interface SiteKeys {
  /** Base64, 32 octets, as wg(8) writes it. */
  readonly privateKey: string;
  readonly publicKey: string;
}

/** The pair in `file`; made and kept there when there is none.  A file that is there and cannot be used is a Fault. */
export function siteKeys(file: string): SiteKeys {
  const kept = keptKeys(file);
  if (kept !== undefined) return kept;
  const made = generateSiteKeys();
  write(file, made.privateKey);
  return made;
}

export function generateSiteKeys(): SiteKeys {
  const { privateKey } = generateKeyPairSync("x25519");
  return pairOf(privateKey.export({ format: "der", type: "pkcs8" }).subarray(-KEY));
}

/** Takes the place of what was in `file`, whole or not at all. */
export function replaceSiteKeys(file: string, keys: SiteKeys): void {
  write(file, keys.privateKey);
}

/** base64 of 32 octets and nothing else; what wg(8) would refuse is refused. */
export function isWireguardKey(text: string): boolean {
  return /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(text);
}

export type BadKey = { readonly kind: "bad-key"; readonly why: string };

/** The public key of a private one. */
export function publicKeyOf(privateKey: string): Result<string, BadKey> {
  if (!isWireguardKey(privateKey)) return err({ kind: "bad-key", why: "not 32 octets in base64" });
  return ok(pairOf(Buffer.from(privateKey, "base64")).publicKey);
}

/**
 * Hex, 32 octets: the same at both sites, another one for each pair and each purpose ("probe", "rendezvous").  Refused when
 * the peer's key is no point that a secret can be made with (RFC 7748 §6.1: all-zero result).
 */
export function sharedKey(
  purpose: "probe" | "rendezvous",
  own: { readonly site: string; readonly privateKey: string },
  peer: { readonly site: string; readonly publicKey: string },
): Result<string, BadKey> {
  if (!isWireguardKey(own.privateKey) || !isWireguardKey(peer.publicKey))
    return err({ kind: "bad-key", why: "not 32 octets in base64" });
  let secret: Buffer;
  try {
    secret = diffieHellman({
      privateKey: privateOf(Buffer.from(own.privateKey, "base64")),
      publicKey: publicOf(Buffer.from(peer.publicKey, "base64")),
    });
  } catch (cause) {
    // OpenSSL refuses points of small order itself.
    return err({ kind: "bad-key", why: cause instanceof Error ? cause.message : String(cause) });
  }
  // A length in front of each name, so that no two pairs of names read alike.
  const sites = [own.site, peer.site].sort().map((site) => `${Buffer.byteLength(site)}:${site}`);
  return ok(
    Buffer.from(hkdfSync("sha256", secret, "", `novaedge ${purpose} v1 ${sites.join(" ")}`, KEY)).toString("hex"),
  );
}

function pairOf(octets: Uint8Array): SiteKeys {
  // As wg(8) does (RFC 7748 §5): peers that compare keys see one form only.
  const clamped = Buffer.from(octets);
  clamped[0] = (clamped[0] ?? 0) & 0xf8;
  clamped[31] = ((clamped[31] ?? 0) & 0x7f) | 0x40;
  const spki = createPublicKey(privateOf(clamped)).export({ format: "der", type: "spki" });
  return { privateKey: clamped.toString("base64"), publicKey: spki.subarray(-KEY).toString("base64") };
}

function privateOf(octets: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8, octets]), format: "der", type: "pkcs8" });
}
function publicOf(octets: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI, octets]), format: "der", type: "spki" });
}

/** undefined: there are none.  What is there and cannot be used is a Fault. */
export function keptKeys(file: string): SiteKeys | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8").trim();
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new Fault("FILE", { path: file, what: "private key of the site" }, cause);
  }
  close(file);
  // Never the content in a message: it is a secret, whatever is wrong with it.
  if (!isWireguardKey(text)) throw new Fault("FILE", { path: file, what: "private key of the site", why: "no key" });
  return pairOf(Buffer.from(text, "base64"));
}

/** Somebody may have copied it with other rights: what it protects is worth more than that they are kept. */
function close(file: string): void {
  try {
    if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600);
  } catch (cause) {
    throw new Fault("FILE", { path: file, what: "private key of the site" }, cause);
  }
}

function write(file: string, privateKey: string): void {
  const draft = `${file}.new`;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    rmSync(draft, { force: true }); // its rights would be the old ones
    const fd = openSync(draft, "wx", 0o600);
    try {
      writeFileSync(fd, `${privateKey}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(draft, file);
    const directory = openSync(dirname(file), "r");
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  } catch (cause) {
    throw new Fault("FILE", { path: file, what: "private key of the site" }, cause);
  }
}

const KEY = 32;
/** DER in front of the 32 octets: PrivateKeyInfo and SubjectPublicKeyInfo of X25519 (RFC 8410 §7, §4). */
const PKCS8 = Buffer.from("302e020100300506032b656e04220420", "hex");
const SPKI = Buffer.from("302a300506032b656e032100", "hex");
