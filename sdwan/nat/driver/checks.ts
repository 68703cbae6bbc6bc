/**
 * Checks between two ends (RFC 8445 §7 in spirit): STUN requests and answers with a proof that only the two sites can make.
 * An answer goes to whoever asked with a right proof, and to nobody else.
 */
import { createHash, createHmac, randomBytes } from "node:crypto";
import { formatEndpoint } from "../../../base/endpoint.ts";
import { sameSecret } from "../../../base/octets.ts";
import {
  encodeBindingRequest,
  encodeBindingSuccess,
  type StunAddress,
  type StunMessage,
  type StunProof,
} from "../../../netstack/stun/packet.ts";
import type { Check } from "../attempt.ts";

export interface Pending<T> {
  readonly whose: T;
  readonly check: Check;
}

export class Checks<T> {
  readonly #site: string;
  /** By key id. */
  readonly #keys = new Map<number, { readonly site: string; readonly key: Buffer }>();
  /** The one that each site has, as far as is known. */
  readonly #ids = new Map<string, number>();
  /** Transaction → what it is for; the oldest go first. */
  readonly #pending = new Map<string, Pending<T>>();

  /** `nextKey`: what a site is about to change to; used as soon as the site has used it. */
  constructor(
    site: string,
    keys: Readonly<Record<string, { readonly key: string; readonly nextKey?: string | undefined }>>,
  ) {
    this.#site = site;
    for (const [name, { key, nextKey }] of Object.entries(keys)) {
      if (nextKey !== undefined) this.#let(name, nextKey);
      this.#ids.set(name, this.#let(name, key));
    }
  }

  /** undefined: nothing is shared with that site. */
  request(site: string, pending: Pending<T>): Uint8Array | undefined {
    const keyId = this.#ids.get(site);
    const known = keyId === undefined ? undefined : this.#keys.get(keyId);
    if (keyId === undefined || known === undefined) return undefined;
    const transaction = randomBytes(12);
    this.#pending.set(transaction.toString("hex"), pending);
    for (const oldest of this.#pending.keys()) {
      if (this.#pending.size <= MOST_PENDING) break;
      this.#pending.delete(oldest);
    }
    return encodeBindingRequest(transaction, {
      proof: { keyId, mac: macOf(known.key, `request ${this.#site}`, transaction) },
    });
  }

  /** The site that asked, and what it is answered. */
  asked(message: StunMessage, from: StunAddress): { readonly site: string; readonly answer: Uint8Array } | undefined {
    const { proof, transaction } = message;
    const known = proof === undefined ? undefined : this.#keys.get(proof.keyId);
    if (message.class !== "request" || proof === undefined || known === undefined) return undefined;
    if (!isRight(proof, macOf(known.key, `request ${known.site}`, transaction))) return undefined;
    this.#ids.set(known.site, proof.keyId);
    const mac = macOf(known.key, `answer ${this.#site} ${formatEndpoint(from)}`, transaction);
    return { site: known.site, answer: encodeBindingSuccess(transaction, from, { keyId: proof.keyId, mac }) };
  }

  /** What the answer is for, when it comes from where the check went. */
  answered(message: StunMessage, from: StunAddress): Pending<T> | undefined {
    const { proof, transaction, mapped } = message;
    const id = Buffer.from(transaction).toString("hex");
    const pending = this.#pending.get(id);
    const known = proof === undefined ? undefined : this.#keys.get(proof.keyId);
    if (message.class !== "success" || pending === undefined || proof === undefined || known === undefined)
      return undefined;
    if (mapped === undefined || formatEndpoint(from) !== formatEndpoint(pending.check.to)) return undefined;
    if (!isRight(proof, macOf(known.key, `answer ${known.site} ${formatEndpoint(mapped)}`, transaction)))
      return undefined;
    this.#pending.delete(id);
    return pending;
  }

  #let(site: string, text: string): number {
    const key = Buffer.from(text, "hex");
    const id = createHash("sha256").update("novaedge check").update(key).digest().readUInt32BE(0);
    this.#keys.set(id, { site, key });
    return id;
  }
}

function macOf(key: Buffer, label: string, transaction: Uint8Array): Buffer {
  return createHmac("sha256", key).update(`novaedge check ${label} `).update(transaction).digest().subarray(0, 16);
}
function isRight(proof: StunProof, expected: Buffer): boolean {
  return sameSecret(expected, proof.mac);
}

/** Of one attempt: 20 rounds of targets, or a birthday's tries. */
const MOST_PENDING = 8192;
