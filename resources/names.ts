/** The kinds and what they are called, without their schemas: novactl knows names and starts fast. */
export const API_VERSION = "novaedge.io/v1alpha1";

export type Kind =
  | "ProxyGateway"
  | "ProxyRoute"
  | "ProxyBackend"
  | "ProxyVIP"
  | "ProxyIPPool"
  | "ProxyWANLink"
  | "ProxyWANPolicy"
  | "NovaEdgeRemoteCluster";

export interface KindNames {
  readonly kind: Kind;
  /** As `novactl get` takes it, the first one preferred. */
  readonly names: readonly string[];
  readonly namespaced: boolean;
  readonly about: string;
}

export const KIND_NAMES: Readonly<Record<Kind, KindNames>> = {
  ProxyGateway: {
    kind: "ProxyGateway",
    names: ["gateways", "gateway", "gw"],
    namespaced: true,
    about: "Where HTTP is listened for: ports on the addresses of a virtual IP or of the whole host.",
  },
  ProxyRoute: {
    kind: "ProxyRoute",
    names: ["routes", "route", "rt"],
    namespaced: true,
    about: "Which requests of a gateway go to which backends, and what is changed on the way.",
  },
  ProxyBackend: {
    kind: "ProxyBackend",
    names: ["backends", "backend", "be"],
    namespaced: true,
    about: "The endpoints that answer, how they are chosen, checked and connected to.",
  },
  ProxyVIP: {
    kind: "ProxyVIP",
    names: ["vips", "vip"],
    namespaced: false,
    about: "A virtual IP address that one host of a segment answers for while what is behind it works.",
  },
  ProxyIPPool: {
    kind: "ProxyIPPool",
    names: ["ippools", "ippool", "pools", "pool"],
    namespaced: false,
    about: "Addresses that virtual IPs are given.",
  },
  ProxyWANLink: {
    kind: "ProxyWANLink",
    names: ["wanlinks", "wanlink", "wl"],
    namespaced: true,
    about: "A way of a site into the world: its interface, what it carries and costs, and where tunnels reach it.",
  },
  ProxyWANPolicy: {
    kind: "ProxyWANPolicy",
    names: ["wanpolicies", "wanpolicy", "wp"],
    namespaced: true,
    about: "A class of traffic, what it needs of a path, and how its path is chosen.",
  },
  NovaEdgeRemoteCluster: {
    kind: "NovaEdgeRemoteCluster",
    names: ["remoteclusters", "remotecluster", "nerc"],
    namespaced: true,
    about: "Another site: its key, its networks and how tunnels reach it.",
  },
};

/** The kind that an operator means by "vip", "ProxyVIP", "gateways" … */
export function kindOf(word: string): Kind | undefined {
  const wanted = word.toLowerCase();
  return Object.values(KIND_NAMES).find(
    ({ kind, names }) => kind.toLowerCase() === wanted || `${kind.toLowerCase()}s` === wanted || names.includes(wanted),
  )?.kind;
}
