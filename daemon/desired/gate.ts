/** The health gate's question for one virtual IP (eligibility.ts), put together from configuration and facts. */
import { type Ip, parseIp } from "../../base/address.ts";
import type { ProxyConfig } from "../../proxy/config.ts";
import type { ResourceSet, Vip } from "../../resources/kinds.ts";
import { selects } from "../../resources/metadata.ts";
import type { Settings } from "../../resources/settings.ts";
import { eligibility, type Verdict } from "./eligibility.ts";
import { endpointKey, endpointText, type Facts } from "./facts.ts";
import { listenerKey } from "./proxy.ts";

export function gate(
  vip: Vip,
  addresses: readonly Ip[],
  resources: ResourceSet,
  proxy: ProxyConfig,
  health: ReadonlyMap<string, Health>,
  settings: Settings,
  facts: Facts,
): Verdict {
  const { name } = vip.metadata;
  const gateways = resources.gateways.filter((gateway) => gateway.spec.vipRef === name);
  const names = new Set(gateways.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
  const sockets = vip.spec.ports.flatMap((port) =>
    addresses.map((ip) => {
      const keys = gateways.flatMap(({ metadata, spec }) =>
        spec.listeners
          .filter((listener) => listener.port === port)
          .map((listener) => listenerKey(`${metadata.namespace}/${metadata.name}`, listener.name, ip, port)),
      );
      return { port, listening: keys.some((key) => facts.listening.has(key)) };
    }),
  );
  const behind = [...reached(proxy, names)].flatMap((backend) => health.get(backend) ?? []);
  return eligibility({
    draining: facts.draining,
    selected: selects(vip.spec.nodeSelector, settings.node.labels),
    gateways: gateways.length,
    requireGateway: vip.spec.healthPolicy.requireGateway,
    sockets,
    healthy: behind.reduce((sum, each) => sum + each.healthy, 0),
    endpoints: behind.reduce((sum, each) => sum + each.endpoints, 0),
    unknown: behind.reduce((sum, each) => sum + each.endpoints - each.known, 0),
    wasEligible: facts.eligible?.has(name) === true,
    minHealthyNodes: vip.spec.healthPolicy.minHealthyNodes,
    minHealthyPercent: vip.spec.healthPolicy.minHealthyPercent,
  });
}

/** Names of the backends that routes of these gateways send requests to. */
export function reached(proxy: ProxyConfig, gateways: ReadonlySet<string>): ReadonlySet<string> {
  return new Set(
    proxy.listeners
      .filter((listener) => gateways.has(listener.gateway))
      .flatMap((listener) => listener.rules)
      .flatMap((rule) => rule.backends.filter(({ weight }) => weight > 0).map(({ backend }) => backend)),
  );
}

export interface Health {
  readonly endpoints: number;
  readonly healthy: number;
  /** Endpoints with a verdict, whichever. */
  readonly known: number;
}

/** Without a health check every endpoint counts as healthy; with one, only those that answered. */
export function healthOf(proxy: ProxyConfig, facts: Facts): ReadonlyMap<string, Health> {
  return new Map(
    proxy.backends.map((backend) => {
      const verdicts = backend.endpoints.map(({ address, port }) => {
        if (backend.healthCheck === undefined) return true;
        const parsed = parseIp(address);
        return parsed.ok ? facts.health.get(endpointKey(backend.name, endpointText(parsed.value, port))) : undefined;
      });
      return [
        backend.name,
        {
          endpoints: verdicts.length,
          healthy: verdicts.filter((verdict) => verdict === true).length,
          known: verdicts.filter((verdict) => verdict !== undefined).length,
        },
      ];
    }),
  );
}
