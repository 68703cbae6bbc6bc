/**
 * libc through koffi: the one place where JavaScript meets C.  A call with a wrong length is a crash of the process, so
 * nothing outside netstack/kernel imports this file, and every buffer handed over is typed and checked by its caller.
 * Functions return what C returns; a negative result carries its errno at once (`errno()` right after the call).
 */
import koffi from "koffi";
import { Fault } from "../../base/fault.ts";

const lib = koffi.load("libc.so.6");

/** errno of the last call on this thread; read it before any other call. */
export function errno(): number {
  return koffi.errno();
}

export const socket = lib.func("int socket(int, int, int)") as (
  family: number,
  type: number,
  protocol: number,
) => number;
export const socketpair = lib.func("int socketpair(int, int, int, void *)") as (
  family: number,
  type: number,
  protocol: number,
  pair: Int32Array,
) => number;
export const bind = lib.func("int bind(int, void *, uint32)") as (
  fd: number,
  address: Uint8Array,
  length: number,
) => number;
export const listen = lib.func("int listen(int, int)") as (fd: number, backlog: number) => number;
export const close = lib.func("int close(int)") as (fd: number) => number;
export const setsockopt = lib.func("int setsockopt(int, int, int, void *, uint32)") as (
  fd: number,
  level: number,
  option: number,
  value: Uint8Array,
  length: number,
) => number;
export const getsockopt = lib.func("int getsockopt(int, int, int, void *, void *)") as (
  fd: number,
  level: number,
  option: number,
  value: Uint8Array,
  length: Uint32Array,
) => number;
export const getsockname = lib.func("int getsockname(int, void *, void *)") as (
  fd: number,
  address: Uint8Array,
  length: Uint32Array,
) => number;
export const sendto = lib.func("long sendto(int, void *, ulong, int, void *, uint32)") as (
  fd: number,
  bytes: Uint8Array,
  length: number,
  flags: number,
  to: Uint8Array | null,
  toLength: number,
) => number;
export const recv = lib.func("long recv(int, void *, ulong, int)") as (
  fd: number,
  bytes: Uint8Array,
  length: number,
  flags: number,
) => number;
export const ifNameToIndex = lib.func("uint32 if_nametoindex(str)") as (name: string) => number;

/** Declares a further libc function for a file of this folder. */
export function declare<F extends (...args: never[]) => unknown>(prototype: string): F {
  return lib.func(prototype) as unknown as F;
}

/** The result of a call that must succeed, or a Fault with its errno. */
export function must(result: number, call: string, fields: Readonly<Record<string, unknown>> = {}): number {
  if (result >= 0) return result;
  const number = errno();
  throw new Fault("KERNEL_CALL", { call, errno: number, ...fields });
}
