/** Resources of a small edge: one VIP on loopback, one gateway, one backend. */
export const EDGE = `apiVersion: novaedge.io/v1alpha1
kind: ProxyVIP
metadata: {name: web}
spec:
  address: 192.0.2.10
  mode: L2ARP
  ports: [8081]
  l2: {interface: lo}
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyGateway
metadata: {name: gw}
spec:
  vipRef: web
  listeners:
    - {name: http, port: 8081, protocol: HTTP}
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyRoute
metadata: {name: all}
spec:
  parentRefs: [{name: gw}]
  rules:
    - backendRef: {name: app}
`;

export const backend = (name: string, port: number, more = ""): string => `apiVersion: novaedge.io/v1alpha1
kind: ProxyBackend
metadata: {name: ${name}}
spec:
  endpoints: [{address: 127.0.0.1, port: ${port}}]
  healthCheck: {interval: 5s}
${more}`;
