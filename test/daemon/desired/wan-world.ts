/** Three sites of two links each, as berlin sees them; and a host on which all of it is up. */

import type { Facts, WanFacts } from "../../../daemon/desired/facts.ts";
import { tunnelKey } from "../../../daemon/desired/facts.ts";
import { type WanWish, wanPlans } from "../../../daemon/desired/wan.ts";
import { formatDiagnostic, isError } from "../../../resources/diagnostic.ts";
import type { ResourceSet } from "../../../resources/kinds.ts";
import { loadResources, type SourceFile } from "../../../resources/load.ts";
import { loadSettings, type Settings } from "../../../resources/settings.ts";
import { together } from "../../../resources/together.ts";
import { wanLayout } from "../../../resources/wan-lanes.ts";
import { allocateMarks, type KeptMark } from "../../../resources/wan-marks.ts";
import { MOST_LANES } from "../../../resources/wan-together.ts";
import type { LinkReport, TunnelReport } from "../../../sdwan/underlay-plan.ts";
import { API, type Document, FACTS } from "../world.ts";

export const PUBLIC_KEYS = {
  madrid: "1mbJ0Yw6BP9UdQtMqyJcKr8xYbbxmjGuzyTnF09eC3I=",
  oslo: "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=",
};
export const SITES = ["berlin", "madrid", "oslo"] as const;
type Site = (typeof SITES)[number];

export function link(site: Site, name: string, spec: object = {}): Document {
  const number = SITES.indexOf(site) + 1;
  const isp = Number(name.replace(/\D/g, "")) || 9;
  return {
    kind: "ProxyWANLink",
    metadata: { name, namespace: site },
    spec: {
      site,
      interface: `wan${isp}`,
      provider: name,
      bandwidth: "100Mbps",
      tunnelEndpoint: { publicIP: `203.0.113.${number * 10 + isp}` },
      ...spec,
    },
  };
}
export function remote(site: "madrid" | "oslo", tunnel: object = {}, spec: object = {}): Document {
  const number = SITES.indexOf(site) + 1;
  return {
    kind: "NovaEdgeRemoteCluster",
    metadata: { name: site },
    spec: {
      clusterName: site,
      overlayCIDR: `10.255.${number}.0/24`,
      connection: {
        tunnel: { wireGuard: { publicKey: PUBLIC_KEYS[site], allowedIPs: [`10.${number}.0.0/16`] }, ...tunnel },
      },
      ...spec,
    },
  };
}
export function policy(name: string, pathSelection: object = {}, spec: object = {}): Document {
  return {
    kind: "ProxyWANPolicy",
    metadata: { name },
    spec: { pathSelection: { strategy: "lowest-latency", ...pathSelection }, ...spec },
  };
}

export const DOCUMENTS: readonly Document[] = [
  ...SITES.flatMap((site) => [link(site, "isp1"), link(site, "isp2")]),
  remote("madrid"),
  remote("oslo"),
  policy("voice", { dscpClass: "EF", sla: { class: "voice" } }, { priority: 200, match: { ports: [5060] } }),
];
export const SETTINGS: object = {
  sdwan: { site: "berlin", overlayCIDR: "10.255.1.0/24", prefixes: ["10.1.0.0/16"] },
};

export interface Wanted {
  readonly wish: WanWish;
  readonly marks: readonly KeptMark[];
  readonly settings: Settings;
  readonly resources: ResourceSet;
  readonly facts: Facts;
}

export interface WantedFrom {
  readonly documents?: readonly Document[];
  readonly settings?: object;
  readonly facts?: Partial<WanFacts>;
  readonly marks?: readonly KeptMark[];
}

/** Throws with the findings, where the configuration is refused. */
export function wanted({
  documents = DOCUMENTS,
  settings: written = SETTINGS,
  facts = {},
  marks = [],
}: WantedFrom = {}): Wanted {
  const { settings, resources } = loaded(documents, written);
  const next = allocateMarks(
    wanLayout(settings, resources).lanes.map(({ key }) => key),
    marks,
    MOST_LANES,
  );
  const all: Facts = { ...FACTS, wan: { ...wanFacts(next), ...facts } };
  return { wish: wanPlans(settings, resources, all), marks: next, settings, resources, facts: all };
}

export function loaded(documents: readonly Document[], written: object): Pick<Wanted, "settings" | "resources"> {
  const found = findings(documents, written);
  if (found.problems.length > 0 || found.settings === undefined) throw new TypeError(found.problems.join("\n"));
  return { settings: found.settings, resources: found.resources };
}

/** Of the whole configuration, as the daemon would print them. */
export function findings(
  documents: readonly Document[],
  written: object,
  more: readonly SourceFile[] = [],
): {
  readonly settings: Settings | undefined;
  readonly resources: ResourceSet;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
} {
  const items = documents.map((each) => ({ apiVersion: API, ...each }));
  const file = { file: "f", content: JSON.stringify({ kind: "List", items }) };
  const { resources, diagnostics, refused } = loadResources([file, ...more]);
  const { settings, diagnostics: own } = loadSettings({ file: "s", content: JSON.stringify(written) });
  const all = [...diagnostics, ...own, ...(settings === undefined ? [] : together(settings, resources, refused))];
  return {
    settings,
    resources,
    problems: all.filter(isError).map(formatDiagnostic),
    warnings: all.filter((each) => !isError(each)).map(formatDiagnostic),
  };
}

export function wanFacts(marks: readonly KeptMark[]): WanFacts {
  const key = (site: string): { probe: string; rendezvous: string } => ({
    probe: site.charCodeAt(0).toString(16).repeat(32),
    rendezvous: site.charCodeAt(1).toString(16).repeat(32),
  });
  return {
    keys: { privateKey: "own", publicKey: "ours" },
    shared: new Map(["madrid", "oslo"].map((site) => [site, key(site)])),
    marks: new Map(marks.map(({ key: name, value }) => [name, value])),
    links: new Map([linkReport("isp1"), linkReport("isp2")].map((each) => [each.name, each])),
    tunnels: new Map(),
    users: new Map([["backup", 34]]),
    dataplaneUser: 65_534,
    proxied: new Map(),
  };
}

/** What the wan process says when the rules of this plan are in the kernel: class → token. */
export function tokensOf({ plan }: WanWish): ReadonlyMap<string, number> {
  const classes = plan?.underlay.classes ?? [];
  return new Map(classes.flatMap(({ name, match: { proxied } }) => proxied.map((token) => [name, token] as const)));
}

export function linkReport(name: string, more: Partial<LinkReport> = {}): LinkReport {
  const isp = name.replace(/\D/g, "");
  return {
    name,
    ifname: `wan${isp}`,
    state: "up",
    why: "",
    since: 0,
    carrier: true,
    addresses: [`192.0.2.${isp}2/24`],
    gateway4: `192.0.2.${isp}1`,
    gateway6: undefined,
    mtu: 1500,
    bandwidth: undefined,
    used: 0,
    quotaSpent: false,
    nat: undefined,
    ...more,
  };
}

export function tunnelReports(...reports: readonly Partial<TunnelReport>[]): ReadonlyMap<string, TunnelReport> {
  const all = reports.map(
    (each): TunnelReport => ({
      ifname: "nv-isp1-0",
      link: "isp1",
      site: "madrid",
      remoteLink: "isp1",
      state: "up",
      why: "",
      since: 0,
      engine: "kernel",
      via: "direct",
      endpoint: undefined,
      found: "configured",
      lastHandshake: 0,
      received: 0,
      sent: 0,
      mtu: 1420,
      ...each,
    }),
  );
  return new Map(all.map((each) => [tunnelKey(each.ifname, each.site), each]));
}
