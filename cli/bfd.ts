/** `novactl bfd`: sessions with their timers, counters and last errors. */
import { type Action, EXIT } from "./command.ts";
import { ageOf, formatOf, printed, table } from "./output.ts";
import { counted, spanOf } from "./routing.ts";
import { state } from "./status.ts";

export const bfd: Action = async (call) => {
  const answer = await call.client.call("GET /v1/bfd");
  if (await printed(call, answer)) return EXIT.ok;
  const { io } = call;
  if (answer.sessions.length === 0) io.err("no BFD sessions\n");
  else {
    const wide = formatOf(call) === "wide";
    io.out(
      table(
        io,
        [
          "PEER",
          "INTERFACE",
          "STATE",
          "FOR",
          "INTERVAL",
          "DETECTION",
          "DIAGNOSTIC",
          "FLAPS",
          "CLIENTS",
          ...(wide ? ["LOCAL", "REMOTE", "ECHO", "SENT", "RECEIVED", "DISCRIMINATORS", "REFUSED", "LAST-REFUSAL"] : []),
        ],
        answer.sessions.map((each) => [
          each.hops === "multi" ? `${each.peer} (multihop)` : each.peer,
          each.ifname,
          state(each.state),
          ageOf(io.now() - each.since),
          spanOf(each.txInterval),
          spanOf(each.detectionTime),
          each.diagnostic,
          each.flaps,
          each.unsolicited ? "unsolicited" : each.clients.join(","),
          ...(wide
            ? [
                each.local,
                `${each.remoteState}: ${each.remoteDiagnostic}`,
                each.echoInterval === undefined ? undefined : spanOf(each.echoInterval),
                each.sent,
                each.received,
                `${each.localDiscriminator}/${each.remoteDiscriminator}`,
                counted(each.refused),
                each.lastRefusal,
              ]
            : []),
        ]),
      ),
    );
  }
  const strays = counted(answer.strays);
  if (strays !== "") io.err(`packets that belong to no session: ${strays}\n`);
  return EXIT.ok;
};
