/** Keeps three capabilities, does what they are for, tries what they are not for, and tells. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { ipv4 } from "../../../../base/address.ts";
import * as libc from "../../../../netstack/kernel/libc.ts";
import { RouteSocket } from "../../../../netstack/kernel/netlink/route-socket.ts";
import { keepOnly } from "../../../../netstack/kernel/privileges.ts";
import { listenTcp, openRaw } from "../../../../netstack/kernel/sockets.ts";

keepOnly(["NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE"], { uid: 65534, gid: 65534 });
const held = readdirSync("/proc/self/task").map((thread) => {
  const status = readFileSync(`/proc/self/task/${thread}/status`, "utf8");
  return /CapPrm:\s*0*(\w+)/.exec(status)?.[1] ?? "";
});
console.log(
  JSON.stringify({
    held: [...new Set(held)].sort(),
    uid: process.getuid?.(),
    port: attempt(() => libc.close(listenTcp({ ip: ipv4("127.0.0.1"), port: 179 }))),
    raw: attempt(() => libc.close(openRaw({ family: 4, protocol: 89 }))),
    address: attempt(() => {
      using route = new RouteSocket();
      const index = route.indexOf("lo");
      route.addAddress({ ip: ipv4("192.0.2.1"), prefixLength: 32, index });
      route.deleteAddress(ipv4("192.0.2.1"), 32, index);
    }),
    shadow: attempt(() => readFileSync("/etc/shadow")),
    root: attempt(() => process.setuid?.(0)),
    exec: spawnSync("/bin/true").error?.message,
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
