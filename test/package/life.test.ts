/**
 * The packages on a machine: installed, started, reloaded, upgraded, downgraded, removed.  systemd is PID 1 of a container
 * (container.ts), a client on another host of the lab asks the virtual IP all along.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../scenario/daemon.ts";
import { CONTAINER_TOOLS, hindrance, makePackages, PACKAGE_TOOLS, VIP } from "./packages.ts";
import { Scene } from "./scene.ts";
import { debianTree } from "./tree.ts";

const OLD = "0.0.9";
const NEW = "0.1.0";
const NODE = "node: { name: edge-1 }\ndataplane: { workers: 2 }\n";
/** A link, and a site behind it that never answers. */
const WAN = `apiVersion: novaedge.io/v1alpha1
kind: ProxyWANLink
metadata: { name: berlin-front }
spec: { site: berlin, interface: eth0, provider: acme, bandwidth: 1Gbps, tunnelEndpoint: { publicIP: 10.77.0.1 } }
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyWANLink
metadata: { name: madrid-front }
spec: { site: madrid, interface: eth0, provider: teles, bandwidth: 1Gbps, tunnelEndpoint: { publicIP: 10.77.0.254 } }
---
apiVersion: novaedge.io/v1alpha1
kind: NovaEdgeRemoteCluster
metadata: { name: madrid }
spec:
  clusterName: madrid
  overlayCIDR: 10.255.2.0/24
  connection:
    mode: Tunnel
    tunnel:
      wireGuard: { publicKey: "bm90IGEga2V5LCBidXQgdGhpcnR5LXR3byBvY3RldHM=", allowedIPs: [10.2.0.0/16] }
`;
/** What `systemd-analyze security` may say at most, in tenths. */
const EXPOSURE = 32;

const why = hindrance(...CONTAINER_TOOLS, ...PACKAGE_TOOLS);
let out = "";
let tree = "";
let old: Awaited<ReturnType<typeof makePackages>>;
let fresh: Awaited<ReturnType<typeof makePackages>>;

describe.skipIf(why !== undefined)(`packages on a machine${why === undefined ? "" : ` (${why})`}`, () => {
  beforeAll(async () => {
    out = mkdtempSync(join(tmpdir(), "novaedge-packages-"));
    tree = await debianTree();
    old = await makePackages(out, OLD);
    fresh = await makePackages(out, NEW);
  }, 900_000);
  afterAll(() => rmSync(out, { recursive: true, force: true }));

  test("the .deb: from its installation to its purge", { timeout: 900_000 }, async () => {
    await using scene = await Scene.open(tree);
    const { machine } = scene;
    for (const [name, { deb }] of Object.entries({ old, fresh })) copyFileSync(deb, machine.path(`/root/${name}.deb`));
    const install = (name: string): Promise<string> =>
      machine.exec("dpkg", "--force-confdef", "--force-confold", "-i", `/root/${name}.deb`);
    const before = await filesOf(scene);

    copyFileSync(old.deb, machine.path(`/root/${basename(old.deb)}`));
    const [installation = "", ...rest] = pageSteps();
    await machine.exec("sh", "-e", "-c", `cd /root\n${installation}`);
    expect(await scene.property("ActiveState")).toBe("inactive");
    expect(await scene.property("UnitFileState")).toBe("enabled");
    await machine.exec("systemd-analyze", "verify", "--man=no", "/usr/lib/systemd/system/novaedge.service");
    await machine.exec("apparmor_parser", "-Q", "-K", "/etc/apparmor.d/usr.lib.novaedge");
    const sysctl = await machine.exec("sysctl", "-n", "net.core.somaxconn");
    expect(sysctl.trim()).toBe("4096");

    await firstStart(scene, rest);
    await confined(scene);
    await tunnels(scene);
    await reloads(scene);
    await watched(scene);

    const before1 = await scene.property("MainPID");
    await install("fresh");
    expect(await runningVersion(scene)).toBe(NEW);
    expect(await scene.property("MainPID")).not.toBe(before1);
    await scene.serves("two");
    expect(machine.read("/etc/novaedge/novaedge.yaml")).toContain("name: edge-1");

    await install("old");
    expect(await runningVersion(scene)).toBe(OLD);
    await scene.serves("two");
    expect(machine.read("/etc/novaedge/novaedge.yaml")).toContain("name: edge-1");

    const pid = await scene.property("MainPID");
    scene.breakConfiguration();
    expect(await install("fresh")).toContain("the process of the old one goes on");
    expect(await machine.exec("dpkg", "-s", "novaedge")).toContain("Status: install ok installed");
    expect(await scene.property("MainPID")).toBe(pid);
    expect(await scene.ask()).toBe("two");
    scene.configure("three");
    await machine.exec("systemctl", "restart", "novaedge");
    await scene.serves("three");

    await machine.exec("dpkg", "-r", "novaedge");
    expect(scene.processes()).toEqual([]);
    expect(await scene.ask()).toBeUndefined();
    await nothingInTheKernel(scene);
    expect(machine.read("/etc/novaedge/novaedge.yaml")).toContain("name: edge-1");
    expect(machine.has("/etc/novaedge/conf.d/web.yaml")).toBe(true);

    // Who removed it may come back to what was configured.
    await install("fresh");
    await machine.exec("systemctl", "start", "novaedge");
    await scene.serves("three");
    await machine.exec("dpkg", "-P", "novaedge");
    expect(scene.processes()).toEqual([]);
    await nothingInTheKernel(scene);
    const after = await filesOf(scene);
    expect(after.filter((path) => !before.includes(path))).toEqual([]);
    expect(machine.read("/etc/passwd")).not.toContain("novaedge");
    expect(machine.read("/etc/group")).not.toContain("novaedge");
  });

  test("the .rpm: its scripts from its installation to its end", { timeout: 900_000 }, async () => {
    await using scene = await Scene.open(tree);
    const { machine } = scene;
    for (const [name, { rpm }] of Object.entries({ old, fresh, distribution: { rpm: distribution(old.rpm) } }))
      copyFileSync(rpm, machine.path(`/root/${name}.rpm`));
    const rpm = (...args: readonly string[]): Promise<string> => machine.exec("rpm", "--force-debian", ...args);
    await rpm("-i", "/root/distribution.rpm");

    await rpm("-U", "/root/old.rpm");
    expect(await scene.property("ActiveState")).toBe("inactive");
    await firstStart(scene, pageSteps().slice(1));
    await rpm("-U", "/root/fresh.rpm");
    expect(await runningVersion(scene)).toBe(NEW);
    await scene.serves("one");
    await rpm("-U", "--oldpackage", "/root/old.rpm");
    expect(await runningVersion(scene)).toBe(OLD);
    await scene.serves("one");
    expect(machine.read("/etc/novaedge/novaedge.yaml")).toContain("name: edge-1");
    const { stdout } = await machine.attempt("rpm", "--force-debian", "-V", "novaedge");
    // Size, digest and time of a configuration file that was edited, and nothing else.
    expect(stdout.split("\n").filter((line) => line !== "" && !line.includes(" c /etc/"))).toEqual([]);

    scene.breakConfiguration();
    const pid = await scene.property("MainPID");
    expect(await rpm("-U", "/root/fresh.rpm")).toContain("the process of the old one goes on");
    expect(await scene.property("MainPID")).toBe(pid);
    expect(await scene.ask()).toBe("one");

    await rpm("-e", "novaedge");
    expect(scene.processes()).toEqual([]);
    await nothingInTheKernel(scene);
    expect(machine.has("/etc/novaedge/novaedge.yaml.rpmsave")).toBe(true);
    expect(machine.has("/usr/lib/novaedge")).toBe(false);
    expect(machine.has("/var/cache/novaedge")).toBe(false);
  });
});

/** The shell commands of docs/install.md, word for word but for the addresses. */
function pageSteps(): readonly string[] {
  const page = readFileSync(join(import.meta.dirname, "../../docs/install.md"), "utf8");
  const section = /\n## The first virtual IP in five minutes\n(.*?)\n## /s.exec(page)?.[1] ?? "";
  const steps = [...section.matchAll(/^ {3}```sh\n(.*?)^ {3}```$/gms)].map(([, code = ""]) => code);
  expect(steps.length).toBe(4);
  return steps.map((step) =>
    step
      .replaceAll(/^ {3}/gm, "")
      .replaceAll("192.0.2.100", VIP)
      .replaceAll(/192\.0\.2\.(?=1[12]\b)/g, "10.78.0."),
  );
}

/** As the page has it; then a name and resources of the test's own. */
async function firstStart(scene: Scene, steps: readonly string[]): Promise<void> {
  const { machine } = scene;
  for (const step of steps) await machine.exec("sh", "-e", "-c", step);
  await eventually("the page's virtual IP answers", async () => ((await scene.reaches()) ? true : undefined), 120_000);
  expect(await scene.property("ActiveState")).toBe("active");
  machine.write("/etc/novaedge/novaedge.yaml", NODE);
  scene.configure("one");
  await machine.exec("systemctl", "restart", "novaedge");
  await scene.serves("one");
  expect(await runningVersion(scene)).toBe(OLD);
  await eventually("the service manager knows what is served", async () =>
    (await scene.property("StatusText")).includes("has 1 of 1 virtual IPs") ? true : undefined,
  );
  await machine.exec("novactl", "status");
}

/** What systemd and the kernel say of the rights of the processes, not what we meant. */
async function confined(scene: Scene): Promise<void> {
  const { machine } = scene;
  const threshold = `--threshold=${EXPOSURE}`;
  const exposure = await machine.attempt("systemd-analyze", "security", "novaedge", "--no-pager", threshold);
  expect(exposure.code === 0 ? "" : exposure.stdout).toBe("");
  const user = /^novaedge:[^:]*:(\d+):/m.exec(machine.read("/etc/passwd"))?.[1] ?? "";
  const planes = scene.processes().filter(({ name }) => name.startsWith("novaedge: dataplane"));
  expect(planes.length).toBe(2);
  for (const { pid } of planes) {
    const [first, ...others] = scene.threads(pid);
    expect(first?.get("CapBnd")).toBe("0000000000000000");
    for (const thread of [first ?? new Map<string, string>(), ...others]) {
      // The bounding set says what an exec could gain; threads beside the first keep theirs, and none of them may exec.
      for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"])
        expect([set, thread.get(set)]).toEqual([set, "0000000000000000"]);
      expect(thread.get("Uid")?.split("\t")).toEqual([user, user, user, user]);
      expect(thread.get("NoNewPrivs")).toBe("1");
      expect(thread.get("Seccomp")).toBe("2");
    }
  }
  // Inside its mounts: the system cannot be written, what is its own can.
  const main = await scene.property("MainPID");
  const within = async (script: string): Promise<number | undefined> =>
    (await machine.attempt("nsenter", "-t", main, "-m", "sh", "-c", script)).code;
  expect(await within("touch /etc/x")).not.toBe(0);
  expect(await within("touch /usr/x")).not.toBe(0);
  expect(await within("echo 1 > /proc/sys/kernel/sysrq")).not.toBe(0);
  expect(await within("test -e /dev/kmsg")).not.toBe(0);
  expect(await within("touch /var/lib/novaedge/x && rm /var/lib/novaedge/x")).toBe(0);
  expect(await within("touch /etc/novaedge/conf.d/x && rm /etc/novaedge/conf.d/x")).toBe(0);
  expect(await within("cat /proc/sys/net/ipv4/conf/eth0/arp_ignore > /proc/sys/net/ipv4/conf/eth0/arp_ignore")).toBe(0);
}

async function reloads(scene: Scene): Promise<void> {
  const { machine } = scene;
  scene.configure("two");
  await machine.exec("systemctl", "reload", "novaedge");
  await scene.serves("two");
  scene.breakConfiguration();
  expect((await machine.attempt("systemctl", "reload", "novaedge")).code).not.toBe(0);
  expect(await scene.property("ActiveState")).toBe("active");
  expect(await scene.ask()).toBe("two");
  scene.configure("two");
  await machine.exec("systemctl", "reload", "novaedge");
}

/** wireguard-go, where the kernel has no WireGuard, makes its device and its sockets in this sandbox, too. */
async function tunnels(scene: Scene): Promise<void> {
  const { machine } = scene;
  machine.write("/etc/novaedge/novaedge.yaml", `${NODE}sdwan: { site: berlin, overlayCIDR: 10.255.1.0/24 }\n`);
  machine.write("/etc/novaedge/conf.d/wan.yaml", WAN);
  await machine.exec("systemctl", "restart", "novaedge");
  await eventually(
    "the tunnel's device",
    async () => (/: nv\S+: .*\bUP\b/.test(await machine.exec("ip", "-o", "link")) ? true : undefined),
    120_000,
  );
  await scene.serves("one");
}

/** A process that stands still is replaced by control; control, when it does, by the watchdog. */
async function watched(scene: Scene): Promise<void> {
  const { machine } = scene;
  const pid = await scene.property("MainPID");
  const planes = (): readonly number[] =>
    scene.processes().flatMap((each) => (each.name.startsWith("novaedge: dataplane") ? [each.pid] : []));
  const [frozen = 0] = planes();
  process.kill(frozen, "SIGSTOP");
  await eventually(
    "the frozen data plane is replaced",
    () => (!planes().includes(frozen) && planes().length === 2 ? true : undefined),
    120_000,
  );
  expect(await scene.property("MainPID")).toBe(pid);
  await machine.exec("kill", "-STOP", pid);
  await eventually(
    "the watchdog acts",
    async () => {
      const now = await scene.property("MainPID");
      return now !== pid && now !== "0" ? true : undefined;
    },
    120_000,
  );
  await scene.serves("two");
  expect(await machine.exec("journalctl", "-u", "novaedge", "--no-pager")).toContain("Watchdog timeout");
}

/** Of the daemon that answers. */
async function runningVersion({ machine }: Scene): Promise<string | undefined> {
  const said = JSON.parse(await machine.exec("novactl", "version", "-o", "json")) as { daemon?: string };
  return said.daemon;
}

async function nothingInTheKernel({ machine }: Scene): Promise<void> {
  expect(await machine.exec("ip", "-o", "link")).not.toMatch(/: nv\S+: /);
  expect(await machine.exec("ip", "rule")).not.toMatch(/^11\d{3}:/m);
  expect(await machine.exec("ip", "address")).not.toContain(VIP);
  expect(await machine.exec("nft", "list", "ruleset")).not.toContain("novaedge");
}

/** Paths of the machine but for what systemd, dpkg and the tools of the test keep for themselves. */
async function filesOf({ machine }: Scene): Promise<readonly string[]> {
  const found = await machine.exec("find", "/", "/run", "-xdev", "-not", "-type", "s", "-print");
  return found
    .split("\n")
    .filter(
      (path) =>
        !/^\/(tmp|var\/tmp|var\/log|run\/(log|systemd|udev)|var\/cache\/apt|var\/lib\/(apt|dpkg|systemd)|root)(\/|$)/.test(
          path,
        ),
    )
    .filter((path) => !/^\/etc\/(passwd|group|shadow|gshadow|subuid|subgid)-$|^\/etc\/\.(pwd|updated)/.test(path));
}

/** A package that provides what a distribution of RPMs would: exactly what ours asks for. */
function distribution(rpm: string): string {
  const work = mkdtempSync(join(out, "distribution-"));
  const wanted = execFileSync("rpm", ["-qp", "--requires", rpm], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line !== "" && !/^(rpmlib|config)\(|^novaedge/.test(line))
    .map((line) =>
      line.replace(
        /^(\S+)( .*)?$/,
        (_, name: string) => `Provides: ${name.includes("(") || name.startsWith("/") ? name : `${name} = 999`}`,
      ),
    );
  const spec = join(work, "distribution.spec");
  const head =
    "Name: distribution\nVersion: 1\nRelease: 1\nSummary: stands in for one\nLicense: none\nAutoReqProv: no\nBuildArch: noarch";
  writeFileSync(spec, `${[head, ...new Set(wanted)].join("\n")}\n%description\nnone\n%files\n`);
  execFileSync("rpmbuild", ["-bb", "--quiet", "--define", `_topdir ${work}`, spec], { stdio: "ignore" });
  return join(work, "RPMS/noarch/distribution-1-1.noarch.rpm");
}
