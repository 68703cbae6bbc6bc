/** Keys that do not fit: WireGuard drops everything without a word, and both ends say what is wrong nevertheless. */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { generateSiteKeys } from "../../../daemon/wan-keys.ts";
import { sweep } from "../../netstack/kernel/segment.ts";
import { Pinging } from "./pinging.ts";
import { overlay, WITHOUT, World } from "./world.ts";

const PATIENCE = 40_000;

describe.skipIf(WITHOUT !== undefined)(`keys that do not fit${WITHOUT === undefined ? "" : ` (${WITHOUT})`}`, () => {
  let world: World;
  beforeAll(sweep);
  afterEach(() => world[Symbol.dispose]());

  const why = (own: string, other: string): string => {
    const report = world.report(own, other);
    return report?.unshaken === true ? report.why : "";
  };
  const says = async (own: string, other: string, text: string): Promise<void> =>
    world.until(`${own}: ${text}`, () => why(own, other).includes(text), PATIENCE);

  test("a public key that is not the site's: whose calls come with which key, and whose are for another", async () => {
    world = new World(["a", "b"]);
    const { keys } = world.site("b");
    const wrong = generateSiteKeys().publicKey;
    world.apply("a", world.plan("a", {}, { publicKey: wrong }));
    world.apply("b", world.plan("b"));
    await says("a", "b", `b calls with the public key ${keys.publicKey}, not ${wrong}`);
    await says("b", "a", "a calls for another public key than this site has");
    expect(why("a", "b")).toMatch(/^no handshake with 192\.0\.2\.2:51820 was ever completed/);
    // Put right, it is forgotten.
    world.apply("a", world.plan("a"));
    await world.until("up", () => world.isUp("a", "b") && world.isUp("b", "a"), PATIENCE);
    expect(world.report("a", "b")).toMatchObject({ unshaken: false });
  }, 120_000);

  test("a preshared key at one end alone; and nobody there at all", async () => {
    world = new World(["a", "b", "c"]);
    const presharedKey = Buffer.alloc(32, 7).toString("base64");
    world.apply("a", world.plan("a"));
    world.apply("b", world.plan("b", {}, { presharedKey }));
    // One that has calls to answer also sends, as probes would.
    await world.until(
      "devices",
      () =>
        world.report("a", "b") !== undefined && world.site("a").host.route.link(world.site("a").ifname)?.up === true,
    );
    world.route("a", "b");
    using _pinging = new Pinging(world.site("a").host.namespace, overlay(1), 200);
    await says("b", "a", "a calls with the right keys: the preshared keys may differ");
    await says("a", "c", "no call of it was heard");
    expect(why("a", "c")).toContain("no handshake with 192.0.2.3:51820 was ever completed");
  }, 120_000);
});
