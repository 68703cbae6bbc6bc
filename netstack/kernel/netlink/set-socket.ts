/**
 * The nfnetlink socket for nftables: set elements in batches, and what tables, chains and rules there are.  Synchronous;
 * a batch of 8 elements takes some 25 µs.  The kernel serialises nftables transactions: while somebody else loads a huge
 * ruleset in the same namespace, a call waits for it.
 */
import { Fault } from "../../../base/fault.ts";
import { hex } from "../../../base/octets.ts";
import type { Result } from "../../../base/result.ts";
import type { Malformed } from "./attribute.ts";
import { ENOENT, NETLINK_NETFILTER, NetlinkClient } from "./client.ts";
import { decodeCounter, encodeListCounters, type NamedCounter, NFT_LIST_OBJECTS } from "./nftables-counters.ts";
import {
  type Change,
  decodeElements,
  type Element,
  encodeBatch,
  encodeListElements,
  type Family,
  NFT_LIST_ELEMENTS,
  type SetRef,
  stamp,
} from "./nftables-elements.ts";
import {
  type ChainHead,
  decodeChain,
  decodeRule,
  decodeTable,
  EVERYTHING,
  encodeListChains,
  encodeListRules,
  NFT_LIST_CHAINS,
  NFT_LIST_RULES,
  NFT_LIST_TABLES,
  type RuleHead,
  type TableHead,
} from "./nftables-objects.ts";

export class SetSocket implements Disposable {
  readonly #client = new NetlinkClient(NETLINK_NETFILTER, "NFTABLES");

  /** One transaction. */
  apply(changes: readonly Change[]): void {
    if (changes.length > 0) this.send(encodeBatch(changes));
  }

  /** One transaction that was encoded before. */
  send(batch: Uint8Array): void {
    if (!this.trySend(batch)) throw new Fault("NFTABLES", { request: "change set elements", error: "ENOENT" });
  }

  /** The same; false when something that it deletes, or its set, was not there, and so nothing was done. */
  trySend(batch: Uint8Array): boolean {
    const sequence = this.#client.nextSequence();
    stamp(batch, sequence);
    const verdict = this.#client.commit(batch, sequence);
    if (verdict.errno !== 0 && verdict.errno !== ENOENT) throw this.#client.refusal("change set elements", verdict);
    return verdict.errno === 0;
  }

  /**
   * One transaction that replaces elements of maps, where "add, delete, add" does not do: to add an element that exists
   * with another value is refused.  What is to be deleted is looked up first; should it expire in between, again.
   */
  replace(wanted: readonly Change[]): void {
    for (let attempt = 1; ; attempt++) {
      const changes = wanted.flatMap((change): readonly Change[] => {
        const there = new Set(this.elements(change.set).map((each) => hex(each.key)));
        const gone = change.elements.filter((each) => there.has(hex(each.key)));
        const removed = gone.length === 0 ? [] : [{ ...change, kind: "delete" as const, elements: gone.map(keyOnly) }];
        return change.kind === "delete" ? removed : [...removed, change];
      });
      if (changes.length === 0) return;
      const batch = encodeBatch(changes);
      if (attempt === ATTEMPTS) this.send(batch);
      else if (!this.trySend(batch)) continue;
      return;
    }
  }

  /** Elements that have not expired; empty when there is no such set. */
  elements(set: SetRef): readonly Element[] {
    const found = this.#client.dump(`list set ${set.name}`, NFT_LIST_ELEMENTS, encodeListElements(set), [ENOENT]);
    return found.flatMap((each) => this.#read(decodeElements(each)));
  }

  tables(): readonly TableHead[] {
    return this.#list("list tables", NFT_LIST_TABLES, EVERYTHING, decodeTable);
  }

  chains(family: Family): readonly ChainHead[] {
    return this.#list("list chains", NFT_LIST_CHAINS, encodeListChains(family), decodeChain);
  }

  /** Of one table; others may have tens of thousands. */
  rules(family: Family, table: string): readonly RuleHead[] {
    return this.#list("list rules", NFT_LIST_RULES, encodeListRules(family, table), decodeRule);
  }

  /** Empty when there is no such table. */
  counters(family: Family, table: string): readonly NamedCounter[] {
    return this.#list("list counters", NFT_LIST_OBJECTS, encodeListCounters(family, table), decodeCounter);
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }

  #list<T>(
    what: string,
    type: number,
    payload: Uint8Array,
    decode: (payload: Uint8Array) => Result<T, Malformed>,
  ): readonly T[] {
    return this.#client.dump(what, type, payload, [ENOENT]).map((each) => this.#read(decode(each)));
  }

  #read<T>(decoded: Result<T, Malformed>): T {
    if (decoded.ok) return decoded.value;
    throw new Fault("NFTABLES", { why: "the answer cannot be read", ...decoded.error });
  }
}

function keyOnly({ key }: Element): Element {
  return { key };
}

const ATTEMPTS = 4;
