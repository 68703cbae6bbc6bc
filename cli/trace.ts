/** `novactl trace`: decoded packets and transitions, live. */
import type { TraceLine } from "../base/trace.ts";
import { type Action, CommandError, EXIT, type Io } from "./command.ts";
import { clean, formatOf, paint, type Tone, yamlOf } from "./output.ts";

const PROTOCOLS = ["bgp", "ospf", "bfd", "arp"] as const;

export const trace: Action = async (call) => {
  const [protocol = "", peer] = call.arguments;
  if (!PROTOCOLS.some((each) => each === protocol)) {
    const message = `${JSON.stringify(protocol)} is none of ${PROTOCOLS.join(", ")}`;
    throw new CommandError(EXIT.usage, "USAGE", message, "novactl trace bgp tor1");
  }
  const format = formatOf(call);
  const query = { protocol, ...(peer === undefined ? {} : { peer }) };
  for await (const each of call.client.trace(query, call.io.signal)) {
    if (format === "json") call.io.out(`${JSON.stringify(each)}\n`);
    else if (format === "yaml") call.io.out(`---\n${await yamlOf(each)}`);
    else call.io.out(`${line(call.io, each)}\n`);
  }
  return EXIT.ok;
};

const TONES: Readonly<Record<TraceLine["direction"], Tone | undefined>> = {
  in: undefined,
  out: "dim",
  state: "good",
};

function line(io: Io, { at, peer, direction, text }: TraceLine): string {
  const time = new Date(at).toISOString().slice(11, 23);
  const word = paint(io, direction.padEnd(5), TONES[direction]);
  return [paint(io, time, "dim"), word, clean(peer).padEnd(15), clean(text)].join("  ");
}
