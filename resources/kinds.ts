/** The kinds of resources: their schemas, and what a checked one looks like. */
import * as z from "zod";
import { type BackendSpec, backendSpec } from "./backend.ts";
import { type GatewaySpec, gatewaySpec } from "./gateway.ts";
import { clusterMetadata, type Metadata, namespacedMetadata } from "./metadata.ts";
import { API_VERSION, KIND_NAMES, type Kind } from "./names.ts";
import { type PoolSpec, poolSpec } from "./pool.ts";
import { type RemoteClusterSpec, remoteClusterSpec } from "./remote-cluster.ts";
import { type RouteSpec, routeSpec } from "./route.ts";
import { type VipSpec, vipSpec } from "./vip.ts";
import { type WanLinkSpec, wanLinkSpec } from "./wan-link.ts";
import { type WanPolicySpec, wanPolicySpec } from "./wan-policy.ts";
import type { Positioned } from "./yaml.ts";

export interface Specs {
  readonly ProxyGateway: GatewaySpec;
  readonly ProxyRoute: RouteSpec;
  readonly ProxyBackend: BackendSpec;
  readonly ProxyVIP: VipSpec;
  readonly ProxyIPPool: PoolSpec;
  readonly ProxyWANLink: WanLinkSpec;
  readonly ProxyWANPolicy: WanPolicySpec;
  readonly NovaEdgeRemoteCluster: RemoteClusterSpec;
}

export interface Resource<K extends Kind> {
  readonly kind: K;
  readonly metadata: Metadata;
  readonly spec: Specs[K];
  /** As written, and where. */
  readonly source: Positioned;
}
export type Gateway = Resource<"ProxyGateway">;
export type Route = Resource<"ProxyRoute">;
export type Backend = Resource<"ProxyBackend">;
export type Vip = Resource<"ProxyVIP">;
export type Pool = Resource<"ProxyIPPool">;
export type WanLink = Resource<"ProxyWANLink">;
export type WanPolicy = Resource<"ProxyWANPolicy">;
export type RemoteCluster = Resource<"NovaEdgeRemoteCluster">;
export type AnyResource = Gateway | Route | Backend | Vip | Pool | WanLink | WanPolicy | RemoteCluster;

/** Each list in the order of namespaces and names, whatever the order of files. */
export interface ResourceSet {
  readonly gateways: readonly Gateway[];
  readonly routes: readonly Route[];
  readonly backends: readonly Backend[];
  readonly vips: readonly Vip[];
  readonly pools: readonly Pool[];
  readonly wanLinks: readonly WanLink[];
  readonly wanPolicies: readonly WanPolicy[];
  readonly remoteClusters: readonly RemoteCluster[];
}

export const SPECS: Readonly<Record<Kind, z.ZodType>> = {
  ProxyGateway: gatewaySpec,
  ProxyRoute: routeSpec,
  ProxyBackend: backendSpec,
  ProxyVIP: vipSpec,
  ProxyIPPool: poolSpec,
  ProxyWANLink: wanLinkSpec,
  ProxyWANPolicy: wanPolicySpec,
  NovaEdgeRemoteCluster: remoteClusterSpec,
};

export type DocumentSchema = z.ZodType<{ readonly metadata: Metadata; readonly spec: unknown }>;

/** The whole document, for the check and for the JSON Schema.  Made once: zod compiles a schema at its first use. */
export function documentSchema(kind: Kind): DocumentSchema {
  return DOCUMENTS[kind];
}

function made(kind: Kind): DocumentSchema {
  const { namespaced, about } = KIND_NAMES[kind];
  const document = z
    .strictObject({
      apiVersion: z.literal(API_VERSION).describe("Group and version."),
      kind: z.literal(kind).describe("The kind of the resource."),
      metadata: (namespaced ? namespacedMetadata : clusterMetadata).describe("Name and labels."),
      spec: SPECS[kind].describe("What is wanted."),
    })
    .describe(about);
  return document as unknown as DocumentSchema;
}
const DOCUMENTS: Readonly<Record<Kind, DocumentSchema>> = {
  ProxyGateway: made("ProxyGateway"),
  ProxyRoute: made("ProxyRoute"),
  ProxyBackend: made("ProxyBackend"),
  ProxyVIP: made("ProxyVIP"),
  ProxyIPPool: made("ProxyIPPool"),
  ProxyWANLink: made("ProxyWANLink"),
  ProxyWANPolicy: made("ProxyWANPolicy"),
  NovaEdgeRemoteCluster: made("NovaEdgeRemoteCluster"),
};

/** "default/web", or "edge" of a kind without namespaces. */
export function qualifiedName(metadata: Metadata): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}

/** Unique over all kinds: "ProxyRoute/default/web". */
export function idOf(resource: AnyResource): string {
  return `${resource.kind}/${qualifiedName(resource.metadata)}`;
}

export function everything(set: ResourceSet): readonly AnyResource[] {
  return [
    ...set.gateways,
    ...set.routes,
    ...set.backends,
    ...set.vips,
    ...set.pools,
    ...set.wanLinks,
    ...set.wanPolicies,
    ...set.remoteClusters,
  ];
}
