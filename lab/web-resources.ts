/** Resources of a host that serves HTTP at one virtual IP: gateway, route, backends.  What differs is said by the caller. */
export interface WebResources {
  /** Fields of the virtual IP's spec but its ports, as YAML in flow style: "address: 192.0.2.1, mode: BGP". */
  readonly vip: string;
  /** Addresses that answer at port 8080. */
  readonly backends: readonly string[];
  /** Fields of the health check, in flow style. */
  readonly check: string;
}

export function webResources({ vip, backends, check }: WebResources): string {
  return `apiVersion: novaedge.io/v1alpha1
kind: ProxyVIP
metadata: { name: web }
spec: { ${vip}, ports: [80] }
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyGateway
metadata: { name: web }
spec:
  vipRef: web
  listeners: [{ name: http, port: 80, protocol: HTTP }]
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyRoute
metadata: { name: app }
spec:
  parentRefs: [{ name: web }]
  rules: [{ backendRefs: [{ name: app }] }]
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyBackend
metadata: { name: app }
spec:
  endpoints: [${backends.map((address) => `{ address: ${address}, port: 8080 }`).join(", ")}]
  healthCheck: { ${check} }
`;
}
