import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VERSION } from "../../base/version.ts";
import { EXIT } from "../../cli/command.ts";
import { FakeDaemon, novactl, RESOURCES, STATUS } from "./terminal.ts";

let daemon: FakeDaemon;
beforeAll(async () => {
  daemon = await new FakeDaemon().listen();
});
afterAll(() => daemon[Symbol.asyncDispose]());
const lines = (text: string): readonly string[] => text.trimEnd().split("\n");

describe("novactl status", () => {
  it("shows what runs", async () => {
    const { exit, out } = await daemon.novactl(["status"]);
    expect(exit).toBe(EXIT.ok);
    expect(out).toContain("edge-1: ready, NovaEdge 9.9.9, up 1m40s, io_uring");
    expect(out).toContain("NAME   ADDRESS                          INTERFACE   STATE   OWNER    TERM   ELIGIBLE");
    expect(out).toContain("edge   192.0.2.10/32,2001:db8::10/128   eth0        owner   edge-1   4      yes");
    expect(out).toMatch(/default\/api +1\/2/);
  });
  it("is the API's answer as JSON", async () => {
    const { out } = await daemon.novactl(["status", "-o", "json"]);
    expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(STATUS)));
  });
  it.each([
    { phase: "degraded" as const },
    {
      conditions: [
        {
          code: "VIP_CONFLICT" as const,
          severity: "error" as const,
          subject: "ProxyVIP/edge",
          message: "\u001b[2Jx",
          since: 0,
        },
      ],
    },
  ])("exits with 1 when something is wrong: %j", async (change) => {
    await using bad = await new FakeDaemon({ status: () => ({ ...STATUS, ...change }) }).listen();
    const { exit, out } = await bad.novactl(["status"]);
    expect(exit).toBe(EXIT.failed);
    expect(out).not.toContain("\u001b");
  });
  it("names the command that shows why files are not in force", async () => {
    const told = async (file: string): Promise<string> => {
      const problem = { severity: "error", file, line: 1, column: 1, code: "VALUE", message: "no" } as const;
      const settingsFile = "/etc/other/novaedge.yaml";
      const configuration = { ...STATUS.configuration, settingsFile, problems: [problem] };
      await using refused = await new FakeDaemon({ status: () => ({ ...STATUS, configuration }) }).listen();
      return (await refused.novactl(["status"])).out;
    };
    expect(await told("/etc/c/a.yaml")).toContain("1 problem and are not in force: novactl check -c /etc/c\n");
    expect(await told("/etc/other/novaedge.yaml")).toContain("not in force: novaedge check --config /etc/other\n");
  });
  it("has colours on a terminal only", async () => {
    expect((await daemon.novactl(["status"], { colour: true })).out).toContain("\u001b[32mready\u001b[0m");
    expect((await daemon.novactl(["status"])).out).not.toContain("\u001b");
  });
});

describe("novactl get", () => {
  it("a kind by any of its names, with its state", async () => {
    for (const word of ["vips", "vip", "ProxyVIP", "proxyvips"]) {
      const { out } = await daemon.novactl(["get", word]);
      expect(lines(out)).toEqual([
        "NAME   ADDRESS                          MODE    FAMILY   ACTIVE-NODE   STATE   AGE",
        "edge   192.0.2.10/32,2001:db8::10/128   L2ARP   dual     edge-1        owner   -",
      ]);
    }
  });
  it("one namespace, or all", async () => {
    expect((await daemon.novactl(["get", "backends", "-o", "name"])).out).toBe("api\n");
    expect((await daemon.novactl(["get", "backends", "-n", "shop", "-o", "name"])).out).toBe("cart\n");
    expect(lines((await daemon.novactl(["get", "be", "-A"])).out)[0]).toBe(
      "NAMESPACE   NAME   LB-POLICY    ENDPOINTS   HEALTHY   AGE",
    );
  });
  it.each<[string, string]>([
    ["tier=front", "ProxyVIP/edge\n"],
    ["tier!=front", "ProxyGateway/default/web\nProxyBackend/default/api\nProxyBackend/shop/cart\n"],
    ["tier", "ProxyBackend/default/api\nProxyVIP/edge\n"],
    ["tier=front,x=y", ""],
  ])("by labels: -l %s", async (selector, expected) => {
    const { out } = await daemon.novactl(["get", "all", "-A", "-o", "name", "-l", selector]);
    expect(out.split("\n").sort()).toEqual(expected.split("\n").sort());
  });
  it("all kinds, each under its name", async () => {
    const { out } = await daemon.novactl(["get", "all"]);
    expect(out).toMatch(
      /^ProxyGateway\nNAME .*\nweb .*\n\nProxyBackend\nNAME .*\napi .*\n\nProxyVIP\nNAME .*\nedge .*\n$/,
    );
  });
  it("one by name as YAML that apply takes back", async () => {
    const { out } = await daemon.novactl(["get", "vip", "edge", "-o", "yaml"]);
    expect(out).toContain("kind: ProxyVIP\nmetadata:\n  name: edge\n");
  });
  it("many as a List", async () => {
    const { out } = await daemon.novactl(["get", "all", "-A", "-o", "json"]);
    expect((JSON.parse(out) as { items: unknown[] }).items).toHaveLength(RESOURCES.length);
  });
  it("what is not there", async () => {
    expect(await daemon.novactl(["get", "vip", "egde"])).toEqual({
      exit: EXIT.failed,
      out: "",
      err: "novactl: error: there is no ProxyVIP egde [NOT_FOUND]\n",
    });
    expect((await daemon.novactl(["get", "pools"])).err).toBe("no resources found\n");
  });
  it.each<[string, string]>([
    ["gatway", "hint: did you mean gateway?"],
    ["ProxyPolicy", "known, but not supported in this version"],
    ["zzz", "hint: one of gateways, routes, backends, vips, ippools"],
  ])("an unknown kind: %s", async (word, hint) => {
    const { exit, err } = await daemon.novactl(["get", word]);
    expect(exit).toBe(EXIT.usage);
    expect(err).toContain(hint);
  });
});

describe("novactl describe", () => {
  it("shows metadata, place and spec", async () => {
    const { out } = await daemon.novactl(["describe", "backend", "api"]);
    expect(out).toContain("Labels:       tier=back\nAnnotations:  note=mine\nRead from:    /etc/c/a.yaml:3\n");
  });
  it("shows times as times", async () => {
    const resources = RESOURCES.map((each) => ({ ...each, status: { since: 1_795_175_494_979 } }));
    await using dated = await new FakeDaemon({ resources: () => ({ generation: 3, resources }) }).listen();
    expect((await dated.novactl(["describe", "vip", "edge"])).out).toContain("since: 2026-11-20T11:51:34.979Z");
  });
  it("takes namespace/name too", async () => {
    expect((await daemon.novactl(["describe", "backend", "shop/cart"])).exit).toBe(EXIT.ok);
    expect((await daemon.novactl(["describe", "backend", "cart"])).exit).toBe(EXIT.failed);
  });
});

describe("novactl apply, diff, delete, reload", () => {
  it("from standard input", async () => {
    expect((await daemon.novactl(["apply", "-f", "-"], { stdin: "x" })).out).toBe("ProxyVIP/edge created\n");
    expect((await daemon.novactl(["apply", "-f", "-", "--dry-run"], { stdin: "x" })).out).toBe(
      "ProxyVIP/edge created (dry run)\n",
    );
  });
  it("a refusal names the operator's own files, also when several went together", async () => {
    await using refusing = await new FakeDaemon({
      apply: ({ source, documents }) => {
        const line = documents.split("\n").indexOf("wrong") + 1;
        const problem = {
          severity: "error",
          file: source,
          line,
          column: 1,
          code: "VALUE",
          message: "is wrong",
        } as const;
        return Promise.resolve({ ok: false, error: { code: "INVALID", message: "refused", problems: [problem] } });
      },
    }).listen();
    const [a, b] = [join(refusing.dir, "a.yaml"), join(refusing.dir, "b.yaml")];
    writeFileSync(a, "one\ntwo");
    writeFileSync(b, "three\nwrong\n");
    const { exit, err } = await refusing.novactl(["apply", "-f", a, "-f", b]);
    expect(exit).toBe(EXIT.configuration);
    expect(err).toBe(
      `${b}:2:1: error: is wrong [VALUE]\nnovactl: error: refused for 1 error; nothing has changed [INVALID]\n`,
    );
  });
  it("diff shows fields and exits with 1 only when asked", async () => {
    const { exit, out } = await daemon.novactl(["diff", "-f", "-"]);
    expect([exit, out]).toEqual([EXIT.ok, "ProxyVIP/edge configured\n  - spec.ports[0]: 80\n  + spec.ports[0]: 81\n"]);
    expect((await daemon.novactl(["diff", "-f", "-", "--exit-code"])).exit).toBe(EXIT.failed);
  });
  it("delete", async () => {
    expect((await daemon.novactl(["delete", "backend", "api"])).out).toBe("ProxyBackend/default/api deleted\n");
    expect((await daemon.novactl(["delete", "vip", "edge"])).out).toBe("ProxyVIP/edge deleted\n");
  });
  it("reload", async () => {
    expect((await daemon.novactl(["reload"])).out).toBe("changed: generation 4 (ef) in force\n  secret in /etc/psk\n");
  });
  it("without files", async () => {
    expect((await daemon.novactl(["apply"])).exit).toBe(EXIT.usage);
    expect((await daemon.novactl(["apply", "-f", "/nonexistent.yaml"])).exit).toBe(EXIT.failed);
  });
});

describe("novactl events", () => {
  it("prints what was, then what happens, until it is stopped", async () => {
    const stop = new AbortController();
    daemon.events.emit("vip.moved", { vip: "edge", why: "owner died\n\u001b[2J" });
    const watching = daemon.novactl(["events", "-w"], {
      signal: stop.signal,
      seen: (text) => {
        if (text.includes("vip.moved")) daemon.events.emit("child.ended", { name: "pulse" }, "warn");
        else stop.abort();
      },
    });
    const { exit, out } = await watching;
    expect(exit).toBe(EXIT.ok);
    expect(lines(out)).toEqual([
      '00:00:05.000  info   vip.moved                 vip=edge why="owner died\\n\\u001b[2J"',
      "00:00:05.000  warn   child.ended               name=pulse",
    ]);
  });
  it("says so when the daemon goes away", async () => {
    const gone = await new FakeDaemon().listen();
    gone.events.emit("a");
    let end: Promise<void> | undefined;
    const { exit, err } = await gone.novactl(["events", "-w"], {
      seen: () => void (end ??= gone[Symbol.asyncDispose]()),
    });
    await end;
    expect(exit).toBe(EXIT.notRunning);
    expect(err).toContain("went away");
  });
  it("names candidates and their verdicts; their figures are for -o json", async () => {
    const candidates = [{ path: "isp1>madrid/isp1", verdict: "good", figures: { mos: 4.4 } }];
    await using here = await new FakeDaemon().listen();
    here.events.emit("wan.moved", { choice: "voice→madrid", candidates });
    expect((await here.novactl(["events", "--limit", "1"])).out).toContain('candidates="isp1>madrid/isp1 good"\n');
    expect((await here.novactl(["events", "--limit", "1", "-o", "json"])).out).toContain('"mos":4.4');
  });
});

describe("novactl doctor and cleanup", () => {
  it("doctor exits with 1 when a check fails, and prints what to do", async () => {
    const { exit, out } = await daemon.novactl(["doctor"]);
    expect(exit).toBe(EXIT.failed);
    expect(out).toContain("port.80: ss -ltn");
  });
  it("doctor without a daemon examines the host, says that none runs, and exits with 3", async () => {
    const { exit, out } = await novactl(["doctor", "--socket", "/nonexistent/admin.sock"]);
    expect(exit).toBe(EXIT.notRunning);
    expect(out).toMatch(/^error +daemon +the daemon does not run \(nothing answers on \/nonexistent\/admin.sock\)$/m);
    expect(out).toMatch(/^\w+ +kernel\.version +Linux /m);
    expect(out).not.toContain("capability.");
    const json = await novactl(["doctor", "--socket", "/nonexistent/admin.sock", "-o", "json"]);
    expect([json.exit, JSON.parse(json.out).checks[0].name]).toEqual([EXIT.notRunning, "daemon"]);
  });
  it("cleanup says what it did, or would do", async () => {
    expect((await daemon.novactl(["cleanup"])).out).toMatch(/removed +address +192\.0\.2\.9\/32/);
    expect((await daemon.novactl(["cleanup", "--dry-run"])).out).toMatch(/would go +address/);
  });
});

describe("novactl check", () => {
  const dir = mkdtempSync(join(tmpdir(), "nv-check-"));
  afterAll(() => rmSync(dir, { recursive: true }));
  it("exits with 78 and prints file:line:column", async () => {
    writeFileSync(
      join(dir, "a.yaml"),
      "apiVersion: novaedge.io/v1alpha1\nkind: ProxyIPPool\nmetadata: {name: p}\nspec: {cidr: [10.0.0.0/24]}\n",
    );
    const { exit, err } = await novactl(["check", "-c", dir]);
    expect(exit).toBe(EXIT.configuration);
    expect(lines(err)).toEqual([
      `${dir}/a.yaml:4:8: error: unknown field "cidr" in spec [FIELD_UNKNOWN]`,
      '  hint: did you mean "cidrs"?',
      "1 error",
    ]);
    const json = JSON.parse((await novactl(["check", "-c", dir, "-o", "json"])).out) as { ok: boolean };
    expect(json.ok).toBe(false);
  });
  it("exits with 0 when all is right", async () => {
    writeFileSync(join(dir, "a.yaml"), "");
    expect(await novactl(["check", "-c", dir])).toEqual({
      exit: EXIT.ok,
      out: "ok: 0 resources in 1 files\n",
      err: "",
    });
  });
  it("warns of a directory without resources", async () => {
    const dir = mkdtempSync(join(tmpdir(), "nv-check-"));
    try {
      const { exit, err } = await novactl(["check", "-c", dir]);
      expect([exit, err]).toEqual([
        EXIT.ok,
        `${dir}: warning: no *.yaml with resources here: nothing would be served\n`,
      ]);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
  it("a file that is not there is told in words", async () => {
    const { exit, err } = await daemon.novactl(["apply", "-f", "/nonexistent/a.yaml"]);
    expect([exit, err]).toEqual([
      EXIT.failed,
      "novactl: error: /nonexistent/a.yaml: no such file or directory [FILE]\n",
    ]);
  });
  it("secrets are read as the daemon reads them, unless they are elsewhere", async () => {
    const dir = mkdtempSync(join(tmpdir(), "nv-check-"));
    try {
      const peer = `{name: a, address: 10.0.0.1, asn: 65000, passwordFile: ${dir}/bgp.key}`;
      writeFileSync(join(dir, "novaedge.yaml"), `bgp: {asn: 65001, peers: [${peer}]}\nl2: {keyFile: ${dir}/l2.key}\n`);
      const vip = "kind: ProxyVIP\nmetadata: {name: v}\nspec: {mode: L2ARP, address: 192.0.2.1, ports: [80]}";
      writeFileSync(join(dir, "a.yaml"), `apiVersion: novaedge.io/v1alpha1\n${vip}\n`);
      const { exit, err } = await novactl(["check", "-c", dir]);
      expect(exit).toBe(EXIT.configuration);
      expect(err).toMatch(/l2\.key: error: virtual IPs need the key of their segment/);
      expect(err).toMatch(/bgp\.key: error: a secret cannot be read: no such file/);
      expect((await novactl(["check", "-c", dir, "--no-secrets"])).exit).toBe(EXIT.ok);
      writeFileSync(join(dir, "bgp.key"), "hush\n", { mode: 0o600 });
      writeFileSync(join(dir, "l2.key"), `${"5a".repeat(32)}\n`, { mode: 0o600 });
      expect((await novactl(["check", "-c", dir])).exit).toBe(EXIT.ok);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
  it("a place that is not there", async () => {
    expect((await novactl(["check", "-c", "/nonexistent"])).exit).toBe(EXIT.configuration);
  });
});

describe("failures have codes and never a stack", () => {
  it("the daemon does not run: 3", async () => {
    const { exit, err } = await novactl(["status", "--socket", "/nonexistent/admin.sock"]);
    expect(exit).toBe(EXIT.notRunning);
    expect(err).toMatch(/^novactl: error: the daemon does not run .*\[NOT_RUNNING\]\n {2}hint: /);
  });
  it.skipIf(process.getuid?.() !== 0)("no permission: 77 (changing the user needs root)", () => {
    chmodSync(daemon.dir, 0o755);
    chmodSync(daemon.socket, 0o600);
    const words = ["cli/main.ts", "status", "--socket", daemon.socket];
    const nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath];
    const ran = spawnSync("setpriv", [...nobody, ...words], { encoding: "utf8" });
    expect(ran.stderr).toMatch(/^novactl: error: no access to .*\[PERMISSION\]\n/);
    expect(ran.status).toBe(EXIT.permission);
  });
  it("a reader that has seen enough is no error", () => {
    const ran = spawnSync("bash", ["-c", `set -o pipefail; "${process.execPath}" cli/main.ts help | head -1`], {
      encoding: "utf8",
    });
    expect([ran.status, ran.stderr]).toEqual([0, ""]);
  });
  it("an error inside the daemon: 1, with its code", async () => {
    await using broken = await new FakeDaemon({
      status: () => {
        throw new TypeError("oops");
      },
    }).listen();
    const { exit, err } = await broken.novactl(["status"]);
    expect([exit, err]).toEqual([EXIT.failed, "novactl: error: oops [INTERNAL]\n"]);
  });
  it("an answer that is not ours", async () => {
    await using strange = await new FakeDaemon({ status: () => undefined as never }).listen();
    const { exit, err } = await strange.novactl(["status"]);
    expect(exit).toBe(EXIT.failed);
    expect(err).not.toContain("    at ");
  });
});

describe("novactl version", () => {
  it("is the package's", async () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect(VERSION).toBe(version);
    expect((await daemon.novactl(["version"])).out).toBe(`novactl ${version}\nnovaedge 9.9.9\n`);
  });
  it("needs no daemon", async () => {
    expect(await novactl(["version", "--socket", "/nonexistent"])).toMatchObject({
      exit: EXIT.ok,
      out: `novactl ${VERSION}\nnovaedge does not answer\n`,
    });
  });
});
