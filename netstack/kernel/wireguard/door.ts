/**
 * One door to WireGuard devices, whoever runs them: the kernel (generic netlink, kernel-door.ts) or a wireguard-go process
 * (its UAPI socket, uapi-door.ts).
 */
import type { Result } from "../../../base/result.ts";
import type { WireguardChange, WireguardEngine, WireguardState } from "../../../base/wireguard.ts";

export interface WireguardDoor extends Disposable {
  readonly engine: WireguardEngine;
  /** `done` is called once, perhaps before this returns; never after the door is disposed. */
  read(done: (answer: Result<WireguardState, DoorFailure>) => void): void;
  /** All of it, or a failure that may have left a part done: read again then. */
  change(change: WireguardChange, done: (answer: Result<undefined, DoorFailure>) => void): void;
}

export interface DoorFailure {
  /** No such device or process; it refused; it did not answer in time; its answer cannot be understood. */
  readonly kind: "gone" | "refused" | "silent" | "unreadable";
  readonly why: string;
}
