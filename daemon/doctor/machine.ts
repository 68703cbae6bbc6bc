/**
 * Checks of the machine itself: kernel, limits, rights, clock, and other daemons that want the same addresses.  novactl
 * runs them too when no daemon does, so this file needs nothing but Node.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { release } from "node:os";
import type { DoctorCheck } from "../admin/api.ts";
import { ownersOf, type Running, routingRivals } from "./routing-rivals.ts";

/** Rights and limits of the process that asks: the daemon's, when it asks. */
export function processChecks(): readonly DoctorCheck[] {
  return [...capabilities(text("/proc/self/status") ?? ""), openFiles(text("/proc/self/limits") ?? "")];
}

export function hostChecks(): readonly DoctorCheck[] {
  const running = processes();
  const table = (name: string): string => `${text(`/proc/net/${name}`) ?? ""}\n${text(`/proc/net/${name}6`) ?? ""}`;
  return [
    kernelVersion(release()),
    ioUring(release(), text("/proc/sys/kernel/io_uring_disabled")),
    backlog(text("/proc/sys/net/core/somaxconn")),
    migration(text("/proc/sys/net/ipv4/tcp_migrate_req")),
    clock(),
    ...conflicts(running, text("/proc/net/raw") ?? ""),
    ...routingRivals({ tcp: table("tcp"), raw: table("raw") }, (inodes) => ownersOf(inodes, running)),
  ];
}

export function kernelVersion(version: string): DoctorCheck {
  const name = "kernel.version";
  if (atLeast(version, 5, 10)) return fine(name, `Linux ${version}`);
  return failed(name, `Linux ${version} is older than 5.10`, "use a kernel that is still maintained");
}

export function ioUring(version: string, disabled: string | undefined): DoctorCheck {
  const name = "kernel.io-uring";
  const slow = "the data plane uses epoll, at more CPU per request";
  if (!atLeast(version, 6, 1))
    return warned(name, `Linux ${version} has no deferred task work; ${slow}`, "use 6.1 or newer");
  if (disabled === undefined || disabled.trim() === "0") return fine(name, "available");
  const hint = "sysctl kernel.io_uring_disabled=0";
  return warned(name, `kernel.io_uring_disabled is ${disabled.trim()}; ${slow}`, hint);
}

/** capabilities(7), by their bits in CapEff. */
export function capabilities(status: string): readonly DoctorCheck[] {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  return CAPABILITIES.map(({ bit, name, what }) => {
    if ((effective & (1n << BigInt(bit))) !== 0n) return fine(`capability.${name}`, "held");
    const constant = `CAP_${name.toUpperCase().replaceAll("-", "_")}`;
    return failed(
      `capability.${name}`,
      `${constant} is missing: ${what}`,
      `AmbientCapabilities=${constant} in the unit, or run as root`,
    );
  });
}

export function openFiles(limits: string): DoctorCheck {
  const name = "limits.open-files";
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1] ?? "0";
  if (soft === "unlimited" || Number(soft) >= 65_536) return fine(name, soft);
  return warned(name, `at most ${soft} open files, two for each proxied connection`, "LimitNOFILE=262144 in the unit");
}

export function backlog(somaxconn: string | undefined): DoctorCheck {
  const name = "sysctl.net.core.somaxconn";
  const value = Number(somaxconn ?? Number.NaN);
  if (value >= 4_096) return fine(name, String(value));
  return warned(
    name,
    `${somaxconn?.trim() ?? "unreadable"}: bursts of connections are dropped early`,
    "sysctl net.core.somaxconn=4096",
  );
}

/** Without it the connections that wait at a data plane are reset when it dies, though another one listens. */
export function migration(switched: string | undefined): DoctorCheck {
  const name = "sysctl.net.ipv4.tcp_migrate_req";
  if (switched === undefined) return fine(name, "not known to this kernel (5.14 has it)");
  if (switched.trim() === "1") return fine(name, "1");
  return warned(
    name,
    "0: connections waiting at a data plane that dies are reset",
    "sysctl net.ipv4.tcp_migrate_req=1",
  );
}

/** Processes that answer for addresses as we do, and sockets of VRRP whoever owns them. */
export function conflicts(running: readonly Running[], rawSockets: string): readonly DoctorCheck[] {
  const found = [...Map.groupBy(running, ({ command }) => command)].flatMap(([command, all]) => {
    const rival = RIVALS[command];
    if (rival === undefined) return [];
    const pids = `${all.length === 1 ? "pid" : "pids"} ${all.map(({ pid }) => pid).join(", ")}`;
    return [warned(`conflict.${command}`, `${command} (${pids}) ${rival}`, "do not give both the same addresses")];
  });
  // /proc/net/raw shows the protocol as the local port; 112 is VRRP.
  const vrrp = /^\s*\d+:\s+[0-9A-F]+:0070\s/m.test(rawSockets);
  const sockets = vrrp
    ? [warned("conflict.vrrp", "a process here speaks VRRP", "do not give both the same addresses")]
    : [];
  const all = [...found, ...sockets];
  return all.length > 0 ? all : [fine("conflict", "no other daemon for virtual IPs runs here")];
}

/** Those of this network namespace: what runs in another one owns other addresses. */
function processes(): readonly Running[] {
  const here = networkOf("self");
  return readdirSync("/proc")
    .filter((each) => /^\d+$/.test(each) && networkOf(each) === here)
    .flatMap((each) => {
      const command = text(`/proc/${each}/comm`)?.trim();
      return command === undefined ? [] : [{ pid: Number(each), command }];
    });
}

/** Each network namespace has files of its own here, which, unlike ns/net, anybody may look at. */
function networkOf(pid: string): number | undefined {
  try {
    return statSync(`/proc/${pid}/net/dev`).ino;
  } catch {
    return undefined; // it has ended
  }
}

function clock(): DoctorCheck {
  const name = "clock.synchronized";
  const marks = ["/run/systemd/timesync/synchronized", "/run/chrony/chronyd.pid", "/run/ntpd.pid", "/var/run/ntpd.pid"];
  if (marks.some((each) => existsSync(each))) return fine(name, "a time daemon runs");
  return warned(
    name,
    "no sign of a time daemon: times in logs and certificates may be wrong",
    "install chrony or systemd-timesyncd",
  );
}

export function fine(name: string, message: string): DoctorCheck {
  return { name, verdict: "ok", message, hint: undefined };
}
export function warned(name: string, message: string, hint: string): DoctorCheck {
  return { name, verdict: "warning", message, hint };
}
export function failed(name: string, message: string, hint: string): DoctorCheck {
  return { name, verdict: "error", message, hint };
}

function atLeast(version: string, major: number, minor: number): boolean {
  const [a = 0, b = 0] = version.split(".").map((each) => Number.parseInt(each, 10));
  return a > major || (a === major && b >= minor);
}

/** undefined when it cannot be read: a process that has ended, a switch that this kernel lacks. */
function text(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

const CAPABILITIES = [
  { bit: 12, name: "net-admin", what: "addresses, nftables and neighbour entries cannot be set" },
  { bit: 13, name: "net-raw", what: "ARP and neighbour discovery cannot be sent" },
  { bit: 10, name: "net-bind-service", what: "ports below 1024 cannot be listened on" },
] as const;

const RIVALS: Readonly<Record<string, string>> = {
  keepalived: "runs VRRP and owns virtual IPs",
  ucarp: "runs CARP and owns virtual IPs",
  vrrpd: "runs VRRP and owns virtual IPs",
  "kube-vip": "announces virtual IPs",
  speaker: "announces virtual IPs (MetalLB)",
  corosync: "may move addresses (Pacemaker)",
};
