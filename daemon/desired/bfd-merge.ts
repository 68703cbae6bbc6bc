/**
 * Wishes for BFD sessions → one session for each path to a peer (RFC 5880 §6.3: a system has one session with another on
 * a path), however many clients it has.  The quickest wish decides its timing.  Pure.
 */
import type { BfdPlan, BfdSpec, BfdTiming } from "../../netstack/bfd/plan.ts";

export interface Merged {
  readonly plan: BfdPlan;
  /** Id of a session → the ids of those who asked for it. */
  readonly clients: ReadonlyMap<string, readonly string[]>;
}

export function mergeBfd(operator: BfdPlan, wished: readonly BfdSpec[]): Merged {
  const groups: Group[] = [];
  for (const spec of [...operator.sessions, ...wished]) {
    const group = groups.find((each) => samePath(each, spec));
    if (group === undefined) groups.push({ ...spec, members: [spec] });
    else {
      group.ifname ??= spec.ifname;
      group.local ??= spec.local;
      group.members.push(spec);
    }
  }
  const named = groups.map((group) => ({ group, id: idOf(group, groups) }));
  return {
    plan: {
      sessions: named.map(({ group, id }) => combined(group, id)),
      unsolicited: operator.unsolicited,
    },
    clients: new Map(named.map(({ group, id }) => [id, group.members.map((each) => each.id)])),
  };
}

interface Group {
  readonly peer: string;
  readonly hops: BfdSpec["hops"];
  ifname: string | undefined;
  local: string | undefined;
  readonly members: BfdSpec[];
}

function samePath(group: Group, { peer, hops, ifname, local }: BfdSpec): boolean {
  const agrees = (a: string | undefined, b: string | undefined): boolean =>
    a === undefined || b === undefined || a === b;
  return group.peer === peer && group.hops === hops && agrees(group.ifname, ifname) && agrees(group.local, local);
}

/** Says what the session is, not who asked: it lives on while its clients change. */
function idOf({ peer, hops, ifname, local }: Group, groups: readonly Group[]): string {
  const base = hops === "multi" ? `${peer} multihop` : peer;
  const alone = groups.filter((each) => each.peer === peer && each.hops === hops).length === 1;
  const link = ifname === undefined || (alone && !LINK_LOCAL.test(peer)) ? "" : `%${ifname}`;
  return alone || local === undefined ? `${base}${link}` : `${base}${link} from ${local}`;
}
const LINK_LOCAL = /^fe[89ab]/;

function combined({ members, ifname, local }: Group, id: string): BfdSpec {
  const [first] = members;
  if (first === undefined) throw new TypeError("a session that nobody asked for");
  const some = (holds: (each: BfdSpec) => boolean): boolean => members.some(holds);
  return {
    ...first,
    id,
    ifname,
    local,
    minTtl: Math.max(...members.map(({ minTtl }) => minTtl)),
    role: some(({ role }) => role === "active") ? "active" : "passive",
    timing: quickest(members.map(({ timing }) => timing)),
    auth: members.map(({ auth }) => auth).find((each) => each !== undefined),
    adminDown: some(({ adminDown }) => adminDown),
  };
}

function quickest(timings: readonly BfdTiming[]): BfdTiming {
  const detection = ({ requiredMinRx, multiplier }: BfdTiming): number =>
    requiredMinRx === 0 ? Number.POSITIVE_INFINITY : requiredMinRx * multiplier;
  const base = timings.reduce((best, each) => (detection(each) < detection(best) ? each : best));
  const echoes = timings.map(({ echoTx }) => echoTx).filter((each) => each !== undefined);
  return {
    ...base,
    desiredMinTx: Math.min(...timings.map(({ desiredMinTx }) => desiredMinTx)),
    echoTx: echoes.length === 0 ? undefined : Math.min(...echoes),
    demand: timings.every(({ demand }) => demand),
  };
}
