import { describe, expect, test } from "vitest";
import { buildLab } from "../../lab/build.ts";
import { CORE, CORE6, sites, WANS, type Wan } from "../../lab/topology/sites.ts";

describe.skipIf(process.getuid?.() !== 0)("sites with two providers (needs root)", () => {
  test("every edge reaches the core through both, whatever stands between, and an impaired WAN is that WAN alone", async () => {
    const nats = { "2.1": "independent", "3.1": "symmetric", "3.2": "double" } as const;
    await using lab = await buildLab(sites({ count: 3, nats }));
    const reaches = async (site: number, wan: Wan, address: string = CORE[`isp${wan}`][0]): Promise<boolean> => {
      const args = ["-sv", "-m", "2", "--interface", `wan${wan}`, `http://${address}:9/`];
      const { stderr } = await lab.host(`e${site}`).exec("curl", args, { anyCode: true });
      return stderr.includes("Connection refused");
    };
    for (const site of [1, 2, 3]) for (const wan of WANS) expect(await reaches(site, wan), `${site}.${wan}`).toBe(true);
    expect(await reaches(1, 1, `[${CORE6.isp1}]`)).toBe(true);
    await lab.link("e2-wan1").impair({ forward: { blackhole: true } });
    expect(await reaches(2, 1)).toBe(false);
    expect(await reaches(2, 2)).toBe(true);
    expect(await reaches(1, 1)).toBe(true);
  });

  test("a host's own directory is its alone, and stays while programs come and go", async () => {
    await using lab = await buildLab(sites({ count: 2 }));
    await lab.host("e1").exec("touch", ["/run/wireguard/nv-mine.sock"]);
    const seen = async (host: string): Promise<string> =>
      (await lab.host(host).exec("ls", ["/run/wireguard"])).stdout.trim();
    expect(await seen("e1")).toBe("nv-mine.sock");
    expect(await seen("e2")).toBe("");
  });
});
