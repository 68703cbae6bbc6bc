/** A container as one edge of the lab's two-edges network: client in front, backends behind. */
import { readdirSync, readFileSync } from "node:fs";
import { buildLab, type Lab } from "../../lab/build.ts";
import type { Running } from "../../lab/process.ts";
import { twoEdges } from "../../lab/topology/two-edges.ts";
import { eventually } from "../scenario/daemon.ts";
import { Container } from "./container.ts";
import { resources, VIP } from "./packages.ts";

export class Scene implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #lab: Lab;
  readonly machine: Container;

  private constructor(stack: AsyncDisposableStack, lab: Lab, machine: Container) {
    this.#stack = stack;
    this.#lab = lab;
    this.machine = machine;
  }

  static async open(tree: string): Promise<Scene> {
    await using stack = new AsyncDisposableStack();
    const lab = stack.use(await buildLab(twoEdges()));
    for (const name of ["b1", "b2"]) {
      const backend: Running = lab.host(name).node("lab/programs/backend.ts", [name, "8080"]);
      stack.use(backend);
      await backend.says(/^listening/, 30_000);
    }
    const machine = stack.use(await Container.boot(tree, lab.host("a").namespace));
    return new Scene(stack.move(), lab, machine);
  }

  /** Writes what the node serves; every answer carries `mark`. */
  configure(mark: string): void {
    this.machine.write("/etc/novaedge/conf.d/web.yaml", resources(mark));
  }
  breakConfiguration(): void {
    this.machine.write("/etc/novaedge/conf.d/web.yaml", "apiVersion: novaedge.io/v1alpha1\nkind: ProxyNothing\n");
  }

  /** The client asks the virtual IP until the answer has this mark. */
  async serves(mark: string): Promise<void> {
    await eventually(
      `the client gets answers marked ${mark}`,
      async () => ((await this.ask()) === mark ? true : undefined),
      120_000,
    );
  }
  /** The mark of one answer; undefined: there was none. */
  async ask(): Promise<string | undefined> {
    const { stdout } = await this.#lab
      .host("client")
      .exec("curl", ["-s", "-m", "2", "-o", "/dev/null", "-D", "-", `http://${VIP}/`], { anyCode: true });
    return /^x-mark: *(\S+)/im.exec(stdout)?.[1];
  }

  /** Asks the virtual IP over so many connections without a pause (lab/programs/hammer.ts). */
  hammer(connections: number): Running {
    const args = ["-n", "15", process.execPath, "lab/programs/hammer.ts", VIP, "80", String(connections), "any"];
    return this.#lab.host("client").spawn("nice", args);
  }

  /** Whether one request is answered by a backend. */
  async reaches(): Promise<boolean> {
    const question = ["-s", "-f", "-m", "2", `http://${VIP}/`];
    const { code, stdout } = await this.#lab.host("client").exec("curl", question, { anyCode: true });
    return code === 0 && /^b[12]$/m.test(stdout);
  }

  async property(name: string): Promise<string> {
    return (await this.machine.exec("systemctl", "show", "novaedge", "--value", "-p", name)).trim();
  }

  /** `name` → status fields of each process of the daemon, as this machine's /proc has them. */
  processes(): readonly {
    readonly name: string;
    readonly pid: number;
    readonly status: ReadonlyMap<string, string>;
  }[] {
    const network = this.#lab.host("a").pids();
    return network.flatMap((pid) => {
      try {
        const name = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        if (!name.startsWith("novaedge")) return [];
        return [{ name, pid, status: fields(readFileSync(`/proc/${pid}/status`, "utf8")) }];
      } catch {
        return []; // ended meanwhile
      }
    });
  }
  /** The same of each thread. */
  threads(pid: number): readonly ReadonlyMap<string, string>[] {
    return readdirSync(`/proc/${pid}/task`).map((thread) =>
      fields(readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8")),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function fields(status: string): ReadonlyMap<string, string> {
  return new Map(
    status.split("\n").flatMap((line) => {
      const [name = "", value] = line.split(":\t");
      return value === undefined ? [] : [[name, value.trim()] as const];
    }),
  );
}
