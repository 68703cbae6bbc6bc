/** What can happen to the owner of a virtual IP. Each fault ends as it began: what was cut is joined again. */
import { readFileSync } from "node:fs";
import type { Lab } from "../../lab/build.ts";
import type { Running } from "../../lab/process.ts";
import { send } from "../../lab/process.ts";
import type { Contender, Edge } from "./contender.ts";

export const FAULTS = [
  "link-cut",
  "link-silent",
  "kill9",
  "freeze",
  "filter-out",
  "filter-in",
  "filter-both",
  "partition",
  "dataplane-kill",
  "starve",
  "stop",
] as const;
export type FaultName = (typeof FAULTS)[number];

export interface Scene {
  readonly lab: Lab;
  readonly contender: Contender;
  readonly owner: Edge;
  readonly other: Edge;
  readonly running: Readonly<Record<Edge, Running>>;
  /** Starts on the owner's host again what the fault ended. */
  restart(): void;
}

export interface FaultSpec {
  /** Must the address move to the other host? "stay": it must not. "may": a defensible choice either way. */
  readonly expect: "move" | "stay" | "may";
  /** Milliseconds from the fault to its repair; and to watch afterwards. */
  readonly lasts: number;
  readonly watch: number;
  begin(scene: Scene): void;
  end(scene: Scene): void | Promise<void>;
}

const nothing = (): void => undefined;
const repairs = new Map<Scene, readonly (Disposable | AsyncDisposable)[]>();
const hold = (scene: Scene, ...made: readonly (Disposable | AsyncDisposable)[]): void => void repairs.set(scene, made);
const repair = async (scene: Scene): Promise<void> => {
  const made = repairs.get(scene) ?? [];
  repairs.delete(scene);
  for (const each of made) {
    if (Symbol.asyncDispose in each) await each[Symbol.asyncDispose]();
    else each[Symbol.dispose]();
  }
};
/** Everything that runs on the host: the contender, and the service that clients ask for. */
const pids = (scene: Scene, edge: Edge): readonly number[] => scene.lab.host(edge).pids();
const between = (from: Edge, to: Edge, match: string) => ({ from: `${from}:eth0`, to: `${to}:eth0`, match }) as const;

export const SPECS: Readonly<Record<FaultName, FaultSpec>> = {
  "link-cut": {
    expect: "move",
    lasts: 2000,
    watch: 1500,
    begin: (scene) => scene.lab.cut(`${scene.owner}:eth0`),
    end: (scene) => scene.lab.restore(`${scene.owner}:eth0`),
  },
  "link-silent": {
    expect: "move",
    lasts: 2000,
    watch: 1500,
    begin: (scene) => scene.lab.cut(`${scene.owner}:eth0`, "silent"),
    end: (scene) => scene.lab.restore(`${scene.owner}:eth0`),
  },
  kill9: {
    expect: "move",
    lasts: 2000,
    watch: 1500,
    begin: (scene) => {
      // Stopped first, so that none of them sees another one die and still says good-bye.
      const all = pids(scene, scene.owner);
      for (const pid of all) send(pid, "SIGSTOP");
      for (const pid of all) send(pid, "SIGKILL");
    },
    end: (scene) => scene.restart(),
  },
  freeze: {
    expect: "move",
    lasts: 5000,
    watch: 2000,
    begin: (scene) => {
      for (const pid of pids(scene, scene.owner)) send(pid, "SIGSTOP");
    },
    end: (scene) => {
      for (const pid of pids(scene, scene.owner)) send(pid, "SIGCONT");
    },
  },
  "filter-out": {
    expect: "may",
    lasts: 3000,
    watch: 1500,
    begin: (scene) => hold(scene, scene.lab.drop(between(scene.owner, scene.other, scene.contender.heartbeats))),
    end: repair,
  },
  "filter-in": {
    expect: "may",
    lasts: 3000,
    watch: 1500,
    begin: (scene) => hold(scene, scene.lab.drop(between(scene.other, scene.owner, scene.contender.heartbeats))),
    end: repair,
  },
  "filter-both": {
    expect: "may",
    lasts: 3000,
    watch: 1500,
    begin: (scene) => {
      const { lab, owner, other, contender } = scene;
      const out = lab.drop(between(owner, other, contender.heartbeats));
      hold(scene, out, lab.drop(between(other, owner, contender.heartbeats)));
    },
    end: repair,
  },
  partition: {
    expect: "move",
    lasts: 3000,
    watch: 2000,
    begin: (scene) =>
      hold(scene, scene.lab.partition([[`${scene.owner}:eth0`], [`${scene.other}:eth0`, "client:eth0"]])),
    end: repair,
  },
  "dataplane-kill": {
    expect: "move",
    lasts: 500,
    watch: 1500,
    begin: (scene) => {
      for (const pid of dataplanes(scene)) send(pid, "SIGKILL");
    },
    end: nothing,
  },
  starve: {
    expect: "stay",
    lasts: 10_000,
    watch: 500,
    begin: (scene) => {
      const burners = Array.from({ length: 6 }, () =>
        scene.lab.host(scene.owner).spawn("sh", ["-c", "while :; do :; done"]),
      );
      hold(scene, ...burners);
    },
    end: repair,
  },
  stop: {
    expect: "move",
    lasts: 4000,
    watch: 1000,
    begin: (scene) => scene.running[scene.owner].signal("SIGTERM"),
    end: (scene) => scene.restart(),
  },
};

function dataplanes(scene: Scene): readonly number[] {
  return scene.lab
    .host(scene.owner)
    .pids()
    .filter((pid) => titleOf(pid).includes("dataplane"));
}
function titleOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return ""; // ended meanwhile
  }
}
