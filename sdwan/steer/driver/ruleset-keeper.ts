/**
 * Keeps the nftables table of the steering as it is wanted: in one transaction, and only when it differs from what is
 * there.  What its sets have learnt with time (addresses of host names, links that are dead) is carried over.
 */
import { createHash } from "node:crypto";
import { formatIp, ipOfOctets } from "../../../base/address.ts";
import { MARK_MASK, packetMark, TABLE_PREFIX } from "../../../netstack/kernel/marks.ts";
import type { Change, Element, SetRef } from "../../../netstack/kernel/netlink/nftables-elements.ts";
import { encodeBatch, placing } from "../../../netstack/kernel/netlink/nftables-elements.ts";
import { LITTLE, view } from "../../../netstack/kernel/netlink/octets.ts";
import { SetSocket } from "../../../netstack/kernel/netlink/set-socket.ts";
import { Nftables } from "../../../netstack/kernel/nftables.ts";
import type { SteeringPlan } from "../part.ts";
import { type Ruleset, rulesetOf } from "../ruleset.ts";
import { DEAD_SET } from "../way-chains.ts";
import { chainText } from "../writing.ts";
import { keepUntracked } from "./untracked.ts";

export const WAN_TABLE = `${TABLE_PREFIX}_wan`;

export class RulesetKeeper implements Disposable {
  readonly #sets = new SetSocket();
  readonly #nft = new Nftables();
  /** What the plan that was last asked for comes to. */
  #wanted:
    | {
        readonly plan: SteeringPlan;
        readonly wires: string;
        readonly ruleset: Ruleset;
        readonly version: string;
      }
    | undefined;

  /** Returns whether anything had to be changed.  `near`: the networks on the wires of WAN links. */
  keep(plan: SteeringPlan, near: readonly string[]): boolean {
    const wires = near.join(" ");
    if (this.#wanted?.plan !== plan || this.#wanted.wires !== wires) {
      const ruleset = rulesetOf(plan, { mask: MARK_MASK, of: packetMark }, near);
      this.#wanted = { plan, wires, ruleset, version: versionOf(ruleset) };
    }
    const { ruleset, version } = this.#wanted;
    if (this.#sound(ruleset, version)) return false;
    this.#nft.transaction(script(ruleset, version, this.#living(ruleset)));
    return true;
  }

  remove(): void {
    this.#nft.transaction(`add table inet ${WAN_TABLE}\ndelete table inet ${WAN_TABLE}\n`);
    keepUntracked(this.#sets, this.#nft, false);
  }

  /** Values bound to links that are dead: all of them.  From then on their ends can be nudged, not before. */
  setDead(values: readonly number[]): void {
    keepUntracked(this.#sets, this.#nft, values.length > 0);
    const there = new Set(this.#sets.elements(setRef(DEAD_SET)).map(({ key }) => view(key).getUint32(0, LITTLE)));
    const wanted = new Set(values.map((value) => packetMark(value)));
    const added = [...wanted].filter((mark) => !there.has(mark));
    const gone = [...there].filter((mark) => !wanted.has(mark));
    const change = (kind: Change["kind"], marks: readonly number[]): readonly Change[] =>
      marks.length === 0
        ? []
        : [{ kind, set: setRef(DEAD_SET), elements: marks.map((mark) => ({ key: markKey(mark) })) }];
    this.#sets.apply([...change("add", added), ...change("delete", gone)]);
  }

  /** Puts addresses into a set for as long as each says; false when there is no such set (any more). */
  place(set: string, elements: readonly Element[]): boolean {
    return this.#sets.trySend(encodeBatch(placing(setRef(set), elements)));
  }

  /** What a set holds that has not expired. */
  elements(set: string): readonly Element[] {
    return this.#sets.elements(setRef(set));
  }

  [Symbol.dispose](): void {
    this.#nft[Symbol.dispose]();
    this.#sets[Symbol.dispose]();
  }

  /** This version of the table is there, and nobody took a chain or a rule out of it. */
  #sound(ruleset: Ruleset, version: string): boolean {
    const table = this.#sets.tables().find((each) => each.family === "inet" && each.name === WAN_TABLE);
    if (table?.comment !== version) return false;
    const there = new Map<string, number>(
      this.#sets.chains("inet").flatMap((each) => (each.table === WAN_TABLE ? [[each.name, 0] as const] : [])),
    );
    for (const { chain } of this.#sets.rules("inet", WAN_TABLE)) there.set(chain, (there.get(chain) ?? 0) + 1);
    const { chains } = ruleset;
    return there.size === chains.length && chains.every(({ name, rules }) => there.get(name) === rules.length);
  }

  #living(ruleset: Ruleset): readonly string[] {
    return ruleset.living.flatMap((set) => {
      const elements = this.#sets.elements(setRef(set)).map((element) => elementText(set, element));
      return elements.length === 0 ? [] : [`add element inet ${WAN_TABLE} ${set} { ${elements.join(", ")} }\n`];
    });
  }
}

function setRef(name: string): SetRef {
  return { family: "inet", table: WAN_TABLE, name };
}

function script(ruleset: Ruleset, version: string, living: readonly string[]): string {
  const body = [`comment "${version}"`, ...ruleset.sets, ...ruleset.chains.map(chainText)];
  return [
    `add table inet ${WAN_TABLE}\ndelete table inet ${WAN_TABLE}\n`,
    `table inet ${WAN_TABLE} {\n  ${body.join("\n  ")}\n}\n`,
    ...living,
  ].join("");
}

/** The version of the rules: another daemon's, or another configuration's, are replaced. */
function versionOf(ruleset: Ruleset): string {
  const text = JSON.stringify([ruleset.sets, ruleset.chains]);
  return `novaedge wan ${createHash("sha256").update(text).digest("hex").slice(0, 12)}`;
}

function elementText(set: string, { key, timeout, expires }: Element): string {
  const text = set === DEAD_SET ? `0x${view(key).getUint32(0, LITTLE).toString(16)}` : formatIp(ipOfOctets(key));
  if (timeout === undefined) return text;
  return `${text} timeout ${Math.ceil(timeout)}ms expires ${Math.ceil(expires ?? timeout)}ms`;
}

/** Marks are numbers of this machine, in its own order. */
function markKey(mark: number): Uint8Array {
  const key = new Uint8Array(4);
  view(key).setUint32(0, mark, LITTLE);
  return key;
}
