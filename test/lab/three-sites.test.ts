import { describe, expect, test } from "vitest";
import { buildLab } from "../../lab/build.ts";
import { CORE, SITES, threeSites } from "../../lab/topology/three-sites.ts";

describe.skipIf(process.getuid?.() !== 0)("three sites (needs root)", () => {
  test("every edge reaches the core through both providers, and an impaired WAN is that WAN alone", async () => {
    await using lab = await buildLab(threeSites());
    const reaches = async (site: number, device: string, address: string): Promise<boolean> => {
      const args = ["-sv", "-m", "2", "--interface", device, `http://${address}:9/`];
      const { stderr } = await lab.host(`e${site}`).exec("curl", args, { anyCode: true });
      return stderr.includes("Connection refused");
    };
    for (const site of SITES) {
      expect(await reaches(site, "wan1", CORE.isp1)).toBe(true);
      expect(await reaches(site, "wan2", CORE.isp2)).toBe(true);
    }
    await lab.link("e2-wan1").impair({ blackhole: true });
    expect(await reaches(2, "wan1", CORE.isp1)).toBe(false);
    expect(await reaches(2, "wan2", CORE.isp2)).toBe(true);
    expect(await reaches(1, "wan1", CORE.isp1)).toBe(true);
  });
});
