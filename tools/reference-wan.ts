/** Examples of the SD-WAN kinds in the reference (docs/configuration.md). */
export const WAN_EXAMPLES: Readonly<Record<"ProxyWANLink" | "ProxyWANPolicy" | "NovaEdgeRemoteCluster", string>> = {
  ProxyWANLink: `metadata:
  name: fibre
spec:
  site: berlin
  interface: eth1
  provider: acme
  bandwidth: {up: 100Mbps, down: 1Gbps}
  sla: {maxLatency: 80ms, maxPacketLoss: "1%"}
  tunnelEndpoint: {publicIP: 192.0.2.1}
  probe: {kind: icmp, targets: [198.51.100.53, 203.0.113.53]}
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyWANLink
metadata:
  name: lte
spec:
  site: berlin
  interface: wwan0
  provider: mobile
  bandwidth: 20Mbps
  role: backup
  quota: {size: 20G, resetDay: 1}
  reservedFor: [voice]
`,
  ProxyWANPolicy: `metadata:
  name: voice
spec:
  priority: 200
  match: {protocols: [udp], ports: [5060, 10000-20000]}
  pathSelection:
    strategy: lowest-latency
    dscpClass: EF
    sla: {class: voice}
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyWANPolicy
metadata:
  name: office
spec:
  match: {hosts: ["*.office.example"]}
  pathSelection: {strategy: most-reliable, sla: {maxPacketLoss: "2%"}}
`,
  NovaEdgeRemoteCluster: `metadata:
  name: madrid
spec:
  clusterName: madrid
  overlayCIDR: 10.255.2.0/24
  connection:
    tunnel:
      wireGuard:
        publicKey: 1mbJ0Yw6BP9UdQtMqyJcKr8xYbbxmjGuzyTnF09eC3I=
        endpoint: 203.0.113.9:51820
        allowedIPs: [10.2.0.0/16]
`,
};
