/** What one device is given: by whoever runs them all, and of the plan. */
import type { Loop } from "../../../netstack/kernel/loop.ts";
import type { TunnelSpec } from "../../underlay-plan.ts";
import type { Host } from "./host.ts";

export interface DeviceParts {
  readonly loop: Loop;
  readonly host: Host;
  readonly wall: () => number;
  /** Something that a report tells may have changed. */
  readonly changed: () => void;
  readonly event: (name: string, fields: Readonly<Record<string, unknown>>) => void;
  /** The name in this site's endpoint is worth asking for again. */
  readonly resolve: (site: string) => void;
}

export interface DeviceSettings {
  readonly spec: TunnelSpec;
  readonly site: string;
  readonly privateKey: string;
  readonly overlay: readonly string[];
  readonly wireguard: "auto" | "kernel" | "userspace";
}
