/** Forbids io_uring to itself by a seccomp filter, opens a loop, and tells which engine it got. */
import koffi from "koffi";
import { SILENT } from "../../../../base/log.ts";
import { after, ms } from "../../../../base/unit.ts";
import * as libc from "../../../../netstack/kernel/libc.ts";
import { openLoop } from "../../../../netstack/kernel/open-loop.ts";

const prctl = libc.declare<(option: number, a: number, b: number, c: number, d: number) => number>(
  "int prctl(int, ulong, ulong, ulong, ulong)",
);
const IO_URING_SETUP = 425;
// ld [nr]; jeq 425 → EPERM, else allow
const program = Buffer.allocUnsafeSlow(256).fill(0);
const instructions = [
  [0x20, 0, 0, 0],
  [0x15, 0, 1, IO_URING_SETUP],
  [0x06, 0, 0, 0x00050001],
  [0x06, 0, 0, 0x7fff0000],
] as const;
instructions.forEach(([code, whenTrue, whenFalse, k], index) => {
  program.writeUInt16LE(code, index * 8);
  program.writeUInt8(whenTrue, index * 8 + 2);
  program.writeUInt8(whenFalse, index * 8 + 3);
  program.writeUInt32LE(k, index * 8 + 4);
});
const header = Buffer.allocUnsafeSlow(128).fill(0);
header.writeUInt16LE(instructions.length, 0);
header.writeBigUInt64LE(BigInt(koffi.address(program)), 8);
libc.must(prctl(38, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
libc.must(prctl(22, 2, Number(koffi.address(header)), 0, 0), "PR_SET_SECCOMP");

using loop = openLoop({ engine: "auto", log: SILENT });
loop.wakeAt(after(loop.now(), ms(1)), () => {
  console.log(JSON.stringify({ engine: loop.engine, why: loop.why }));
  loop.stop();
});
loop.run();
