import { describe, expect, test } from "vitest";
import { buildLab } from "../../lab/build.ts";
import { capture } from "../../lab/capture.ts";
import { describe as described } from "../../lab/description.ts";
import type { Host } from "../../lab/host.ts";

const pair = described({
  hosts: {
    a: { interfaces: { eth0: ["192.0.2.1/24", "192.0.2.100/32", "2001:db8::1/64"] } },
    b: { interfaces: { eth0: ["192.0.2.2/24", "192.0.2.100/32"] } },
    c: { interfaces: { eth0: ["192.0.2.3/24", "2001:db8::3/64"] } },
  },
  switches: ["front"],
  links: [
    { from: "a:eth0", to: "front" },
    { from: "b:eth0", to: "front" },
    { from: "c:eth0", to: "front" },
  ],
});
const touch = (from: Host, url: string) => from.exec("curl", ["-s", "-m", "2", url], { anyCode: true });

describe.skipIf(process.getuid?.() !== 0)("a capture in the fabric (needs root)", () => {
  test("shows who answered for an address, IPv4 and IPv6, and no other traffic", async () => {
    await using lab = await buildLab(pair);
    await using running = await capture(lab, { addresses: ["192.0.2.1", "2001:db8::1"] });
    await touch(lab.host("c"), "http://192.0.2.1:9/");
    await touch(lab.host("c"), "http://192.0.2.2:9/");
    await touch(lab.host("c"), "http://[2001:db8::1]:9/");
    const captured = await running.stop();
    expect(captured.answers("192.0.2.1").map(({ port, kind }) => `${port} ${kind}`)).toEqual([
      "a.eth0 arp-reply",
      "a.eth0 packet",
    ]);
    expect(captured.answers("2001:db8::1").map(({ port, kind }) => `${port} ${kind}`)).toEqual([
      "a.eth0 neighbor-advertisement",
      "a.eth0 packet",
    ]);
    // The packets of 192.0.2.2 did not pass the filter; its ARP reply did.
    expect(captured.answers("192.0.2.2").map(({ kind }) => kind)).toEqual(["arp-reply"]);
  });

  test("shows two hosts that answer for one address", async () => {
    await using lab = await buildLab(pair);
    await using running = await capture(lab);
    await touch(lab.host("c"), "http://192.0.2.100:9/");
    const ports = (await running.stop()).answers("192.0.2.100").map(({ port }) => port);
    expect(new Set(ports)).toEqual(new Set(["a.eth0", "b.eth0"]));
  });
});
