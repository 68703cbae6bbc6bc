/**
 * Chooses the engine of a loop: io_uring where the kernel offers what the ring engine needs (6.1: DEFER_TASKRUN) and lets
 * us (kernel.io_uring_disabled, a seccomp filter), else epoll.  `why` is one line for the log and `novactl status`.
 */
import { readFileSync } from "node:fs";
import { Fault } from "../../base/fault.ts";
import { EpollLoop } from "./epoll/epoll-loop.ts";
import type { Loop, LoopOptions } from "./loop.ts";
import { RingLoop } from "./ring/ring-loop.ts";

export function openLoop(options: LoopOptions): Loop {
  const chunkSize = options.chunkSize ?? 32768;
  const sizes = {
    chunkSize,
    chunks: options.chunks ?? 1024,
    blocks: Math.floor(SEND_OCTETS / chunkSize),
  };
  if (options.engine === "epoll") return chosen(new EpollLoop(sizes, "configured"), options);
  if (options.engine === "io_uring") return chosen(new RingLoop(sizes, "configured"), options);
  try {
    return chosen(new RingLoop(sizes, "the kernel offers io_uring with deferred task work"), options);
  } catch (cause) {
    if (!(cause instanceof Fault) || cause.code !== "RING_SETUP") throw cause;
    return chosen(new EpollLoop(sizes, whyNot(cause, sysctl("/proc/sys/kernel/io_uring_disabled"))), options);
  }
}

function chosen<L extends Loop>(loop: L, options: LoopOptions): L {
  options.log.info("loop.opened", { engine: loop.engine, why: loop.why });
  return loop;
}

/** What an operator can do about a ring that could not be set up; `disabled` is kernel.io_uring_disabled. */
export function whyNot(fault: Fault, disabled: string | undefined): string {
  const errno = fault.fields["errno"];
  if (errno === "EPERM" && disabled !== undefined && disabled !== "0") return `kernel.io_uring_disabled is ${disabled}`;
  if (errno === "EPERM" || errno === "EACCES") return "io_uring is forbidden to this process (a seccomp filter?)";
  if (errno === "ENOSYS") return "the kernel is built without io_uring";
  if (errno === "EINVAL" || fault.fields["why"] === "features")
    return "the kernel is older than 6.1 (no deferred task work)";
  return fault.message;
}

function sysctl(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    // Kernels before 6.6 do not have the switch.
    return undefined;
  }
}

/** Copies that may wait to be sent, all streams together. */
const SEND_OCTETS = 256 << 20;
