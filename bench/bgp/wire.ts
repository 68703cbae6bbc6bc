/**
 * What a BGP speaker put on the wire, and when, read from a tcpdump capture: independent of any codec of ours, since it
 * judges it.
 */
import { readFileSync } from "node:fs";

export interface Spoken {
  /** Milliseconds since the epoch; undefined: never. */
  readonly keepalive: number | undefined;
  readonly first: number | undefined;
  /** Of the last UPDATE that announced something. */
  readonly last: number | undefined;
  readonly announced: number;
  readonly updates: number;
  readonly octets: number;
}

/** What came from `source` (dotted quad), over IPv4. */
export function spoken(file: string, source: string): Spoken {
  const bytes = readFileSync(file);
  const said = { keepalive: undefined, first: undefined, last: undefined, announced: 0, updates: 0, octets: 0 } as {
    -readonly [key in keyof Spoken]: Spoken[key];
  };
  const streams = new Map<number, Stream>();
  for (const { at, segment } of segments(bytes, source)) {
    const { port, sequence, syn, data } = segment;
    if (syn) streams.set(port, new Stream((sequence + 1) >>> 0));
    streams.get(port)?.push(sequence, data, (message) => count(said, message, at));
  }
  return said;
}

function count(said: { -readonly [key in keyof Spoken]: Spoken[key] }, message: Buffer, at: number): void {
  said.octets += message.length;
  const type = message[18];
  if (type === KEEPALIVE) said.keepalive ??= at;
  if (type !== UPDATE) return;
  said.updates++;
  const withdrawn = message.readUInt16BE(19);
  const attributes = 23 + withdrawn;
  const nlri = attributes + message.readUInt16BE(21 + withdrawn);
  let routes = prefixCount(message.subarray(nlri));
  for (let next = attributes; next + 3 <= nlri; ) {
    const extended = ((message[next] ?? 0) & 16) !== 0;
    const length = extended ? message.readUInt16BE(next + 2) : (message[next + 2] ?? 0);
    const value = message.subarray(next + (extended ? 4 : 3)).subarray(0, length);
    if (message[next + 1] === MP_REACH) routes += prefixCount(value.subarray(5 + (value[3] ?? 0)));
    next += (extended ? 4 : 3) + length;
  }
  said.announced += routes;
  if (routes === 0) return;
  said.first ??= at;
  said.last = at;
}

function prefixCount(nlri: Buffer): number {
  let found = 0;
  for (let at = 0; at < nlri.length; at += 1 + (((nlri[at] ?? 0) + 7) >> 3)) found++;
  return found;
}

/** Octets in order, whatever order and however often the segments came. */
class Stream {
  #next: number;
  #early = new Map<number, Buffer>();
  #rest: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  constructor(next: number) {
    this.#next = next;
  }
  push(sequence: number, data: Buffer, message: (message: Buffer) => void): void {
    if (data.length > 0) this.#early.set(sequence, data);
    for (let moved = true; moved; ) {
      moved = false;
      for (const [at, bytes] of this.#early) {
        const overlap = (this.#next - at) >>> 0;
        if (overlap > 2 ** 31) continue; // it lies in the future
        this.#early.delete(at);
        if (overlap >= bytes.length) continue;
        this.#rest = Buffer.concat([this.#rest, bytes.subarray(overlap)]);
        this.#next = (this.#next + bytes.length - overlap) >>> 0;
        moved = true;
      }
    }
    let start = 0;
    while (this.#rest.length - start >= 19) {
      const length = this.#rest.readUInt16BE(start + 16);
      if (length < 19) throw new TypeError("no BGP stream");
      if (this.#rest.length - start < length) break;
      message(this.#rest.subarray(start, start + length));
      start += length;
    }
    this.#rest = this.#rest.subarray(start);
  }
}

interface Segment {
  readonly port: number;
  readonly sequence: number;
  readonly syn: boolean;
  readonly data: Buffer;
}

function* segments(bytes: Buffer, source: string): Generator<{ readonly at: number; readonly segment: Segment }> {
  if (bytes.readUInt32LE(0) !== PCAP_NANO) throw new TypeError("not a capture in nanoseconds");
  for (let at = 24; at + 16 <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + 8);
    const time = bytes.readUInt32LE(at) * 1000 + bytes.readUInt32LE(at + 4) / 1e6;
    const frame = bytes.subarray(at + 16, at + 16 + length);
    at += 16 + length;
    if (frame.length < 34 || frame.readUInt16BE(12) !== 0x0800 || frame[23] !== 6) continue;
    if (frame.subarray(26, 30).join(".") !== source) continue;
    const tcp = 14 + ((frame[14] ?? 0) & 15) * 4;
    // Offloaded segments are larger than a length field can say.
    const total = frame.readUInt16BE(16);
    const end = total === 0 ? frame.length : 14 + total;
    const [low, high] = [frame.readUInt16BE(tcp), frame.readUInt16BE(tcp + 2)];
    const segment = {
      port: low * 65_536 + high,
      sequence: frame.readUInt32BE(tcp + 4),
      syn: ((frame[tcp + 13] ?? 0) & 2) !== 0,
      data: frame.subarray(tcp + ((frame[tcp + 12] ?? 0) >> 4) * 4, end),
    };
    yield { at: time, segment };
  }
}

const PCAP_NANO = 0xa1b23c4d;
const UPDATE = 2;
const KEEPALIVE = 4;
const MP_REACH = 14;
