/** Methods as small numbers. RFC 9110 §9, RFC 5789; others are forwarded as they come (OTHER_METHOD). Case matters. */
export const OTHER_METHOD = 0;
export const GET = 1;
export const HEAD = 2;
export const POST = 3;
export const PUT = 4;
export const DELETE = 5;
export const PATCH = 6;
export const OPTIONS = 7;
export const TRACE = 8;
export const CONNECT = 9;

/** Name of a method number; "OTHER" for what is not in the table. */
export function methodName(method: number): string {
  return METHODS[method] ?? "OTHER";
}

/** The number of a method, or OTHER_METHOD. */
export function methodNumber(name: string): number {
  return Math.max(0, METHODS.indexOf(name));
}

/** The number of the method in these octets. */
export function identifyMethod(memory: Uint8Array, start: number, end: number): number {
  switch (memory[start] as number) {
    case 0x47:
      return same(memory, start, end, GET);
    case 0x48:
      return same(memory, start, end, HEAD);
    case 0x50:
      return same(memory, start, end, POST) || same(memory, start, end, PUT) || same(memory, start, end, PATCH);
    case 0x44:
      return same(memory, start, end, DELETE);
    case 0x4f:
      return same(memory, start, end, OPTIONS);
    case 0x54:
      return same(memory, start, end, TRACE);
    case 0x43:
      return same(memory, start, end, CONNECT);
    default:
      return OTHER_METHOD;
  }
}

function same(memory: Uint8Array, start: number, end: number, method: number): number {
  const name = OCTETS[method] as Uint8Array;
  if (end - start !== name.length) return OTHER_METHOD;
  for (let i = 1; i < name.length; i++) if (memory[start + i] !== name[i]) return OTHER_METHOD;
  return method;
}

const METHODS: readonly string[] = [
  "OTHER",
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "PATCH",
  "OPTIONS",
  "TRACE",
  "CONNECT",
];
const OCTETS = METHODS.map((name) => Uint8Array.from(name, (letter) => letter.charCodeAt(0)));
