/** Makes inputs: random octets, or one of the corpus with a few changes. */
import type { Random } from "./random.ts";
import type { Target } from "./target.ts";

/** Writes an input to `memory` at `at`, at most `most` octets, and returns its length. */
export function makeInput(target: Target, random: Random, memory: Buffer, at: number, most: number): number {
  if (random.oneIn(40)) return noise(random, memory, at, Math.min(most, random.below(200)));
  const seed =
    target.generate !== undefined && random.below(3) > 0 ? target.generate(random) : random.pick(target.corpus);
  let length = Math.min(seed.length, most);
  memory.set(seed.subarray(0, length), at);
  // One input in four stays as it is, most get one change: what is nearly right gets furthest.
  for (let changes = CHANGES[random.below(CHANGES.length)] as number; changes > 0; changes--) {
    length = change(target, random, memory, at, length, most);
  }
  return length;
}

function noise(random: Random, memory: Buffer, at: number, length: number): number {
  for (let i = 0; i < length; i++) memory[at + i] = random.u32();
  return length;
}

function change(target: Target, random: Random, memory: Buffer, at: number, length: number, most: number): number {
  const place = at + random.below(length + 1);
  const end = at + length;
  switch (random.below(9)) {
    case 0: // set
      if (place < end) memory[place] = random.u32();
      return length;
    case 1: // flip a bit
      if (place < end) memory[place] = (memory[place] as number) ^ (1 << random.below(8));
      return length;
    case 2: // cut the end off
      return place - at;
    case 3: {
      // take some out
      const stop = Math.min(end, place + 1 + random.below(random.oneIn(4) ? 64 : 4));
      memory.copyWithin(place, stop, end);
      return length - (stop - place);
    }
    case 4:
    case 5: // put a token in
      return target.tokens.length === 0 ? length : insert(memory, at, length, most, place, random.pick(target.tokens));
    case 6: {
      // say some twice
      const stop = Math.min(end, place + 1 + random.below(random.oneIn(4) ? 256 : 16));
      return insert(memory, at, length, most, place, Uint8Array.from(memory.subarray(place, stop)));
    }
    case 7: {
      // a piece of another
      const other = random.pick(target.corpus);
      const from = random.below(other.length + 1);
      return insert(memory, at, length, most, place, other.subarray(from, from + random.below(64)));
    }
    default: {
      // an extreme number
      const width = random.pick([1, 2, 4, 8]);
      const value = random.pick([0x00, 0xff, 0x7f, 0x80, 0x01]);
      for (let i = 0; i < width && place + i < end; i++)
        memory[place + i] = i === 0 ? value : random.oneIn(2) ? 0 : 0xff;
      return length;
    }
  }
}

function insert(memory: Buffer, at: number, length: number, most: number, place: number, piece: Uint8Array): number {
  const room = Math.min(piece.length, most - length);
  memory.copyWithin(place + room, place, at + length);
  memory.set(piece.subarray(0, room), place);
  return length + room;
}

const CHANGES = [0, 1, 1, 1, 1, 2, 3, 8] as const;
