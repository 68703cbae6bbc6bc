/**
 * WireGuard devices of the kernel, by generic netlink.  Synchronous: the kernel answers before a call returns.  Standards:
 * include/uapi/linux/genetlink.h, wireguard.h.
 */
import { Fault } from "../../../base/fault.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import type { WireguardChange, WireguardState } from "../../../base/wireguard.ts";
import { Attributes, attributeText, type Malformed } from "../netlink/attribute.ts";
import { ENODEV, ENOENT, errorName, NetlinkClient } from "../netlink/client.ts";
import { decodeGetDevice, encodeGetDevice, encodeSetDevice } from "./attributes.ts";
import type { DoorFailure, WireguardDoor } from "./door.ts";

/** The family of generic netlink that WireGuard's messages belong to: one per socket, for all devices of a namespace. */
export class WireguardNetlink implements Disposable {
  readonly #client = new NetlinkClient(NETLINK_GENERIC, "NETLINK");
  #family: number | undefined;

  /** Whether this kernel has WireGuard: its family is there once the module is. */
  get available(): boolean {
    return this.#resolve() !== undefined;
  }

  door(ifname: string): WireguardDoor {
    return {
      engine: "kernel",
      read: (done) => done(this.#guard(() => this.#read(ifname))),
      change: (change, done) => done(this.#guard(() => this.#change(ifname, change))),
      [Symbol.dispose]: () => undefined,
    };
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }

  #read(ifname: string): Result<WireguardState, DoorFailure> {
    const family = this.#resolve();
    if (family === undefined) return err(NO_FAMILY);
    const request = genericPayload(WG_CMD_GET_DEVICE, WG_GENL_VERSION, encodeGetDevice(ifname));
    const found = this.#client.dump(`get WireGuard device ${ifname}`, family, request, [ENODEV]);
    if (found.length === 0) return err({ kind: "gone", why: `no device ${ifname}` });
    const state = decodeGetDevice(found.map((payload) => payload.subarray(GENL_HEADER)));
    return state.ok ? state : err({ kind: "unreadable", why: malformedText(state.error) });
  }

  #change(ifname: string, change: WireguardChange): Result<undefined, DoorFailure> {
    const family = this.#resolve();
    if (family === undefined) return err(NO_FAMILY);
    for (const payload of encodeSetDevice(ifname, change)) {
      const verdict = this.#client.try(family, 0, genericPayload(WG_CMD_SET_DEVICE, WG_GENL_VERSION, payload));
      if (verdict.errno === 0) continue;
      const why = `${errorName(verdict.errno)}${verdict.text === undefined ? "" : `: ${verdict.text}`}`;
      return err({ kind: verdict.errno === ENODEV ? "gone" : "refused", why });
    }
    return ok(undefined);
  }

  /** An answer that does not come or cannot be read is a failure of this device, not of the process. */
  #guard<T>(run: () => Result<T, DoorFailure>): Result<T, DoorFailure> {
    try {
      return run();
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      return err({ kind: "refused", why: cause.message });
    }
  }

  #resolve(): number | undefined {
    if (this.#family !== undefined) return this.#family;
    const request = genericPayload(CTRL_CMD_GETFAMILY, 1, attributeText(CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME));
    const answer = this.#client.get("find the wireguard family", GENL_ID_CTRL, request, [ENOENT]);
    const id = answer === undefined ? undefined : decodeFamilyId(answer);
    if (id !== undefined && !id.ok) throw this.#client.malformed(id.error);
    this.#family = id?.value;
    return this.#family;
  }
}

/** struct genlmsghdr, then attributes. */
export function genericPayload(command: number, version: number, attributes: Uint8Array): Uint8Array {
  const out = new Uint8Array(GENL_HEADER + attributes.length);
  out[0] = command;
  out[1] = version;
  out.set(attributes, GENL_HEADER);
  return out;
}

/** The number that CTRL_CMD_GETFAMILY's answer gives the family. */
export function decodeFamilyId(payload: Uint8Array): Result<number, Malformed> {
  const short = { kind: "short", what: "genlmsghdr", have: payload.length, need: GENL_HEADER } as const;
  if (payload.length < GENL_HEADER) return err(short);
  const attributes = Attributes.of(payload.subarray(GENL_HEADER));
  if (!attributes.ok) return attributes;
  const id = attributes.value.u16(CTRL_ATTR_FAMILY_ID);
  if (attributes.value.refused !== undefined) return err(attributes.value.refused);
  return id === undefined ? err({ kind: "bad-value", what: "family id", length: 0 }) : ok(id);
}

function malformedText(why: Malformed): string {
  return Object.values(why).join(" ");
}

const NO_FAMILY: DoorFailure = { kind: "gone", why: "this kernel has no WireGuard" };
const NETLINK_GENERIC = 16;
const GENL_HEADER = 4;
const GENL_ID_CTRL = 0x10;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
const WG_GENL_NAME = "wireguard";
const WG_GENL_VERSION = 1;
const WG_CMD_GET_DEVICE = 0;
const WG_CMD_SET_DEVICE = 1;
