/**
 * Control stands still, as a stopped process does: while data planes serve, nothing is withdrawn, however long; when
 * nobody accepts any more, routing withdraws on its own, and control's next word counts again.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { missing } from "../../lab/peers/installed.ts";
import { type Running, send, treeOf } from "../../lab/process.ts";
import { openScene } from "./anycast.ts";
import { ready } from "./daemon.ts";

const why = missing("bird");

describe.skipIf(why !== undefined)(`control that stands still (${why ?? "BIRD is here"})`, () => {
  test("routes stay while data planes serve, go when they are dead, and come back", { timeout: 120_000 }, async () => {
    await using scene = await openScene({ router: "bird", protocol: "bgp" });
    const { files, daemon } = scene.start("a");
    await ready(files);
    await scene.reach("a");
    await using routes = scene.lab.host("r").spawn("ip", ["monitor", "route"]);
    const control = daemon.pid;
    send(control, "SIGSTOP");
    // Twice as long as silence is borne.
    await new Promise((resume) => setTimeout(resume, 6000));
    expect(routes.output()).not.toMatch(/Deleted (192\.0\.2\.100|2001:db8::100)/);
    send(named(daemon, /dataplane/), "SIGKILL");
    await scene.reach("", 10_000);
    send(control, "SIGCONT");
    await scene.reach("a");
  });
});

function named(daemon: Running, name: RegExp): number {
  const found = treeOf(daemon.pid).find((pid) => name.test(readFileSync(`/proc/${pid}/cmdline`, "utf8")));
  if (found === undefined) throw new Error(`no ${name.source} runs`);
  return found;
}
