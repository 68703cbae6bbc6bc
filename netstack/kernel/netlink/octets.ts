/**
 * Host-order integers in netlink messages.  Netlink is spoken between programs of one machine, so its headers are in that
 * machine's byte order; only values that also travel on wires (addresses, ports, nfnetlink integers) are big-endian.
 */
export const LITTLE: boolean = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

export function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
export function u8Of(bytes: Uint8Array, at = 0): number {
  return bytes[at] ?? 0;
}
export function u16Of(bytes: Uint8Array, at = 0): number {
  return view(bytes).getUint16(at, LITTLE);
}
export function u32Of(bytes: Uint8Array, at = 0): number {
  return view(bytes).getUint32(at, LITTLE);
}
export function i32Of(bytes: Uint8Array, at = 0): number {
  return view(bytes).getInt32(at, LITTLE);
}

export function u8(value: number): Uint8Array {
  return Uint8Array.of(value);
}
export function u16(value: number): Uint8Array {
  const out = new Uint8Array(2);
  view(out).setUint16(0, value, LITTLE);
  return out;
}
export function u32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  view(out).setUint32(0, value, LITTLE);
  return out;
}
/** Text with its closing NUL, as the kernel's NLA_NUL_STRING policies ask for. */
export function text(value: string): Uint8Array {
  return encoder.encode(`${value}\0`);
}
/** Text up to the first NUL; octets that are not UTF-8 become U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}
/** Netlink aligns messages and attributes to four octets. */
export function aligned(length: number): number {
  return (length + 3) & ~3;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
