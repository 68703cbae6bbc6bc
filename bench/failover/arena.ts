/** The topology of all failover trials, with one contender on both edges; faults come one after another. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildLab, type Lab } from "../../lab/build.ts";
import type { Running } from "../../lab/process.ts";
import { BACKENDS, twoEdges, VIP4 } from "../../lab/topology/two-edges.ts";
import type { Contender, Edge } from "./contender.ts";
import type { FaultName, Scene } from "./fault.ts";
import { settled, type Trial, trial } from "./trial.ts";

export interface Arena extends AsyncDisposable {
  readonly lab: Lab;
  /** Waits until one host owns the address, then lets `fault` happen to it. */
  suffer(fault: FaultName): Promise<Trial>;
}

export async function openArena(contender: Contender): Promise<Arena> {
  const folder = mkdtempSync(join(tmpdir(), "novaedge-failover-"));
  const lab = await buildLab(twoEdges());
  const started: Running[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(started.map((each) => each[Symbol.asyncDispose]()));
    await lab[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    for (const name of BACKENDS) started.push(await backend(lab, name));
    for (const edge of ["a", "b"] as const) started.push(responder(lab, edge));
    const running: Record<Edge, Running> = {
      a: contender.start(lab, "a", folder),
      b: contender.start(lab, "b", folder),
    };
    started.push(running.a, running.b);
    return {
      lab,
      async suffer(fault) {
        const owner = await settled(lab, contender);
        const other = owner === "a" ? "b" : "a";
        const scene: Scene = {
          lab,
          contender,
          owner,
          other,
          running,
          restart() {
            if (fault === "kill9") started.push(responder(lab, owner));
            running[owner] = contender.start(lab, owner, folder);
            started.push(running[owner]);
          },
        };
        const result = await trial(scene, fault);
        await settled(lab, contender);
        return result;
      },
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function responder(lab: Lab, edge: Edge): Running {
  return lab.host(edge).node("lab/programs/responder.ts", [edge, "9000", VIP4]);
}

async function backend(lab: Lab, name: string): Promise<Running> {
  const running = lab.host(name).node("lab/programs/backend.ts", [name, "8080"]);
  await running.says(/^listening/);
  return running;
}
