/** The health gate: may this host own a virtual IP?  A pure function, first reason wins. */

export interface GateInput {
  readonly draining: boolean;
  /** The VIP's nodeSelector matches this node's labels. */
  readonly selected: boolean;
  /** Gateways that refer to the VIP. */
  readonly gateways: number;
  readonly requireGateway: boolean;
  /** What a data plane must accept on. */
  readonly sockets: readonly { readonly port: number; readonly listening: boolean }[];
  /** Endpoints of the backends that routes of these gateways reach. */
  readonly healthy: number;
  readonly endpoints: number;
  /** Of these, the ones without a verdict yet. */
  readonly unknown?: number;
  /** It was eligible until now: what is not known yet does not end that, or each new endpoint would cost an outage. */
  readonly wasEligible?: boolean;
  readonly minHealthyNodes: number | undefined;
  readonly minHealthyPercent: number | undefined;
}

export type GateReason = "OK" | "DRAINING" | "NODE_NOT_SELECTED" | "NO_GATEWAY" | "NOT_LISTENING" | "TOO_FEW_HEALTHY";

export interface Verdict {
  readonly eligible: boolean;
  readonly why: GateReason;
  readonly message: string;
}

export function eligibility(input: GateInput): Verdict {
  const no = (why: GateReason, message: string): Verdict => ({ eligible: false, why, message });
  if (input.draining) return no("DRAINING", "this daemon is stopping");
  if (!input.selected) return no("NODE_NOT_SELECTED", "the nodeSelector does not match the labels of this node");
  if (input.gateways === 0) {
    if (input.requireGateway) return no("NO_GATEWAY", "no ProxyGateway refers to this VIP");
    return { eligible: true, why: "OK", message: "announced without a gateway, as healthPolicy.requireGateway says" };
  }
  const silent = [...new Set(input.sockets.filter((each) => !each.listening).map((each) => each.port))];
  if (silent.length > 0) return no("NOT_LISTENING", `no data plane accepts on port ${silent.join(", ")}`);
  const least = leastHealthy(input);
  const { unknown = 0, wasEligible = false } = input;
  if (input.healthy < least && wasEligible && input.healthy + unknown >= least) {
    return { eligible: true, why: "OK", message: `${unknown} of ${input.endpoints} endpoints are not checked yet` };
  }
  if (input.healthy < least) {
    return no("TOO_FEW_HEALTHY", `${input.healthy} of ${input.endpoints} endpoints are healthy, ${least} are needed`);
  }
  return { eligible: true, why: "OK", message: `${input.healthy} of ${input.endpoints} endpoints are healthy` };
}

/** With neither limit written: one, but a gateway that only redirects has no endpoints and needs none. */
function leastHealthy({ endpoints, minHealthyNodes, minHealthyPercent }: GateInput): number {
  if (minHealthyNodes === undefined && minHealthyPercent === undefined) return Math.min(1, endpoints);
  return Math.max(minHealthyNodes ?? 0, Math.ceil((endpoints * (minHealthyPercent ?? 0)) / 100));
}
