/** Brings a described network up, and takes it down whatever happens. */
import { Fault } from "../base/fault.ts";
import {
  cables,
  fabricDefaults,
  fabricScript,
  fabricSettles,
  hostDefaults,
  hostScript,
  hostSettles,
} from "./commands.ts";
import { type Description, isPort, type Port } from "./description.ts";
import { type Faults, faultsIn } from "./fabric.ts";
import { type Guardian, guard, sweep } from "./guardian.ts";
import { type Host, hostIn } from "./host.ts";
import { run } from "./process.ts";
import { type ImpairedLink, type Relay, startRelay } from "./relay.ts";

export interface Lab extends Faults, AsyncDisposable {
  /** Prefix of its namespaces. */
  readonly id: string;
  readonly description: Description;
  /** For files that live as long as the lab. */
  readonly directory: string;
  host(name: string): Host;
  /** Where all cables end: captures run here. */
  readonly fabric: Host;
  /** One whose description has `impair`. */
  link(name: string): ImpairedLink;
}

export interface LabOptions {
  /** Of random losses and jitter: the same seed, the same fate of the n-th frame. */
  readonly seed?: number;
}

export async function buildLab(description: Description, options: LabOptions = {}): Promise<Lab> {
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
    await everywhere(hostSettles, fabricSettles());
    const hosts = new Map(names.map((name) => [name, hostIn({ name, ...spec(name) }, of(name), guardian.directory)]));
    const fabric = hostIn({ name: "fabric" }, fabricName, guardian.directory);
    const relay = await startRelay(fabric, description, options.seed ?? 1);
    return labOf({ id, description, hosts, fabric, relay, guardian });
  } catch (error) {
    await guardian.release();
    throw error;
  }
}

interface Parts {
  readonly id: string;
  readonly description: Description;
  readonly hosts: ReadonlyMap<string, Host>;
  readonly fabric: Host;
  readonly relay: Relay | undefined;
  readonly guardian: Guardian;
}

function labOf({ id, description, hosts, fabric, relay, guardian }: Parts): Lab {
  const ends = new Map<Port, boolean>();
  for (const link of description.links)
    for (const end of [link.from, link.to].filter(isPort)) ends.set(end, link.impair === undefined);
  const { faults, close } = faultsIn(fabric.namespace, ends);
  let released: Promise<void> | undefined;
  return {
    id,
    description,
    directory: guardian.directory,
    fabric,
    host(name) {
      const host = hosts.get(name);
      if (host === undefined) throw new TypeError(`lab: no host ${name}`);
      return host;
    },
    link(name) {
      if (relay === undefined) throw new TypeError(`lab: no impaired link ${name}`);
      return relay.link(name);
    },
    ...faults,
    [Symbol.asyncDispose]() {
      if (released !== undefined) return released;
      close();
      released = guardian.release();
      return released;
    },
  };
}

let built = 0;
