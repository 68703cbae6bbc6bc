/**
 * Reloads under load: routes, backends and listeners change while clients ask without a pause; no request fails and the
 * memory stays flat.  NOVAEDGE_RELOADS sets the number.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildLab } from "../../lab/build.ts";
import { twoEdges } from "../../lab/topology/two-edges.ts";
import { eventually, layOut, ready, startDaemon, statusOf, writeResources } from "./daemon.ts";

const reloads = Number(process.env["NOVAEDGE_RELOADS"] ?? 30);

describe.skipIf(process.getuid?.() !== 0)("reload under load (needs root)", () => {
  test(`${reloads} reloads: no request fails`, { timeout: 60_000 + reloads * 1000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "novaedge-reload-"));
    await using lab = await buildLab(twoEdges());
    const files = layOut(folder, "a", resources(0));
    await using b1 = lab.host("b1").node("lab/programs/backend.ts", ["b1", "8080"]);
    await using b2 = lab.host("b2").node("lab/programs/backend.ts", ["b2", "8080"]);
    await b1.says(/^listening/);
    await b2.says(/^listening/);
    await using _daemon = startDaemon(lab.host("a"), files);
    try {
      const first = await ready(files, (status) => status.phase === "ready");
      await using load = lab.host("client").node("lab/programs/hammer.ts", ["10.77.0.1", "8000", "16", "app.example"]);
      await load.says(/"hammering"/);
      let memory = 0;
      for (let n = 1; n <= reloads; n++) {
        const generation = (await statusOf(files))?.configuration.generation ?? 0;
        writeResources(files, resources(n));
        await eventually("the new generation is in force", async () => {
          const status = await statusOf(files);
          return (status?.configuration.generation ?? 0) > generation ? status : undefined;
        });
        if (n === Math.ceil(reloads / 10)) memory = await resident(files);
      }
      const grown = (await resident(files)) - memory;
      load.write("stop\n");
      const result = JSON.parse(await load.says(/"requests"/)) as { requests: number; failed: number; why: object };
      process.stdout.write(`${reloads} reloads: ${JSON.stringify(result)}, memory ${memory} + ${grown} octets\n`);
      expect(first.configuration.problems).toEqual([]);
      expect(result.requests).toBeGreaterThan(reloads);
      expect(result.failed).toBe(0);
      expect(grown).toBeLessThan(48 * 2 ** 20);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** Every reload changes the route, the backends' order and weights, and has a listener come or go. */
function resources(n: number): string {
  return `apiVersion: novaedge.io/v1alpha1
kind: ProxyGateway
metadata: { name: web }
spec:
  listeners:
    - { name: http, port: 8000, protocol: HTTP }
${n % 2 === 0 ? "    - { name: other, port: 8001, protocol: HTTP }\n" : ""}---
apiVersion: novaedge.io/v1alpha1
kind: ProxyRoute
metadata: { name: app }
spec:
  parentRefs: [{ name: web }]
  hostnames: [app.example]
  rules:
    - filters: [{ type: ResponseSetHeader, responseSet: [{ name: x-generation, value: "${n}" }] }]
      backendRefs: [{ name: app, weight: ${1 + (n % 3)} }, { name: second }]
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyBackend
metadata: { name: app }
spec:
  endpoints: [{ address: 10.78.0.11, port: 8080, weight: ${1 + (n % 5)} }${n % 4 < 2 ? ", { address: 10.78.0.12, port: 8080 }" : ""}]
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyBackend
metadata: { name: second }
spec:
  endpoints: [{ address: 10.78.0.12, port: 8080 }]
`;
}

async function resident(files: { readonly socket: string } & Parameters<typeof statusOf>[0]): Promise<number> {
  const status = await statusOf(files);
  return (status?.processes ?? [])
    .map(
      ({ pid }) => /VmRSS:\s+(\d+) kB/.exec(pid === undefined ? "" : readFileSync(`/proc/${pid}/status`, "utf8"))?.[1],
    )
    .reduce((sum, kib) => sum + Number(kib ?? 0) * 1024, 0);
}
