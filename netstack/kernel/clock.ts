/**
 * CLOCK_BOOTTIME: monotonic, and it goes on while the process is stopped and while the host is suspended.  Node's
 * performance.now() is CLOCK_MONOTONIC, which stands still during suspend.
 */
import koffi from "koffi";
import { type Instant, instant } from "../../base/unit.ts";
import { declare } from "./libc.ts";

/** Milliseconds since boot, with the fraction down to nanoseconds. */
export function bootNow(): Instant {
  clockGettime(CLOCK_BOOTTIME, timeAddress);
  return instant((time[0] ?? 0) * 1000 + (time[2] ?? 0) / 1e6);
}

/** CLOCK_REALTIME, milliseconds since 1970 with the fraction: what kernel stamps of packets are compared with. */
export function wallNow(): number {
  clockGettime(CLOCK_REALTIME, timeAddress);
  return ((time[0] ?? 0) + (time[1] ?? 0) * 2 ** 32) * 1000 + (time[2] ?? 0) / 1e6;
}

const clockGettime = declare<(clock: number, at: number) => number>("int clock_gettime(int, size_t)");
const CLOCK_REALTIME = 0;
const CLOCK_BOOTTIME = 7;
/** struct timespec {i64, i64} as words; more than 64 octets so that V8 keeps it outside its moving heap. */
const time = new Uint32Array(32);
const timeAddress = Number(koffi.address(time));
