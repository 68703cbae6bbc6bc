/** What control tells the data plane: plain data (JSON), already validated, all names resolved. Durations in milliseconds. */
import type { Ms } from "../base/unit.ts";

export interface ProxyConfig {
  /** Changes with every change of the content. */
  readonly version: string;
  readonly listeners: readonly ListenerConfig[];
  readonly backends: readonly BackendConfig[];
  /** Traffic classes of the WAN; the first that a request belongs to is that of its connection. Absent: none. */
  readonly classes?: readonly ClassConfig[] | undefined;
}

/** All fields that are not empty must match; any value of each, but all of the headers. */
export interface ClassConfig {
  readonly name: string;
  /** Value of the DSCP field, 1–63, by which this host's ruleset knows the class; it is cleared before the wire. */
  readonly token: number;
  /** Of the request: forms as in RuleConfig.hostnames. */
  readonly hosts: readonly string[];
  /** Prefixes of the request's path, by whole segments. */
  readonly paths: readonly string[];
  /** Of the request: exact values. */
  readonly headers: readonly NameValue[];
  /** "10.1.0.0/16": networks of the client's address. */
  readonly sources: readonly string[];
  /** Networks of the endpoint's address. */
  readonly destinations: readonly string[];
  /** [first, last] of the endpoint's port. */
  readonly ports: readonly (readonly [number, number])[];
}

export interface ListenerConfig {
  /** "gateway/listener@address:port", unique; the listening socket arrives under this key. */
  readonly key: string;
  readonly gateway: string;
  readonly name: string;
  readonly protocol: "HTTP";
  /** Requests for other hosts get 404; empty admits all. Forms as in RuleConfig.hostnames. */
  readonly hostnames: readonly string[];
  /** Octets; a longer request body gets 413. undefined = no limit. */
  readonly maxRequestBodySize: number | undefined;
  readonly accessLog: AccessLogConfig;
  readonly rules: readonly RuleConfig[];
}

export interface AccessLogConfig {
  readonly enabled: boolean;
  readonly format: "json" | "clf";
  /** Paths (exact) that are not logged. */
  readonly excludePaths: readonly string[];
  /** Empty logs all. */
  readonly filterStatusCodes: readonly number[];
  /** 0–1 */
  readonly sampleRate: number;
}

/** One rule of a ProxyRoute as seen by one listener. Precedence: proxy/route/table.ts. */
export interface RuleConfig {
  readonly route: string;
  /** Position in the resource: the last tie-break, after the route's name. */
  readonly index: number;
  /** "a.example" exact, "*.example" suffix, "api.*" prefix, "*" or empty list any. Lower case. */
  readonly hostnames: readonly string[];
  /** Alternatives; empty matches everything. */
  readonly matches: readonly MatchConfig[];
  readonly filters: readonly FilterConfig[];
  /** Weighted; weights of 0 get nothing. */
  readonly backends: readonly { readonly backend: string; readonly weight: number }[];
  /** The whole exchange, from the request's head to the response's end; undefined = none. */
  readonly timeout: Ms | undefined;
  readonly maxRequestBodySize: number | undefined;
}

export interface MatchConfig {
  readonly path: { readonly type: "Exact" | "PathPrefix" | "RegularExpression"; readonly value: string } | undefined;
  readonly method: string | undefined;
  readonly headers: readonly ValueMatch[];
  readonly queryParams: readonly ValueMatch[];
}
export interface ValueMatch {
  readonly name: string;
  readonly type: "Exact" | "RegularExpression";
  readonly value: string;
}

export type FilterConfig =
  | { readonly type: "AddHeader"; readonly add: readonly NameValue[] }
  | { readonly type: "RemoveHeader"; readonly remove: readonly string[] }
  | { readonly type: "ResponseAddHeader"; readonly responseAdd: readonly NameValue[] }
  | { readonly type: "ResponseSetHeader"; readonly responseSet: readonly NameValue[] }
  | { readonly type: "ResponseRemoveHeader"; readonly responseRemove: readonly string[] }
  | { readonly type: "RequestRedirect"; readonly redirectURL: string }
  | { readonly type: "URLRewrite"; readonly rewritePath: string };
export interface NameValue {
  readonly name: string;
  readonly value: string;
}

export interface BackendConfig {
  readonly name: string;
  readonly endpoints: readonly EndpointConfig[];
  readonly lbPolicy: "RoundRobin";
  readonly connectTimeout: Ms;
  /** Longest silence of an exchange under way. */
  readonly idleTimeout: Ms;
  readonly healthCheck: HealthCheckConfig | undefined;
  readonly pool: {
    /** Idle connections kept per backend and per endpoint (in each worker), and for how long. */
    readonly maxIdleConns: number;
    readonly maxIdleConnsPerHost: number;
    /** 0 = no limit */
    readonly maxConnsPerHost: number;
    readonly idleConnTimeout: Ms;
  };
}
export interface EndpointConfig {
  /** Text form, as in the resource. */
  readonly address: string;
  readonly port: number;
  /** ≥ 1 */
  readonly weight: number;
}
export interface HealthCheckConfig {
  readonly interval: Ms;
  readonly timeout: Ms;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
  /** GET this path, 2xx or 3xx is healthy; undefined: a TCP connect decides. */
  readonly httpPath: string | undefined;
}
