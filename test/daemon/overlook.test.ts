/** Calls that shall find another host. */
import { expect, test } from "vitest";
import { overlook, overlookScript } from "../../daemon/overlook.ts";
import { createNamespace, deleteNamespace, inside } from "../../netstack/kernel/namespace.ts";
import { Nftables } from "../../netstack/kernel/nftables.ts";

test("addresses of both families, without their lengths", () => {
  const script = overlookScript(["192.0.2.1/32", "2001:db8::1/128", "192.0.2.2/32"]);
  expect(script).toMatch(/callees4 .*elements = \{ 192\.0\.2\.1, 192\.0\.2\.2 \}/);
  expect(script).toMatch(/callees6 .*elements = \{ 2001:db8::1 \}/);
  expect(overlookScript(["192.0.2.1/32"])).not.toMatch(/callees6 .*elements/);
});

test.skipIf(process.getuid?.() !== 0)("the kernel takes it, again and again (needs root)", () => {
  const name = `nv${process.pid}-overlook`;
  createNamespace(name);
  try {
    inside(name, () => {
      using nft = new Nftables();
      overlook(["192.0.2.1/32"]);
      overlook(["192.0.2.7/32", "2001:db8::1/128"]);
      const table = nft.dumpTable("inet", "novaedge_overlook");
      expect(table).toMatch(/192\.0\.2\.7 expires/);
      expect(table).not.toContain("192.0.2.1 ");
    });
  } finally {
    deleteNamespace(name);
  }
});
