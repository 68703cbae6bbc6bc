/** What is in the packages: the same octets twice, nothing that lintian, rpmlint, mandoc or apparmor_parser objects to. */
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { VERSION } from "../../base/version.ts";
import { COMMANDS } from "../../cli/commands.ts";
import { fieldsOf } from "../../resources/fields.ts";
import { loadSettings, settingsSchema } from "../../resources/settings.ts";
import { BUNDLED } from "../../tools/package/licences.ts";
import { manPages } from "../../tools/package/man.ts";
import { hindrance, makePackages, PACKAGE_TOOLS } from "./packages.ts";

const root = join(import.meta.dirname, "../..");
const operations = readFileSync(join(root, "docs/operations.md"), "utf8");
const pages = manPages({ version: VERSION, date: "2026-11-20", operations });

describe("man pages", () => {
  test("tell every command of novactl and every setting", () => {
    const said = (name: string): string => pages.get(name)?.replaceAll("\\-", "-") ?? "";
    expect(COMMANDS.filter(({ name }) => !said("novactl.1").includes(`\n.SS ${name}\n`))).toEqual([]);
    expect(fieldsOf(settingsSchema).filter(({ path }) => !said("novaedge.yaml.5").includes(`\n.B ${path}\n`))).toEqual(
      [],
    );
    expect(said("novaedge.8")).toContain("--admin-socket PATH");
    expect(said("novaedge.8")).toContain("/var/lib/novaedge/allocations.json");
  });

  const missing = hindrance("mandoc");
  test.skipIf(missing !== undefined)(
    `are what mandoc takes for good${missing === undefined ? "" : ` (${missing})`}`,
    () => {
      for (const [name, page] of pages) {
        const lint = ["-Tlint", "-Wwarning"];
        expect([name, execFileSync("mandoc", lint, { input: page, encoding: "utf8" })]).toEqual([name, ""]);
      }
    },
  );
});

test("the default configuration says nothing, and is right", () => {
  const file = "packaging/novaedge.yaml";
  const { settings, diagnostics } = loadSettings({ file, content: readFileSync(join(root, file), "utf8") });
  expect(diagnostics).toEqual([]);
  expect(settings).toEqual(loadSettings({ file, content: "" }).settings);
});

test("everything that is bundled has its licence in the package", () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { dependencies: object };
  expect(Object.keys(dependencies).sort()).toEqual([...BUNDLED].sort());
});

const why = hindrance(...PACKAGE_TOOLS);
describe.skipIf(why !== undefined)(`packages${why === undefined ? "" : ` (${why})`}`, () => {
  let out = "";
  const made: Awaited<ReturnType<typeof makePackages>>[] = [];
  beforeAll(async () => {
    out = mkdtempSync(join(tmpdir(), "novaedge-contents-"));
    // Another folder for temporary files, another zone, another language; the same time.
    for (const environment of [{}, { TZ: "Asia/Tokyo", LC_ALL: "C.UTF-8", TMPDIR: join(out, "elsewhere") }]) {
      if ("TMPDIR" in environment) mkdirSync(environment.TMPDIR);
      made.push(await makePackages(join(out, String(made.length)), VERSION, environment));
    }
  }, 300_000);
  afterAll(() => rmSync(out, { recursive: true, force: true }));

  test("are the same octets whoever makes them", () => {
    const [first, second] = made.map(({ deb, rpm }) => [deb, rpm].map(digest));
    expect(first).toEqual(second);
  });

  test("carry what they run on, and nothing that could be written by others", () => {
    const list = execFileSync("dpkg-deb", ["-c", made[0]?.deb ?? ""], { encoding: "utf8" })
      .trimEnd()
      .split("\n");
    const paths = list.map((line) => line.split(/\s+/)[5] ?? "");
    for (const path of [
      "bin/node",
      "bin/novaedge",
      "bin/novactl",
      "pulse.cjs",
      "dataplane.cjs",
      "routing.cjs",
      "wan.cjs",
    ])
      expect(paths).toContain(`./usr/lib/novaedge/${path}`);
    expect(paths.some((path) => path.endsWith("koffi.node"))).toBe(true);
    expect(list.filter((line) => !/^[-dl]\S+ root\/root /.test(line))).toEqual([]);
    expect(list.filter((line) => !line.startsWith("l") && /^.{5}w|^.{8}w|^...s|^......s/.test(line))).toEqual([]);
  });

  const lintian = hindrance("lintian");
  test.skipIf(lintian !== undefined)(
    `satisfy lintian${lintian === undefined ? "" : ` (${lintian})`}`,
    { timeout: 300_000 },
    async () => {
      const args = ["--fail-on", "error,warning", "--allow-root", made[0]?.deb ?? ""];
      const { stdout } = await promisify(execFile)("lintian", args);
      expect(stdout).toBe("");
    },
  );

  const rpmlint = hindrance("rpmlint");
  test.skipIf(rpmlint !== undefined)(
    `satisfy rpmlint${rpmlint === undefined ? "" : ` (${rpmlint})`}`,
    { timeout: 300_000 },
    async () => {
      const settings = join(root, "packaging/rpm/rpmlint.toml");
      const { stdout } = await promisify(execFile)("rpmlint", ["-c", settings, made[0]?.rpm ?? ""]);
      expect(stdout).toContain("0 errors, 0 warnings");
    },
  );
});

function digest(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
