/**
 * Failures of the environment (EPERM, ENODEV, a taken port): one class, a closed set of codes, all of them documented
 * in docs/errors.md.  Expected outcomes are Results, our own bugs are TypeErrors that end the component.
 */
export type FaultCode = keyof typeof FAULTS;

export class Fault extends Error {
  readonly code: FaultCode;
  readonly fields: Readonly<Record<string, unknown>>;
  constructor(code: FaultCode, fields: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    super(`${code}: ${FAULTS[code]}${text(fields)}`, cause === undefined ? undefined : { cause });
    this.name = "Fault";
    this.code = code;
    this.fields = fields;
  }
}

function text(fields: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(fields).map(([key, value]) => `${key}=${String(value)}`);
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}

/** Code → what an operator reads.  A code is API: never reused for another meaning. */
export const FAULTS = {
  KERNEL_CALL: "a system call failed",
  KERNEL_MISSING: "this kernel lacks a feature that the configuration needs",
  LIBRARY_MISSING: "a system library could not be loaded",
  RING_SETUP: "io_uring could not be set up",
  NETLINK: "the kernel refused a netlink request",
  NFTABLES: "the kernel refused an nftables transaction",
  ADDRESS_TAKEN: "the address and port are already in use",
  INTERFACE_MISSING: "no such network interface",
  FILE: "a file could not be read or written",
  CHILD: "a child process could not be started or did not answer",
  LAB: "the lab, or a program in it, failed",
} as const;
