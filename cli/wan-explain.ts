/** `novactl wan explain SRC DST [PROTO PORT DSCP]`: which policy has a packet, what carries it, why nothing else does. */
import type { Explanation } from "../daemon/admin/wan-api.ts";
import { dscp as codePoint, DSCP_ERROR, isProtocol, PROTOCOL_ERROR } from "../resources/wan-values.ts";
import { type Call, CommandError, EXIT, flagOf } from "./command.ts";
import { clean, paint, printed, type Tone, table, toned } from "./output.ts";
import { figuresOf, lossOf } from "./wan-figures.ts";

export async function explainPacket(call: Call): Promise<0> {
  const [, source, destination, protocol, port, dscp] = call.arguments;
  if (source === undefined || destination === undefined) {
    const hint = "novactl wan explain 10.1.0.5 10.2.0.9 udp 5060";
    throw new CommandError(EXIT.usage, "USAGE", "explain needs a source and a destination", hint);
  }
  const ifname = flagOf(call, "interface");
  const request = {
    source,
    destination,
    protocol: protocolOf(protocol),
    port: portOf(port),
    dscp: codePointOf(dscp),
    ifname,
  };
  const answer = await call.client.call("POST /v1/wan/explain", request);
  if (await printed(call, answer)) return EXIT.ok;
  const { io } = call;
  const line = (name: string, text: string): void => io.out(`${paint(io, name.padEnd(12), "dim")}${clean(text)}\n`);
  const name = answer.policy ?? "none";
  line("policy", answer.why.startsWith(`${name}:`) ? answer.why : `${name}: ${answer.why}`);
  line("to", answer.destination === "here" ? "a network of this site" : placeOf(answer));
  line("carried by", carrierOf(answer));
  line("because", answer.chosenBecause);
  if (answer.balance !== undefined) {
    const weights = Object.entries(answer.balance).map(([link, weight]) => `${link} ${weight}`);
    line("spread over", weights.join(", "));
  }
  if (answer.candidates.length > 0) io.out(`\n${candidates(call, answer)}`);
  for (const { link, why } of answer.left) io.out(clean(`link ${link} is no candidate: ${why}`).concat("\n"));
  return EXIT.ok;
}

function placeOf({ destination }: Explanation): string {
  return destination === "internet" ? "the internet" : `site ${destination}`;
}
function carrierOf({ path, ifname, link, via, choice, state }: Explanation): string {
  if (path === undefined && choice === undefined) return "the main routing table";
  if (path === undefined) return state === "none" ? "no path that is known to work" : "nothing";
  const relayed = via === undefined || via === "direct" ? "" : `, relayed by ${via}`;
  return `${path} (link ${link ?? "?"}, device ${ifname ?? "?"}${relayed})`;
}

const VERDICTS: Readonly<Record<string, Tone>> = { good: "good", bad: "warn", dead: "bad", unusable: "bad" };

function candidates({ io }: Call, { candidates: all, path }: Explanation): string {
  return table(
    io,
    ["", "CANDIDATE", "TIER", "VERDICT", "SCORE", "RTT", "JITTER", "LOSS", "MOS", "WHY"],
    all.map((each) => {
      const { rtt, jitter, mos } = figuresOf(each.figures);
      return [
        each.path === path ? "*" : " ",
        each.path,
        each.tier,
        toned(each.verdict, VERDICTS[each.verdict]),
        each.score === undefined ? undefined : Number(each.score.toFixed(2)),
        rtt,
        jitter,
        lossOf(each.figures?.loss),
        mos,
        each.why,
      ];
    }),
  );
}

function protocolOf(text: string | undefined): string | undefined {
  const protocol = text?.toLowerCase();
  if (protocol === undefined || isProtocol(protocol)) return protocol;
  throw unfit("PROTO", PROTOCOL_ERROR, protocol);
}
function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw unfit("PORT", "a number from 1 to 65535", text);
}
function codePointOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const read = codePoint.safeParse(text);
  if (read.success) return read.data;
  throw unfit("DSCP", DSCP_ERROR, text);
}
function unfit(name: string, expected: string, text: string): CommandError {
  return new CommandError(EXIT.usage, "USAGE", `${name} is ${expected}, not ${JSON.stringify(text)}`);
}
