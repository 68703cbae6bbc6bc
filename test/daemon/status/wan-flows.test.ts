/** What is said to carry a flow that the kernel tracks. */
import { describe, expect, it } from "vitest";
import type { Wan } from "../../../daemon/parts/wan.ts";
import { withPath } from "../../../daemon/status/wan-flows.ts";
import type { FlowReport } from "../../../daemon/wan/words.ts";
import { DOCUMENTS, wanted } from "../desired/wan-world.ts";

const { plan } = wanted({ documents: DOCUMENTS }).wish;
if (plan === undefined) throw new TypeError("nothing is planned");
const lanes = plan.underlay.lanes;
const markOf = (is: (what: (typeof lanes)[number]["what"]) => boolean): number => {
  const lane = lanes.find(({ what }) => is(what));
  if (lane === undefined) throw new TypeError("no such lane");
  return lane.mark;
};
/** Every choice takes its last candidate. */
const wan = {
  choices: new Map(plan.steer.choices.map(({ id, candidates }) => [id, { id, chosen: candidates.at(-1)?.path }])),
} as unknown as Wan;
const carried = (mark: number, source: string, destination: string, more: Partial<FlowReport> = {}): object => {
  const flow = { protocol: "udp", source, destination, mark, class: "voice", packets: 1, octets: 1 };
  const { path, link, ifname } = withPath(wan, plan, { ...flow, link: undefined, ifname: undefined, ...more });
  return { path, link, ifname };
};

describe("flows", () => {
  const voice = markOf((what) => what.kind === "class" && what.name === "voice");
  it("of a class towards a site: path, link and device of the tunnel", () => {
    const found = carried(voice, "10.1.0.5:4000", "10.2.0.9:5060");
    expect(found).toEqual({ path: "isp2>madrid/isp2", link: "isp2", ifname: "nv-isp2-1" });
    // Each site has a choice of its own, and so has the internet.
    expect(carried(voice, "10.1.0.5:4000", "10.3.0.9:5060")).toMatchObject({ path: expect.stringContaining("oslo") });
    expect(carried(voice, "10.1.0.5", "198.51.100.1")).toMatchObject({ path: "isp2>internet", ifname: "wan2" });
  });
  it("that came in by a tunnel: what answers take", () => {
    const back = markOf((what) => what.kind === "back" && what.ifname === "nv-isp1-0");
    const found = carried(back, "10.2.0.9:5060", "10.1.0.5:4000", { ifname: "nv-isp1-0" });
    expect(found).toMatchObject({ path: expect.stringMatching(/^isp[12]>madrid/) });
  });
  it("that came in by a link: that link", () => {
    const link = markOf((what) => what.kind === "link" && what.link === "isp1");
    const found = carried(link, "198.51.100.1:80", "192.0.2.1:80", { link: "isp1" });
    expect(found).toEqual({ path: "isp1>internet", link: "isp1", ifname: "wan1" });
  });
  it("of a mark that nothing has any more: what the kernel knows", () => {
    expect(carried(63, "10.1.0.5:1", "10.2.0.9:1", { link: "isp1" })).toEqual({
      path: undefined,
      link: "isp1",
      ifname: undefined,
    });
  });
});
