/**
 * A seccomp filter for processes that parse what strangers send: whatever starts programs, reaches into other processes,
 * changes the kernel or the shape of the file system is refused with EPERM.  A deny list on purpose: Node and V8 change
 * their system calls with every version, and privileges are gone already.
 *
 * TSYNC puts the filter, and no_new_privs with it, on every thread of the process at once.
 */
import koffi from "koffi";
import { Fault } from "../../base/fault.ts";
import { JUMP_AT_LEAST, JUMP_EQUAL, LOAD_WORD, RETURN } from "./bpf.ts";
import { errnoName } from "./errno.ts";
import * as libc from "./libc.ts";

/** no_new_privs must be set on the calling thread. */
export function confine(): void {
  const denied = process.arch === "x64" ? DENIED_X64 : DENIED_ARM64;
  // struct seccomp_data {nr, arch, …}: another architecture's numbers (x32, compat) must not slip through.
  const program: (readonly [number, number, number, number])[] = [
    [LOAD_WORD, 0, 0, 4],
    [JUMP_EQUAL, 1, 0, process.arch === "x64" ? AUDIT_ARCH_X86_64 : AUDIT_ARCH_AARCH64],
    [RETURN, 0, 0, REFUSE],
    [LOAD_WORD, 0, 0, 0],
    [JUMP_AT_LEAST, 0, 1, X32_BIT],
    [RETURN, 0, 0, REFUSE],
  ];
  denied.forEach((number, index) => program.push([JUMP_EQUAL, denied.length - index, 0, number]));
  program.push([RETURN, 0, 0, ALLOW], [RETURN, 0, 0, REFUSE]);

  const code = Buffer.allocUnsafeSlow(program.length * 8);
  program.forEach(([operation, whenTrue, whenFalse, k], index) => {
    code.writeUInt16LE(operation, index * 8);
    code.writeUInt8(whenTrue, index * 8 + 2);
    code.writeUInt8(whenFalse, index * 8 + 3);
    code.writeUInt32LE(k >>> 0, index * 8 + 4);
  });
  const header = Buffer.alloc(16);
  header.writeUInt16LE(program.length, 0);
  header.writeBigUInt64LE(BigInt(koffi.address(code)), 8);
  const result = seccomp(process.arch === "x64" ? 317 : 277, SET_MODE_FILTER, FLAG_TSYNC, header);
  if (result !== 0)
    throw new Fault("KERNEL_CALL", {
      call: "seccomp",
      errno: result < 0 ? errnoName(libc.errno()) : `thread ${result}`,
    });
}

const seccomp = libc.declare<(number: number, operation: number, flags: number, program: Uint8Array) => number>(
  "long syscall(long, uint32, uint32, void *)",
);
const SET_MODE_FILTER = 1;
const FLAG_TSYNC = 1;
const ALLOW = 0x7fff0000;
/** SECCOMP_RET_ERRNO | EPERM */
const REFUSE = 0x00050001;
const AUDIT_ARCH_X86_64 = 0xc000003e;
const AUDIT_ARCH_AARCH64 = 0xc00000b7;
const X32_BIT = 0x40000000;

/**
 * execve execveat fork vfork ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd mount umount2 pivot_root chroot
 * move_mount fsopen open_tree unshare setns init_module finit_module delete_module kexec_load kexec_file_load bpf
 * perf_event_open userfaultfd add_key request_key keyctl reboot swapon swapoff acct settimeofday clock_settime
 * adjtimex clock_adjtime open_by_handle_at sethostname setdomainname iopl ioperm
 */
const DENIED_X64: readonly number[] = [
  59, 322, 57, 58, 101, 310, 311, 312, 438, 165, 166, 155, 161, 429, 430, 428, 272, 308, 175, 313, 176, 246, 320, 321,
  298, 323, 248, 249, 250, 169, 167, 168, 163, 164, 227, 159, 305, 304, 170, 171, 172, 173,
];
const DENIED_ARM64: readonly number[] = [
  221, 281, 117, 270, 271, 272, 438, 40, 39, 41, 51, 429, 430, 428, 97, 268, 105, 273, 106, 104, 294, 280, 241, 282,
  217, 218, 219, 142, 224, 225, 89, 170, 112, 171, 266, 265, 161, 162,
];
