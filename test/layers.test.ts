/** Who may import whom: the table of docs/architecture.md, enforced. Type imports count. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");

/** First match wins. `allowed` are path prefixes; a folder may always import from itself. */
const RULES: readonly { readonly where: RegExp; readonly allowed: readonly string[]; readonly because: string }[] = [
  { where: /^base\//, allowed: [], because: "the shared vocabulary imports nothing of ours" },
  { where: /^netstack\/wire\//, allowed: ["base/"], because: "octets know no protocol and no kernel" },
  { where: /^netstack\/kernel\//, allowed: ["base/"], because: "the door to the kernel knows no protocol" },
  {
    where: /^netstack\/[a-z]+\/driver[^/]*(\/|\.ts$)/,
    allowed: ["base/", "netstack/wire/", "netstack/kernel/", "netstack/bfd/plan.ts"],
    because: "a driver imports its engine, the wire and the kernel",
  },
  {
    where: /^netstack\//,
    allowed: ["base/", "netstack/wire/", "netstack/bfd/plan.ts"],
    because: "an engine is sans-IO, and knows of the others that BFD can be asked for",
  },
  {
    where: /^proxy\/(http1|route)\//,
    allowed: ["base/", "proxy/config.ts", "proxy/http1/"],
    because: "parsing and routing are pure",
  },
  { where: /^proxy\//, allowed: ["base/", "netstack/kernel/"], because: "the data plane knows no protocol engine" },
  {
    where: /^sdwan\/[a-z]+\/driver\//,
    allowed: ["base/", "netstack/"],
    because: "a driver of the SD-WAN joins its engine, the protocols and the kernel",
  },
  {
    where: /^sdwan\//,
    allowed: ["base/", "netstack/wire/", "netstack/stun/", "netstack/bfd/plan.ts"],
    because: "measurement and decision are pure",
  },
  { where: /^resources\//, allowed: ["base/"], because: "the resource schemas are shared by all" },
  {
    where: /^daemon\/pulse\//,
    allowed: ["base/", "netstack/", "sdwan/", "daemon/log.ts"],
    because: "pulse carries engines and waits for nothing else",
  },
  {
    where: /^daemon\/routing\//,
    allowed: ["base/", "netstack/", "daemon/log.ts"],
    because: "the routing process carries engines and knows no configuration",
  },
  {
    where: /^daemon\/wan\//,
    allowed: ["base/", "netstack/", "sdwan/", "daemon/log.ts"],
    because: "the wan process carries links and tunnels and knows no configuration",
  },
  {
    where: /^daemon\//,
    allowed: ["base/", "netstack/", "sdwan/", "proxy/", "resources/"],
    because: "the daemon composes",
  },
  {
    where: /^cli\//,
    allowed: [
      "base/",
      "resources/",
      "daemon/admin/api.ts",
      "daemon/admin/routing-api.ts",
      "daemon/admin/routing-api.ts",
      "daemon/admin/wan-api.ts",
      "daemon/doctor/machine.ts",
      "sdwan/figures.ts",
      "sdwan/steer-plan.ts",
      "sdwan/choose/",
      "netstack/kernel/",
    ],
    because:
      "novactl shares schemas and the admin API, replays what was measured; cleanup and doctor work without a daemon",
  },
  {
    where: /^lab\//,
    allowed: ["base/", "netstack/kernel/", "netstack/wire/", "daemon/routing/flags.ts", "daemon/wan-keys.ts"],
    because: "the lab is not the product",
  },
  {
    where: /^bench\//,
    allowed: [
      "base/",
      "netstack/",
      "sdwan/",
      "lab/",
      "proxy/",
      "resources/",
      "daemon/pulse/words.ts",
      "daemon/pulse/steering.ts",
      "daemon/routing/words.ts",
      "daemon/routing/flags.ts",
      "daemon/wan-keys.ts",
      "daemon/admin/api.ts",
      "daemon/admin/routing-api.ts",
      "daemon/admin/wan-api.ts",
    ],
    because: "a bench drives",
  },
  { where: /^(test|tools)\//, allowed: [""], because: "tests and tools may look at everything" },
];

/** node: modules stay out of what must be pure; process control stays in one place. */
const NODE_FREE = [
  /^netstack\/wire\//,
  /^netstack\/(vip|bfd|bgp|ospf|stun)\/(?!driver)/,
  /^sdwan\/(?!.*driver\/)/,
  /^proxy\/(http1|route|balance)\//,
];

const files = ["base", "netstack", "sdwan", "proxy", "resources", "daemon", "cli", "lab", "bench", "tools"]
  .flatMap((folder) => sources(join(root, folder)))
  .map((file) => relative(root, file));

describe("layers", () => {
  test("every source file has a rule", () => {
    expect(files.length).toBeGreaterThan(10);
    expect(files.filter((file) => !RULES.some((rule) => rule.where.test(file)))).toEqual([]);
  });

  test("imports follow the table of docs/architecture.md", () => {
    const broken: string[] = [];
    for (const file of files) {
      const rule = RULES.find((each) => each.where.test(file));
      if (rule === undefined) continue;
      for (const target of importsOf(file)) {
        if (!target.startsWith(".")) continue;
        const path = relative(root, join(root, dirname(file), target));
        if (path.startsWith(homeOf(file)) && !leavesTheEngine(file, path)) continue;
        if (!rule.allowed.some((prefix) => path.startsWith(prefix))) broken.push(`${file} → ${path}: ${rule.because}`);
      }
    }
    expect(broken).toEqual([]);
  });

  test("pure folders import no node: module and no package", () => {
    const broken = files
      .filter((file) => NODE_FREE.some((pattern) => pattern.test(file)))
      .flatMap((file) => importsOf(file).map((target) => [file, target] as const))
      .filter(([, target]) => !target.startsWith("."));
    expect(broken).toEqual([]);
  });

  test("koffi is imported in netstack/kernel only", () => {
    const broken = files.filter((file) => !file.startsWith("netstack/kernel/") && importsOf(file).includes("koffi"));
    expect(broken).toEqual([]);
  });
});

/** The folder that a file's own neighbours live in. */
function homeOf(file: string): string {
  const [top = "", second = ""] = file.split("/");
  const nested =
    top === "netstack" || /^daemon\/(pulse|routing|wan)\//.test(file) || /^proxy\/(http1|route)\//.test(file);
  return nested ? `${top}/${second}/` : `${top}/`;
}

function leavesTheEngine(from: string, to: string): boolean {
  const driver = /^(netstack|sdwan)\/[a-z]+\/driver/;
  return /^(netstack\/(?!kernel|wire)|sdwan\/)/.test(from) && !driver.test(from) && driver.test(to);
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  return [
    ...text.matchAll(/^(?:import|export)\s[^;]*?from\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm),
  ].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name));
}
