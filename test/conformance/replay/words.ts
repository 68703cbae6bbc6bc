/** What a recording holds: every call of a machine by its driver, in order, and what came back. */
import type { Action as BgpAction, Event as BgpEvent, RouteChange } from "../../../netstack/bgp/event.ts";
import type { Action as OspfAction, Event as OspfEvent } from "../../../netstack/ospf/event.ts";
import type { OspfPlan } from "../../../netstack/ospf/plan.ts";

export type BgpCall =
  | { readonly call: "handle"; readonly now: number; readonly event: BgpEvent; readonly actions: readonly BgpAction[] }
  | { readonly call: "allot"; readonly connection: number }
  | {
      readonly call: "updates";
      readonly now: number;
      readonly connection: number;
      readonly room: number;
      readonly messages: readonly Uint8Array[];
    }
  | { readonly call: "routes"; readonly most: number; readonly routes: readonly RouteChange[] };

/** Packets are octets here, so that the codec is replayed as well. */
export type OspfCall =
  | { readonly call: "make"; readonly now: number; readonly plan: OspfPlan }
  | {
      readonly call: "step";
      readonly now: number;
      readonly event: Octets<OspfEvent>;
      readonly sent: readonly Octets<OspfAction & { readonly kind: "send" }>[];
      readonly routes: readonly (OspfAction & { readonly kind: "routes" })[];
    };
type Octets<T> = T extends { readonly packet: unknown } ? Omit<T, "packet"> & { readonly packet: Uint8Array } : T;

/** What a driver does with it on its wire: the rest is words. */
export function octetsOf(actions: readonly BgpAction[]): readonly object[] {
  return actions.filter(({ kind }) => kind === "send" || kind === "close" || kind === "connect");
}
