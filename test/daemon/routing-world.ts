/** Control with one virtual IP for routers, and what tests of routing say and look at. */
import type { RoutingPlan } from "../../daemon/routing/words.ts";
import { loadSettings, type Settings } from "../../resources/settings.ts";
import { controlWorld, type Forgetful } from "./control-world.ts";

export const VIP = `apiVersion: novaedge.io/v1alpha1
kind: ProxyVIP
metadata: {name: web}
spec:
  address: 192.0.2.10
  mode: BGP
  ports: [8081]
  bgpConfig: {localAS: 65001, peers: [{address: 10.0.0.1, as: 65000}]}
  healthPolicy: {requireGateway: false}
`;
export const NOTHING = `apiVersion: novaedge.io/v1alpha1
kind: ProxyIPPool
metadata: {name: p}
spec: {cidrs: [198.51.100.0/29]}
`;
export const GATEWAY = `---
apiVersion: novaedge.io/v1alpha1
kind: ProxyGateway
metadata: {name: gw}
spec:
  vipRef: web
  listeners: [{name: http, port: 8081, protocol: HTTP}]
`;

export function settingsOf(text: string): Pick<Settings, "bgp" | "ospf" | "bfd" | "routing"> {
  const { settings, diagnostics } = loadSettings({ file: "s", content: text });
  if (settings === undefined) throw new TypeError(JSON.stringify(diagnostics));
  const { bgp, ospf, bfd, routing } = settings;
  return { bgp, ospf, bfd, routing };
}

export type Made = ReturnType<typeof controlWorld>;
export const started = ({ router }: Made): boolean => router.on !== undefined;
export const plans = ({ router }: Made): readonly RoutingPlan[] =>
  router.sent.flatMap((each) => (each.kind === "plan" ? [each.plan] : []));
export const hello = async ({ router, clock }: Made): Promise<void> => {
  router.say({ kind: "hello", pid: 2 });
  await clock.pass(1);
};
export const vipSays = (made: Made, state: "announced" | "withdrawn" | "failed", why = "OK"): void =>
  made.router.say({ kind: "vip", vip: { name: "web", state, why } });
export const codes = ({ control }: Made): readonly string[] =>
  control.conditions.list.map(({ code, severity, subject }) => `${severity} ${code} ${subject}`);

export async function running(memory?: Forgetful, more: Partial<Settings> = {}): Promise<Made> {
  const made = controlWorld(VIP, more, memory);
  await made.settle();
  await hello(made);
  vipSays(made, "announced");
  return made;
}
