/** Raises its scheduling, gives up its privileges, tries what is forbidden, and tells. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { SILENT } from "../../../../base/log.ts";
import { after, ms } from "../../../../base/unit.ts";
import { openLoop } from "../../../../netstack/kernel/open-loop.ts";
import { dropPrivileges, nameProcess, raiseScheduling, remaining } from "../../../../netstack/kernel/privileges.ts";

const user = { uid: 65534, gid: 65534 };
const scheduling = raiseScheduling();
const before = remaining(user).length;
nameProcess("novaedge: a name longer than fifteen");
dropPrivileges(user);
let woken = 0;
const engines = (["io_uring", "epoll"] as const).map((engine) => {
  using loop = openLoop({ engine, log: SILENT });
  loop.wakeAt(after(loop.now(), ms(1)), () => {
    woken++;
    loop.stop();
  });
  loop.run();
  return loop.engine;
});
console.log(
  JSON.stringify({
    scheduling,
    policy: readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ")[38],
    before,
    left: remaining(user),
    comm: readFileSync("/proc/self/comm", "utf8").trim(),
    exec: spawnSync("/bin/true").error?.message,
    root: attempt(() => process.setuid?.(0)),
    shadow: attempt(() => readFileSync("/etc/shadow")),
    bounding: /CapBnd:\s*(\w+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1],
    engines,
    woken,
  }),
);

function attempt(act: () => unknown): string {
  try {
    act();
    return "allowed";
  } catch (cause) {
    return cause instanceof Error && "code" in cause ? String(cause.code) : "failed";
  }
}
