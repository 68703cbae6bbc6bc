/** What links and tunnels need of this machine. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TunnelReport } from "../../sdwan/underlay-plan.ts";
import type { DoctorCheck } from "../admin/api.ts";
import type { WanPlan } from "../desired/wan.ts";
import { compareKeys } from "../status/wan-conditions.ts";
import { failed, fine, warned } from "./machine.ts";

export interface WanMachine {
  /** Of a file in /proc/sys; undefined: it is not there. */
  readonly sysctl: (name: string) => string | undefined;
  /** The kernel has WireGuard, or may load it. */
  readonly kernelWireguard: boolean;
  readonly wireguardGo: boolean;
}

export function wanChecks(plan: WanPlan | undefined, machine: WanMachine = thisMachine()): readonly DoctorCheck[] {
  if (plan === undefined) return [];
  const { underlay, layout } = plan;
  const tunnels = layout.sites.remotes.length > 0;
  const networks = underlay.prefixes;
  const v6 = networks.some((each) => each.includes(":"));
  const v4 = networks.some((each) => !each.includes(":"));
  return [
    ...(tunnels ? [engine(machine, underlay.wireguard)] : []),
    ...(v4 ? [forwarding(machine, "net.ipv4.ip_forward")] : []),
    ...(v6 ? [forwarding(machine, "net.ipv6.conf.all.forwarding")] : []),
  ];
}

/** Whether each tunnel has ever worked: the rest of this list can be right, and the keys wrong. */
export function tunnelChecks(tunnels: Iterable<TunnelReport>): readonly DoctorCheck[] {
  const all = [...tunnels];
  const never = all.filter(({ unshaken }) => unshaken === true);
  const name = "wan.handshakes";
  if (all.length === 0) return [];
  if (never.length === 0) return [fine(name, "no tunnel is without one")];
  return never.map(({ link, site, remoteLink, why }) =>
    failed(name, `${link}>${site}/${remoteLink}: ${why}`, compareKeys(site)),
  );
}

function engine({ kernelWireguard, wireguardGo }: WanMachine, wanted: string): DoctorCheck {
  const name = "wan.wireguard";
  const kernel = kernelWireguard && wanted !== "userspace";
  if (kernel) return fine(name, "of the kernel");
  if (wireguardGo && wanted !== "kernel") return fine(name, "wireguard-go");
  const missing =
    wanted === "kernel" ? "the kernel has no WireGuard" : "neither the kernel's WireGuard nor wireguard-go";
  return failed(name, `${missing}: no tunnel can be made`, "modprobe wireguard, or install wireguard-go");
}

/** Hosts of the site are reached by nobody, and reach nobody, without it. */
function forwarding({ sysctl }: WanMachine, name: string): DoctorCheck {
  const value = sysctl(name)?.trim();
  const check = `sysctl.${name}`;
  if (value !== undefined && value !== "0") return fine(check, value);
  return warned(
    check,
    "0: this host forwards nothing between the networks of its site and tunnels",
    `sysctl ${name}=1`,
  );
}

function thisMachine(): WanMachine {
  const path = (process.env["PATH"] ?? "").split(":");
  return {
    sysctl: (name) => {
      const file = `/proc/sys/${name.replaceAll(".", "/")}`;
      return existsSync(file) ? readFileSync(file, "utf8") : undefined;
    },
    kernelWireguard: existsSync("/sys/module/wireguard"),
    wireguardGo: path.some((directory) => directory !== "" && existsSync(join(directory, "wireguard-go"))),
  };
}
