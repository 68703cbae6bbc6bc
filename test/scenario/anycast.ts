/** The whole daemon on two hosts that announce one virtual IP, with FRR or BIRD as their router. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildLab, type Lab } from "../../lab/build.ts";
import { startBird } from "../../lab/peers/bird.ts";
import { type FrrDaemon, startFrr } from "../../lab/peers/frr.ts";
import { kernelRoutes } from "../../lab/peers/kernel.ts";
import type { BfdTimes, RouterSpec } from "../../lab/peers/router.ts";
import type { Running } from "../../lab/process.ts";
import {
  ANYCAST4,
  ANYCAST6,
  type AnycastHost,
  anycast,
  BACKENDS,
  front,
  ROUTER4,
  ROUTER6,
} from "../../lab/topology/anycast.ts";
import { webResources } from "../../lab/web-resources.ts";
import { type DaemonFiles, eventually, layOut, startDaemon } from "./daemon.ts";

export const BFD: BfdTimes = { interval: 100, multiplier: 3 };

export interface Scene extends AsyncDisposable {
  readonly lab: Lab;
  readonly backends: readonly Running[];
  /** What the router says of itself, for a test that failed. */
  router(): Promise<string>;
  /** One answer of the router; `daemon` where it is FRR. */
  ask(daemon: FrrDaemon, question: string): Promise<string>;
  /** Lays out the files of the host. */
  layOut(host: AnycastHost): DaemonFiles;
  /** … and starts its daemon. */
  start(host: AnycastHost): { readonly files: DaemonFiles; readonly daemon: Running };
  /** Through which hosts the router's kernel sends to the virtual IP, in both families: "a", "a b", "". */
  ways(): Promise<string>;
  /** Waits for it. */
  reach(ways: string, within?: number): Promise<void>;
}

export interface Wanted {
  readonly router: "frr" | "bird";
  readonly protocol: "bgp" | "ospf";
  /** Restarts are graceful ones, and the router helps. */
  readonly keeps?: boolean;
  /** More lines of novaedge.yaml. */
  readonly settings?: string;
}

const QUESTIONS: Readonly<
  Record<"frr" | "bird", Readonly<Record<"bgp" | "ospf", readonly (readonly [FrrDaemon, string])[]>>>
> = {
  frr: {
    bgp: [
      ["bgpd", "show bgp ipv4 unicast"],
      ["bgpd", "show bgp neighbors"],
      ["bfdd", "show bfd peers"],
    ],
    ospf: [
      ["ospfd", "show ip ospf neighbor"],
      ["ospfd", "show ip ospf graceful-restart helper"],
      ["ospf6d", "show ipv6 ospf6 neighbor"],
      ["ospf6d", "show ipv6 ospf6 graceful-restart helper"],
    ],
  },
  bird: {
    bgp: [
      ["bgpd", "show bfd sessions"],
      ["bgpd", "show route all"],
    ],
    ospf: [
      ["ospfd", "show ospf neighbors"],
      ["ospfd", "show route all"],
    ],
  },
};

export async function openScene(wanted: Wanted): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), "novaedge-anycast-"));
  const stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  try {
    const lab = stack.use(await buildLab(anycast()));
    const backends: Running[] = [];
    for (const name of BACKENDS) {
      const backend = stack.use(lab.host(name).node("lab/programs/backend.ts", [name, "8080"]));
      await backend.says(/^listening/);
      backends.push(backend);
    }
    const spec = routerSpec(wanted);
    const host = lab.host("r");
    const [frr, bird] =
      wanted.router === "frr"
        ? [stack.use(await startFrr(host, spec)), undefined]
        : [undefined, stack.use(await startBird(host, spec))];
    const router = async (): Promise<string> => {
      const questions = QUESTIONS[wanted.router][wanted.protocol];
      const said = questions.map(([daemon, words]) =>
        (frr === undefined ? bird?.ask(words) : frr.ask(daemon, words))?.catch(String),
      );
      return [...(await Promise.all(said)), (frr ?? bird)?.log()].join("\n");
    };
    const ways = async (): Promise<string> => {
      const [v4, v6] = await Promise.all(
        [`${ANYCAST4}/32`, `${ANYCAST6}/128`].map(async (prefix) => {
          const gateways = (await kernelRoutes(host, prefix)).flatMap(({ via }) => via);
          const names = await Promise.all(gateways.map((gateway) => owner(lab, gateway)));
          return names.sort().join(" ");
        }),
      );
      return v4 === v6 ? (v4 ?? "") : `${v4} | ${v6}`;
    };
    const filesOf = (name: AnycastHost): DaemonFiles =>
      layOut(join(folder, name), name, resources(wanted), settingsOf(name, wanted));
    return {
      lab,
      backends,
      router,
      ask: async (daemon, question) =>
        (await (frr === undefined ? bird?.ask(question) : frr.ask(daemon, question))) ?? "",
      layOut: filesOf,
      ways,
      start(name) {
        const files = filesOf(name);
        const daemon = stack.use(startDaemon(lab.host(name), files));
        return { files, daemon };
      },
      async reach(expected, within = 30_000) {
        let last = "";
        try {
          await eventually(
            `ways "${expected}"`,
            async () => {
              last = await ways();
              return last === expected ? true : undefined;
            },
            within,
          );
        } catch (error) {
          throw new Error(`${String(error)}; they are "${last}"; the router says ${await router()}`, { cause: error });
        }
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** Which host has the address: learnt next hops of IPv6 are link-local. */
async function owner(lab: Lab, gateway: string): Promise<string> {
  for (const name of ["a", "b"] as const) {
    const { v4, v6 } = front(name);
    if (gateway === v4 || gateway === v6) return name;
    if (!gateway.startsWith("fe80")) continue;
    const { stdout } = await lab.host(name).exec("ip", ["-j", "-6", "address", "show", "dev", "eth0"]);
    if (stdout.includes(`"${gateway}"`)) return name;
  }
  return gateway;
}

/** Seconds: a process that starts on a busy machine is back within it. */
function deadIn(keeps: boolean): number {
  return keeps ? 12 : 4;
}

function routerSpec({ router, protocol, keeps = false }: Wanted): RouterSpec {
  if (protocol === "ospf") {
    // BIRD takes the goodbye of BFD for a failure of the neighbor, whatever is said beside it.
    const one = { ifname: "eth0", hello: 1, dead: deadIn(keeps), priority: 1, ...(keeps ? {} : { bfd: BFD }) };
    const area = { id: "0.0.0.0", interfaces: [one] };
    const helps = keeps ? { gracefulRestart: { restartTime: 60 } } : {};
    return {
      routerId: ROUTER4,
      ospf: [
        { version: 2, areas: [area], ...helps },
        { version: 3, areas: [area], ...helps },
      ],
      // Grace LSAs of version 2 are opaque LSAs.
      ...(keeps && router === "frr" ? { extra: "router ospf\n capability opaque\nexit" } : {}),
    };
  }
  const neighbors = (["a", "b"] as const).flatMap((name) => {
    const { v4, v6 } = front(name);
    const asn = name === "a" ? 65_001 : 65_002;
    const session = {
      asn,
      bfd: BFD,
      announces: false,
      gracefulRestart: { restartTime: 60 },
      ...(keeps && router === "bird" ? { extra: ["bfd graceful;"] } : {}),
    };
    return [
      { ...session, name: `${name}4`, address: v4, local: ROUTER4 },
      { ...session, name: `${name}6`, address: v6, local: ROUTER6 },
    ];
  });
  return { routerId: ROUTER4, bgp: { asn: 65_000, neighbors, multipath: 8 } };
}

function settingsOf(name: AnycastHost, { protocol, keeps = false, settings: more = "" }: Wanted): string {
  const settings = `${keeps ? "routing: { onStop: keep }\n" : ""}${more}`;
  const bfd = `bfd: { profiles: [{ name: fast, interval: ${BFD.interval}ms, multiplier: ${BFD.multiplier} }] }\n`;
  if (protocol === "ospf") {
    const guard = keeps ? "" : ", bfd: { profile: fast }";
    const one = `{ name: eth0, hello: 1s, dead: ${deadIn(keeps)}s, priority: 0${guard} }`;
    const version = `{ areas: [{ id: 0.0.0.0, interfaces: [${one}] }] }`;
    return `${bfd}ospf:
  routerId: ${front(name).v4}
  v2: ${version}
  v3: ${version}
${settings}`;
  }
  return `${bfd}bgp:
  asn: ${name === "a" ? 65_001 : 65_002}
  peers:
    - { name: r4, address: ${ROUTER4}, asn: 65000, families: [ipv4], connectRetry: 1s, bfd: { profile: fast } }
    - { name: r6, address: "${ROUTER6}", asn: 65000, families: [ipv6], connectRetry: 1s, bfd: { profile: fast } }
${settings}`;
}

function resources({ protocol }: Wanted): string {
  return webResources({
    vip: `address: ${ANYCAST4}, ipv6Address: ${ANYCAST6}, mode: ${protocol.toUpperCase()}`,
    backends: ["10.78.0.11", "10.78.0.12"],
    check: "interval: 500ms, timeout: 300ms, healthyThreshold: 1, unhealthyThreshold: 2, httpPath: /health",
  });
}
