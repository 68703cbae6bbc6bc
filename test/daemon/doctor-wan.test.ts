/** What doctor says of a machine that shall join sites. */
import { describe, expect, it } from "vitest";
import { tunnelChecks, type WanMachine, wanChecks } from "../../daemon/doctor/wan.ts";
import { link, tunnelReports, type WantedFrom, wanted } from "./desired/wan-world.ts";

const machine: WanMachine = { sysctl: () => "1\n", kernelWireguard: true, wireguardGo: false };
const verdicts = (own: Partial<WanMachine>, from: WantedFrom = {}): readonly string[] =>
  wanChecks(wanted(from).wish.plan, { ...machine, ...own }).map(({ name, verdict }) => `${verdict} ${name}`);
const userspace = { settings: { sdwan: { site: "berlin", overlayCIDR: "10.255.1.0/24", wireguard: "userspace" } } };

describe("doctor: links and tunnels", () => {
  it("nothing is asked of a machine without links; no WireGuard of one without tunnels", () => {
    expect(wanChecks(undefined, machine)).toEqual([]);
    const lone = { documents: [link("berlin", "isp1")], settings: { sdwan: { prefixes: ["10.1.0.0/16"] } } };
    expect(verdicts({ kernelWireguard: false }, lone)).toEqual(["ok sysctl.net.ipv4.ip_forward"]);
  });
  it("WireGuard: of the kernel, or wireguard-go, as the settings allow", () => {
    expect(verdicts({})).toContain("ok wan.wireguard");
    expect(verdicts({ kernelWireguard: false, wireguardGo: true })).toContain("ok wan.wireguard");
    expect(verdicts({ kernelWireguard: false })).toContain("error wan.wireguard");
    expect(verdicts({}, userspace)).toContain("error wan.wireguard");
    expect(verdicts({ wireguardGo: true }, userspace)).toContain("ok wan.wireguard");
  });
  it("tunnels that never had a handshake: why, and which keys to compare", () => {
    expect(tunnelChecks([])).toEqual([]);
    const [up, never] = [
      ...tunnelReports(
        {},
        { ifname: "nv-isp1-1", unshaken: true, state: "down", why: "b calls with the public key K" },
      ).values(),
    ];
    if (up === undefined || never === undefined) throw new TypeError("two reports");
    expect(tunnelChecks([up])).toMatchObject([{ verdict: "ok", name: "wan.handshakes" }]);
    const [check] = tunnelChecks([up, never]);
    expect(check).toMatchObject({
      verdict: "error",
      name: "wan.handshakes",
      hint: expect.stringContaining("novactl wan keys"),
    });
    expect(check?.message).toContain("b calls with the public key K");
  });
  it("forwarding, of the families that the site has networks of", () => {
    expect(verdicts({ sysctl: () => "0\n" })).toContain("warning sysctl.net.ipv4.ip_forward");
    const v6 = { settings: { sdwan: { site: "berlin", overlayCIDR: "10.255.1.0/24", prefixes: ["fd01::/64"] } } };
    expect(verdicts({ sysctl: () => undefined }, v6)).toContain("warning sysctl.net.ipv6.conf.all.forwarding");
    expect(verdicts({}, v6)).not.toContain("ok sysctl.net.ipv4.ip_forward");
  });
});
