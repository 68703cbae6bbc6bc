/** `novactl doctor`: what the daemon finds when it examines its host; without one, what can be seen of the host alone. */
import { Fault } from "../base/fault.ts";
import type { DoctorAnswer, DoctorCheck, OwnedThing } from "../daemon/admin/api.ts";
import { type Action, CommandError, EXIT } from "./command.ts";
import { clean, printed, table } from "./output.ts";
import { state } from "./status.ts";

/** 3 without a daemon, whatever the host is like: the first check says so. */
export const doctor: Action = async (call) => {
  let running = true;
  const answer = await call.client.call("GET /v1/doctor").catch((thrown: unknown) => {
    if (!(thrown instanceof CommandError) || thrown.code !== "NOT_RUNNING") throw thrown;
    running = false;
    return withoutDaemon(thrown);
  });
  if (!(await printed(call, answer))) {
    const { io } = call;
    io.out(
      table(
        io,
        ["VERDICT", "CHECK", "MESSAGE"],
        answer.checks.map((each) => [state(each.verdict), each.name, each.message]),
      ),
    );
    for (const each of answer.checks) {
      if (each.hint !== undefined && each.verdict !== "ok") io.out(`\n${each.name}: ${clean(each.hint)}\n`);
    }
    if (answer.owned.length > 0) {
      const rows = answer.owned.map((each) => [each.kind, each.name, each.wanted ? "yes" : "no", each.detail]);
      io.out(`\nours in the kernel\n${table(io, ["KIND", "NAME", "WANTED", "DETAIL"], rows)}`);
    }
  }
  if (!running) return EXIT.notRunning;
  return answer.checks.some((each) => each.verdict === "error") ? EXIT.failed : EXIT.ok;
};

/** Rights and limits of this process say nothing about the daemon's: only the host is examined. */
async function withoutDaemon({ message, hint }: CommandError): Promise<DoctorAnswer> {
  const { hostChecks } = await import("../daemon/doctor/machine.ts");
  const silent: DoctorCheck = { name: "daemon", verdict: "error", message, hint };
  const { owned, checks } = await inTheKernel();
  return { checks: [silent, ...hostChecks(), ...checks], owned };
}

async function inTheKernel(): Promise<{
  readonly owned: readonly OwnedThing[];
  readonly checks: readonly DoctorCheck[];
}> {
  const { audit } = await import("../netstack/kernel/audit.ts");
  const { thingsOf } = await import("./cleanup.ts");
  try {
    const owned = thingsOf(audit());
    return { owned, checks: owned.length === 0 ? [] : [leftOver(owned)] };
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    const message = `cannot see what is ours in the kernel: ${thrown.message}`;
    return { owned: [], checks: [{ name: "kernel.ours", verdict: "warning", message, hint: "run it as root" }] };
  }
}

/** What an SD-WAN left is meant to be there: it carries traffic until the next start takes it over. */
export function leftOver(owned: readonly OwnedThing[]): DoctorCheck {
  const message = `${owned.length} things of ours are left, and no daemon runs behind this socket`;
  const carries = owned.some(({ kind, name }) => kind === "nftables" && name.includes("novaedge_wan"));
  const hint = carries
    ? "start the daemon: it takes them over; until then tunnels carry traffic, which novactl cleanup would end"
    : "novactl cleanup";
  return { name: "kernel.left-over", verdict: "warning", message, hint };
}
