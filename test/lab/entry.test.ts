import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { buildLab, type Lab } from "../../lab/build.ts";
import { describe as described } from "../../lab/description.ts";
import { start } from "../../lab/process.ts";
import type { EntryOrder } from "../../lab/programs/entry.ts";

const pair = described({
  hosts: {
    client: { interfaces: { eth0: ["192.0.2.1/24", "2001:db8::1/64"] } },
    server: { interfaces: { eth0: ["192.0.2.2/24", "2001:db8::2/64"] } },
  },
  switches: [],
  links: [{ from: "client:eth0", to: "server:eth0" }],
});
const program = (name: string): string => new URL(`../../lab/programs/${name}.ts`, import.meta.url).pathname;

async function door(lab: Lab, port: number) {
  const order: EntryOrder = {
    namespace: lab.host("client").namespace,
    port,
    doors: [
      { listen: "127.0.0.1", to: "192.0.2.2", toPort: 8000 },
      { listen: "::1", to: "2001:db8::2", toPort: 8000 },
    ],
  };
  const entry = start(process.execPath, [program("entry"), JSON.stringify(order)]);
  const said = JSON.parse(await entry.says(/"listening"/)) as { readonly port: number; readonly on: readonly string[] };
  return { ...said, [Symbol.asyncDispose]: () => entry[Symbol.asyncDispose]() };
}

async function lengthOf(host: string, port: number, path: string): Promise<number> {
  return await new Promise((resolve, reject) => {
    const asked = request({ host, port, path, agent: false, timeout: 10_000 }, (response) => {
      let length = 0;
      response.on("data", (part: Buffer) => {
        length += part.length;
      });
      response.on("end", () => resolve(length));
      response.on("error", reject);
    });
    asked.on("error", reject);
    asked.end();
  });
}

describe.skipIf(process.getuid?.() !== 0)("the door from this shell into a lab (needs root)", () => {
  test("carries whole bodies, many at once, over both families", async () => {
    await using lab = await buildLab(pair);
    const server = lab.host("server").node(program("backend"), ["s", "8000"]);
    await server.says(/listening/);
    await using opened = await door(lab, 18_080);
    const lengths = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        lengthOf(opened.on[n % opened.on.length] ?? "", opened.port, "/size/3000000"),
      ),
    );
    expect(lengths).toEqual(Array.from({ length: 20 }, () => 3_000_000));
  });

  test("takes the next port when one is in use", async () => {
    await using lab = await buildLab(pair);
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const { port } = taken.address() as AddressInfo;
    await using opened = await door(lab, port);
    expect(opened.port).toBeGreaterThan(port);
    taken.close();
  });
});
