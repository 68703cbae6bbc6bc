/** `novactl doctor`: what the daemon finds when it examines its host. */
import { type Action, EXIT } from "./command.ts";
import { clean, printed, table } from "./output.ts";
import { state } from "./status.ts";

export const doctor: Action = async (call) => {
  const answer = await call.client.call("GET /v1/doctor");
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
  return answer.checks.some((each) => each.verdict === "error") ? EXIT.failed : EXIT.ok;
};
