/** The kinds of resources, and what a checked one looks like. */
import { z } from "zod";
import { type BackendSpec, backendSpec } from "./backend.ts";
import { type GatewaySpec, gatewaySpec } from "./gateway.ts";
import { API_VERSION, clusterMetadata, type Metadata, namespacedMetadata } from "./metadata.ts";
import { type PoolSpec, poolSpec } from "./pool.ts";
import { type RouteSpec, routeSpec } from "./route.ts";
import { type VipSpec, vipSpec } from "./vip.ts";
import type { Positioned } from "./yaml.ts";

export interface Specs {
  readonly ProxyGateway: GatewaySpec;
  readonly ProxyRoute: RouteSpec;
  readonly ProxyBackend: BackendSpec;
  readonly ProxyVIP: VipSpec;
  readonly ProxyIPPool: PoolSpec;
}
export type Kind = keyof Specs;

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
export type AnyResource = Gateway | Route | Backend | Vip | Pool;

/** Each list in the order of namespaces and names, whatever the order of files. */
export interface ResourceSet {
  readonly gateways: readonly Gateway[];
  readonly routes: readonly Route[];
  readonly backends: readonly Backend[];
  readonly vips: readonly Vip[];
  readonly pools: readonly Pool[];
}
export const NO_RESOURCES: ResourceSet = { gateways: [], routes: [], backends: [], vips: [], pools: [] };

export interface KindInfo {
  readonly kind: Kind;
  /** As `novactl get` takes it, with the short forms. */
  readonly names: readonly string[];
  readonly namespaced: boolean;
  readonly list: keyof ResourceSet;
  readonly about: string;
  readonly spec: z.ZodType;
}

export const KINDS: Readonly<Record<Kind, KindInfo>> = {
  ProxyGateway: {
    kind: "ProxyGateway",
    names: ["gateways", "gateway", "gw"],
    namespaced: true,
    list: "gateways",
    about: "Where HTTP is listened for: ports on the addresses of a virtual IP or of the whole host.",
    spec: gatewaySpec,
  },
  ProxyRoute: {
    kind: "ProxyRoute",
    names: ["routes", "route", "rt"],
    namespaced: true,
    list: "routes",
    about: "Which requests of a gateway go to which backends, and what is changed on the way.",
    spec: routeSpec,
  },
  ProxyBackend: {
    kind: "ProxyBackend",
    names: ["backends", "backend", "be"],
    namespaced: true,
    list: "backends",
    about: "The endpoints that answer, how they are chosen, checked and connected to.",
    spec: backendSpec,
  },
  ProxyVIP: {
    kind: "ProxyVIP",
    names: ["vips", "vip"],
    namespaced: false,
    list: "vips",
    about: "A virtual IP address that one host of a segment answers for while what is behind it works.",
    spec: vipSpec,
  },
  ProxyIPPool: {
    kind: "ProxyIPPool",
    names: ["ippools", "ippool", "pools", "pool"],
    namespaced: false,
    list: "pools",
    about: "Addresses that virtual IPs are given.",
    spec: poolSpec,
  },
};

/** The whole document, for the check and for the JSON Schema. */
export function documentSchema(kind: Kind): z.ZodType<{ readonly metadata: Metadata; readonly spec: unknown }> {
  const { namespaced, spec, about } = KINDS[kind];
  const document = z
    .strictObject({
      apiVersion: z.literal(API_VERSION).describe("Group and version."),
      kind: z.literal(kind).describe("The kind of the resource."),
      metadata: (namespaced ? namespacedMetadata : clusterMetadata).describe("Name and labels."),
      spec: spec.describe("What is wanted."),
    })
    .describe(about);
  return document as unknown as z.ZodType<{ readonly metadata: Metadata; readonly spec: unknown }>;
}

/** The kind that an operator means by "vip", "ProxyVIP", "gateways" … */
export function kindOf(word: string): Kind | undefined {
  const wanted = word.toLowerCase();
  return (Object.keys(KINDS) as Kind[]).find(
    (kind) =>
      kind.toLowerCase() === wanted || `${kind.toLowerCase()}s` === wanted || KINDS[kind].names.includes(wanted),
  );
}

/** "default/web", or "edge" of a kind without namespaces. */
export function qualifiedName(metadata: Metadata): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}

/** Unique over all kinds: "ProxyRoute/default/web". */
export function idOf(resource: AnyResource): string {
  return `${resource.kind}/${qualifiedName(resource.metadata)}`;
}

export function everything(set: ResourceSet): readonly AnyResource[] {
  return [...set.gateways, ...set.routes, ...set.backends, ...set.vips, ...set.pools];
}
