/** What happens to a packet: which policy has it, where it goes, what carries it, and why nothing else does. */
import { contains, parseIp, parsePrefix } from "../../base/address.ts";
import { DEFAULT_CLASS } from "../../resources/wan-consistency.ts";
import type { ChoiceSpec } from "../../sdwan/steer-plan.ts";
import type { Explanation } from "../admin/wan-api.ts";
import type { WanPlan } from "../desired/wan.ts";
import { choiceId, INTERNET } from "../desired/wan-steer.ts";
import type { Wan } from "../parts/wan.ts";
import type { PacketQuestion, WanAnswer } from "../wan/words.ts";

type Classified = WanAnswer & { readonly of: "classify" };

export function explain(wan: Wan, plan: WanPlan, packet: PacketQuestion, classified: Classified): Explanation {
  const destination = destinationOf(plan, packet.destination);
  const { class: policy, mark } = classified;
  const lane = policy ?? (destination === INTERNET ? undefined : DEFAULT_CLASS);
  const id = lane === undefined || destination === HERE ? undefined : choiceId(lane, destination);
  const spec = plan.steer.choices.find((choice) => choice.id === id);
  const report = id === undefined ? undefined : wan.choices.get(id);
  const candidate = spec?.candidates.find(({ path }) => path === report?.chosen);
  const path = plan.steer.paths.find((each) => each.id === report?.chosen);
  return {
    policy,
    why: classified.why,
    mark,
    destination,
    choice: spec?.id,
    balance: plan.underlay.classes.find(({ name }) => name === policy)?.balance,
    path: report?.chosen,
    link: path?.link,
    ifname: candidate?.ifname,
    via: path?.via,
    state: report?.state,
    chosenBecause: because(spec, report?.why, destination),
    candidates: report?.candidates ?? [],
    left: spec === undefined ? [] : leftOut(wan, plan, spec),
  };
}
const HERE = "here";

function because(spec: ChoiceSpec | undefined, why: string | undefined, destination: string): string {
  if (destination === HERE) return "a network of this site: the main routing table";
  if (spec === undefined) return "no policy matches: the main routing table";
  if (why !== undefined) return why;
  return spec.candidates.length === 0 ? "no path may carry it" : "not decided yet";
}

/** A site, "internet" or "here": who has the longest network with this address. */
export function destinationOf({ underlay, steer }: WanPlan, written: string): string {
  const ip = parseIp(written);
  if (!ip.ok) return INTERNET;
  const found: { readonly length: number; readonly place: string }[] = [];
  const look = (networks: readonly string[], place: string): void => {
    for (const each of networks) {
      const prefix = parsePrefix(each);
      if (prefix.ok && contains(prefix.value, ip.value)) found.push({ length: prefix.value.length, place });
    }
  };
  look([...underlay.prefixes, ...underlay.overlay], HERE);
  for (const { site, destinations } of steer.choices) if (site !== undefined) look(destinations, site);
  return found.toSorted((a, b) => b.length - a.length)[0]?.place ?? INTERNET;
}

function leftOut({ links }: Wan, { layout }: WanPlan, { candidates, policy }: ChoiceSpec): Explanation["left"] {
  const used = new Set(candidates.map(({ path }) => path.slice(0, path.indexOf(">"))));
  const only = layout.policies.find(({ metadata }) => metadata.name === policy)?.spec.pathSelection.links ?? [];
  return layout.sites.links.flatMap(({ metadata, spec }) => {
    const { name } = metadata;
    if (used.has(name)) return [];
    const reserved = `reserved for ${spec.reservedFor.join(", ")}`;
    if (only.length > 0 && !only.includes(name)) return [{ link: name, why: `the policy names ${only.join(", ")}` }];
    if (links.get(name)?.quotaSpent === true) {
      return [{ link: name, why: `its quota is spent${spec.reservedFor.length > 0 ? `; ${reserved}` : ""}` }];
    }
    if (spec.reservedFor.length > 0 && !spec.reservedFor.includes(policy)) return [{ link: name, why: reserved }];
    return [{ link: name, why: "it does not lead there" }];
  });
}
