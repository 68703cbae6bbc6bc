/** `novactl doctor`: what of this machine and of this daemon is not as it should be, and what to do about it. */
import type { DoctorAnswer, DoctorCheck } from "../admin/api.ts";
import { ownedThings } from "../leftovers.ts";
import { type StatusParts, statusOf } from "../status/status.ts";
import { failed, fine, hostChecks, processChecks, warned } from "./machine.ts";
import { tunnelChecks, wanChecks } from "./wan.ts";

export function doctor(parts: StatusParts): DoctorAnswer {
  return {
    checks: [
      ...hostChecks(),
      ...processChecks(),
      ...wanChecks(parts.wan.plan),
      ...tunnelChecks(parts.wan.tunnels.values()),
      ...daemonChecks(parts),
    ],
    owned: ownedThings(parts.control.desired),
  };
}

function daemonChecks(parts: StatusParts): readonly DoctorCheck[] {
  const { processes, listeners, conditions, engine, engineWhy, configuration } = statusOf(parts);
  const down = processes.filter(({ state }) => state !== "up");
  const silent = listeners.filter(({ workers, wanted }) => workers < wanted);
  const problems = configuration.problems.length;
  return [
    ...(down.length === 0
      ? [fine("daemon.processes", `${processes.length} processes are up`)]
      : down.map(({ name, state, lastEnd }) =>
          failed(
            `daemon.${name}`,
            `${state}${lastEnd === undefined ? "" : `: ${lastEnd}`}`,
            "novactl events, journalctl -u novaedge",
          ),
        )),
    ...(silent.length === 0
      ? [fine("daemon.listeners", `${listeners.length} listeners accept`)]
      : silent.map(({ port, key, problem, workers, wanted }) =>
          failed(
            `port.${port}`,
            problem ?? `${workers} of ${wanted} data planes accept on ${key}`,
            `ss -ltnp 'sport = :${port}' shows who has it`,
          ),
        )),
    engine === "epoll"
      ? warned("daemon.engine", `epoll: ${engineWhy}`, "see kernel.io-uring")
      : fine("daemon.engine", engine),
    problems === 0
      ? fine("daemon.configuration", `generation ${configuration.generation}, ${configuration.hash}`)
      : failed(
          "daemon.configuration",
          `${problems} problems in the files; an older configuration runs`,
          "novactl status lists them",
        ),
    ...conditions
      .filter(({ severity }) => severity === "error")
      .map(({ code, subject, message }) => failed(`condition.${code}`, `${subject}: ${message}`, "novactl events")),
  ];
}
