/** Brings a described network up, and takes it down whatever happens. */
import { Fault } from "../base/fault.ts";
import { cables, fabricDefaults, fabricScript, hostDefaults, hostScript, settleScript } from "./commands.ts";
import { type Description, isPort, type Port } from "./description.ts";
import { type Faults, faultsIn } from "./fabric.ts";
import { guard, sweep } from "./guardian.ts";
import { type Host, hostIn } from "./host.ts";
import { run } from "./process.ts";

export interface Lab extends Faults, AsyncDisposable {
  /** Prefix of its namespaces. */
  readonly id: string;
  readonly description: Description;
  host(name: string): Host;
  /** Where all cables end: captures run here. */
  readonly fabric: Host;
}

export async function buildLab(description: Description): Promise<Lab> {
  if (process.getuid?.() !== 0) throw new Fault("LAB", { why: "network namespaces need root" });
  await sweep();
  const id = `nv${process.pid}-${++built}`;
  const names = Object.keys(description.hosts);
  const of = (host: string | undefined): string => `${id}-${host === undefined ? "fabric" : `h-${host}`}`;
  const fabricName = of(undefined);
  const all = [fabricName, ...names.map(of)];
  const guardian = guard(id, all);
  const inside = (namespace: string, script: string) =>
    run("ip", ["netns", "exec", namespace, "sh", "-e", "-s"], { input: `${script}\n` });
  const everywhere = async (script: (name: string) => string, fabric: string): Promise<void> => {
    await Promise.all([inside(fabricName, fabric), ...names.map((name) => inside(of(name), script(name)))]);
  };
  try {
    await run("ip", ["-batch", "-"], { input: all.map((name) => `netns add ${name}\n`).join("") });
    const spec = (name: string) => description.hosts[name] ?? {};
    await everywhere((name) => hostDefaults(spec(name)), fabricDefaults());
    await run("ip", ["-batch", "-"], { input: cables(description, { of }) });
    await everywhere((name) => hostScript(name, spec(name), description), fabricScript(description));
    await everywhere(settleScript, ":");
  } catch (error) {
    await guardian.release();
    throw error;
  }
  const hosts = new Map(names.map((name) => [name, hostIn(name, of(name))]));
  return labOf(id, description, hosts, hostIn("fabric", fabricName), () => guardian.release());
}

function labOf(
  id: string,
  description: Description,
  hosts: ReadonlyMap<string, Host>,
  fabric: Host,
  release: () => Promise<void>,
): Lab {
  const ends = new Map<Port, boolean>();
  for (const link of description.links)
    for (const end of [link.from, link.to].filter(isPort)) ends.set(end, link.impair === undefined);
  const { faults, close } = faultsIn(fabric.namespace, ends);
  let released: Promise<void> | undefined;
  return {
    id,
    description,
    fabric,
    host(name) {
      const host = hosts.get(name);
      if (host === undefined) throw new TypeError(`lab: no host ${name}`);
      return host;
    },
    ...faults,
    [Symbol.asyncDispose]() {
      if (released !== undefined) return released;
      close();
      released = release();
      return released;
    },
  };
}

let built = 0;
