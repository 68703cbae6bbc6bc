/**
 * What users of NovaEdge may know from elsewhere and this version cannot do yet: refused by its own message, because an
 * accepted field that does nothing is worse than a refused one.  Paths are without indices.
 */

export const UNSUPPORTED_KINDS: readonly string[] = [
  "ProxyPolicy",
  "ProxyCertificate",
  "NovaEdgeCluster",
  "NovaEdgeFederation",
];

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  ProxyGateway: [
    ..."ingressClassName loadBalancerClass cache tracing customErrorPages compression redirectScheme extProc"
      .split(" ")
      .map((name) => `spec.${name}`),
    ..."tls tlsCertificates quic sslRedirect clientAuth ocspStapling proxyProtocol allowedSourceRanges"
      .split(" ")
      .map((name) => `spec.listeners.${name}`),
    ..."template output filePath maxSize maxBackups includeHeaders".split(" ").map((name) => `spec.accessLog.${name}`),
  ],
  ProxyRoute: [
    "spec.accessLog",
    "spec.pipeline",
    "spec.expression",
    ..."mirror buffering retry faultInjection bodyTransform limits.idleTimeout"
      .split(" ")
      .map((name) => `spec.rules.${name}`),
    "spec.rules.filters.mirrorBackend",
    "spec.rules.filters.mirrorPercent",
    "spec.rules.backendRefs.clusterSelector",
    "spec.rules.backendRef.clusterSelector",
  ],
  ProxyBackend:
    "serviceRef circuitBreaker tls retryPolicy sessionAffinity upstreamProxyProtocol protocol slowStart outlierDetection multiCluster"
      .split(" ")
      .map((name) => `spec.${name}`),
  ProxyVIP: ["spec.tolerations"],
  NovaEdgeRemoteCluster: [
    "spec.agent",
    "spec.routing",
    "spec.healthCheck",
    ..."controllerEndpoint tls reconnectInterval timeout".split(" ").map((name) => `spec.connection.${name}`),
    "spec.connection.tunnel.wireGuard.privateKeySecretRef",
  ],
};

const VALUES: Readonly<Record<string, readonly string[]>> = {
  "ProxyGateway spec.listeners.protocol": ["HTTPS", "HTTP3", "TCP", "TLS", "UDP"],
  "ProxyGateway spec.accessLog.format": ["custom"],
  "ProxyRoute spec.rules.filters.type": ["RequestMirror"],
  "NovaEdgeRemoteCluster spec.connection.mode": ["Direct"],
  "NovaEdgeRemoteCluster spec.connection.tunnel.type": ["SSH", "WebSocket"],
  "ProxyBackend spec.lbPolicy": ["P2C", "EWMA", "RingHash", "Maglev", "LeastConn", "SourceHash", "Sticky"],
};

/** What to write instead, where there is something. */
const INSTEAD: Readonly<Record<string, string>> = {
  "ProxyBackend spec.serviceRef": "list the servers in spec.endpoints",
  "ProxyBackend spec.protocol": "leave it out: backends are spoken to in HTTP/1.1",
  "ProxyBackend spec.lbPolicy": "use RoundRobin",
  "ProxyVIP spec.tolerations": "use spec.nodeSelector",
  "NovaEdgeRemoteCluster spec.connection.controllerEndpoint":
    "leave it out: sites need no controller to be joined by tunnels",
  "NovaEdgeRemoteCluster spec.connection.mode": "use Tunnel",
  "NovaEdgeRemoteCluster spec.connection.tunnel.type": "use WireGuard",
  "NovaEdgeRemoteCluster spec.connection.tunnel.wireGuard.privateKeySecretRef":
    "use sdwan.privateKeyFile in the settings of that site",
  "ProxyGateway spec.listeners.protocol": "use HTTP",
  "ProxyGateway spec.accessLog.format": "use json or clf",
};

/** Written by a Kubernetes API server, never by an operator. */
const SERVER_SET = new Set([
  "status",
  ..."creationTimestamp uid resourceVersion generation managedFields selfLink ownerReferences finalizers deletionTimestamp"
    .split(" ")
    .map((name) => `metadata.${name}`),
]);

export interface Refusal {
  readonly message: string;
  readonly hint: string | undefined;
}

/** `where` is the path as an operator reads it, with indices. */
export function refusedField(kind: string, path: string, where: string): Refusal | undefined {
  if (SERVER_SET.has(path)) return { message: `${path} is set by a server`, hint: "remove it" };
  if (path === "metadata.namespace") return { message: `a ${kind} belongs to no namespace`, hint: "remove it" };
  if (FIELDS[kind]?.includes(path) !== true) return undefined;
  return { message: `${where} is known, but not supported in this version`, hint: INSTEAD[`${kind} ${path}`] };
}

export function refusedValue(kind: string, path: string, where: string, value: unknown): Refusal | undefined {
  const key = `${kind} ${path}`;
  if (typeof value !== "string" || VALUES[key]?.includes(value) !== true) return undefined;
  return { message: `${where}: ${value} is known, but not supported in this version`, hint: INSTEAD[key] };
}

/** All of it, for the reference. */
export function notYet(): readonly string[] {
  const fields = Object.entries(FIELDS).map(
    ([kind, paths]) => `${kind}: ${paths.map((path) => `\`${path}\``).join(", ")}`,
  );
  const values = Object.entries(VALUES).map(([key, words]) => `${key.replace(" ", ": `")}\`: ${words.join(", ")}`);
  return [`kinds: ${UNSUPPORTED_KINDS.join(", ")}`, ...fields, ...values];
}
