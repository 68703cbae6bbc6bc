/** What links and tunnels are planned from besides reports: the site's keys, what it shares with others, marks, users. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../base/fault.ts";
import type { ResourceSet } from "../../resources/kinds.ts";
import type { Settings } from "../../resources/settings.ts";
import { wanLayout } from "../../resources/wan-lanes.ts";
import { allocateMarks, type KeptMark, marksFile } from "../../resources/wan-marks.ts";
import { MOST_LANES } from "../../resources/wan-together.ts";
import type { SiteKeyFile } from "../config/changes.ts";
import type { Events } from "../events.ts";
import { StateFile } from "../state-file.ts";
import { keptKeys, type SiteKeys, sharedKey, siteKeys } from "../wan-keys.ts";
import type { DesiredCondition } from "./desired.ts";
import type { WanFacts } from "./facts.ts";

export type FixedFacts = Pick<WanFacts, "keys" | "shared" | "marks" | "users" | "dataplaneUser">;

export class WanBasis {
  readonly #state: string;
  readonly #file: StateFile<{ marks: KeptMark[] }>;
  #marks: readonly KeptMark[];
  /** By resources: one configuration is followed while the next one is prepared. */
  readonly #made = new WeakMap<ResourceSet, { readonly settings: Settings; readonly facts: FixedFacts | undefined }>();
  #problem: string | undefined;

  /** `state`: the directory of `paths.state`. */
  constructor(state: string, events: Events) {
    this.#state = state;
    this.#file = new StateFile(join(state, "wan-marks.json"), "wan.marks", events);
    this.#marks = this.#file.read(marksFile)?.marks ?? [];
  }

  /** undefined: this host has no links.  Equal for equal configurations: keys are read, and marks given, once for each. */
  of(settings: Settings, resources: ResourceSet): FixedFacts | undefined {
    const known = this.#made.get(resources);
    // A key that could not be read may be there by now.
    if (known?.settings === settings && this.#problem === undefined) return known.facts;
    const facts = this.#make(settings, resources);
    this.#made.set(resources, { settings, facts });
    return facts;
  }

  /** As `of`, but nothing is kept: the configuration is only asked about. */
  preview(settings: Settings, resources: ResourceSet): FixedFacts | undefined {
    return this.#make(settings, resources, false);
  }

  /** Of a configuration that is followed: what its tunnels have, and what the file has now.  undefined: it has no tunnels. */
  siteKey(settings: Settings, resources: ResourceSet): SiteKeyFile | undefined {
    const { links, remotes } = wanLayout(settings, resources).sites;
    if (links.length === 0 || remotes.length === 0) return undefined;
    const file = this.keyFile(settings);
    const inForce = this.#made.get(resources)?.facts?.keys?.publicKey;
    try {
      return { file, inForce, onDisk: keptKeys(file)?.publicKey };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      // That it cannot be used is a condition; what tunnels have stays.
      return { file, inForce, onDisk: inForce };
    }
  }

  /** Makes them, when there are none. */
  keys({ sdwan }: Settings): SiteKeys {
    return siteKeys(this.keyFile({ sdwan }));
  }
  keyFile({ sdwan }: Pick<Settings, "sdwan">): string {
    return sdwan.privateKeyFile ?? join(this.#state, "wan.key");
  }

  conditions(): readonly DesiredCondition[] {
    const message = this.#problem;
    return message === undefined ? [] : [{ code: "WAN_KEY", severity: "error", subject: "", message }];
  }

  #make(settings: Settings, resources: ResourceSet, keep = true): FixedFacts | undefined {
    if (keep) this.#problem = undefined;
    const { sites, lanes, policies } = wanLayout(settings, resources);
    const { site } = sites;
    if (site === undefined || sites.links.length === 0) return undefined;
    const marks = allocateMarks(
      lanes.map(({ key }) => key),
      this.#marks,
      MOST_LANES,
    );
    if (keep) {
      this.#marks = marks;
      this.#file.save({ marks: [...marks] });
    }
    const keys = this.#ownKeys(settings);
    const shared = sites.remotes.flatMap(({ name, cluster }) => {
      if (keys === undefined) return [];
      const own = { site, privateKey: keys.privateKey };
      const { publicKey, nextPublicKey } = cluster.spec.connection.tunnel.wireGuard;
      const peer = { site: name, publicKey };
      const next = (what: "probe" | "rendezvous"): string | undefined => {
        if (nextPublicKey === undefined) return undefined;
        const key = sharedKey(what, own, { site: name, publicKey: nextPublicKey });
        return key.ok ? key.value : undefined;
      };
      const [nextProbe, nextRendezvous] = [next("probe"), next("rendezvous")];
      const [probe, rendezvous] = [sharedKey("probe", own, peer), sharedKey("rendezvous", own, peer)];
      if (!probe.ok || !rendezvous.ok) return [];
      return [[name, { probe: probe.value, nextProbe, rendezvous: rendezvous.value, nextRendezvous }] as const];
    });
    const named = policies.some(({ spec }) => spec.match.users.some((each) => typeof each === "string"));
    const passwd = named || resources.gateways.length > 0 ? readFileSync("/etc/passwd", "utf8") : "";
    return {
      keys,
      shared: new Map(shared),
      marks: new Map(marks.map(({ key, value }) => [key, value])),
      users: named ? usersOf(passwd) : new Map(),
      dataplaneUser: dataplaneUser(settings, usersOf(passwd)),
    };
  }

  #ownKeys(settings: Settings): SiteKeys | undefined {
    try {
      return this.keys(settings);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#problem = `no tunnels without the private key of this site: ${error.message}`;
      return undefined;
    }
  }
}

/** One that does not exist is replaced by nobody (supervisor/children.ts). */
function dataplaneUser({ dataplane }: Settings, users: ReadonlyMap<string, number>): number | undefined {
  const user = users.get(dataplane.user) ?? users.get("nobody");
  return user === 0 ? undefined : user;
}

/** Names and numbers of passwd(5). */
export function usersOf(passwd: string): ReadonlyMap<string, number> {
  return new Map(
    passwd.split("\n").flatMap((line) => {
      const [name = "", , uid = ""] = line.split(":");
      return /^\d+$/.test(uid) ? [[name, Number(uid)] as const] : [];
    }),
  );
}
