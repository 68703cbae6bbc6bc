/** What the tests of packages share: the packages themselves, made fast, and whether this machine can install them. */
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { webResources } from "../../lab/web-resources.ts";

const root = join(import.meta.dirname, "../..");

/** Why packages cannot be installed here; undefined: they can. */
export function hindrance(...tools: readonly string[]): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  const missing = tools.filter((tool) => !isThere(tool));
  return missing.length === 0 ? undefined : `needs ${missing.join(", ")}: sh tools/setup.sh test`;
}

export const CONTAINER_TOOLS = ["systemd-nspawn", "mmdebstrap", "nsenter", "unshare", "setpriv"] as const;
export const PACKAGE_TOOLS = ["dpkg-deb", "rpmbuild", "strip"] as const;

function isThere(tool: string): boolean {
  return ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Makes packages of `version` in `out`. */
export async function makePackages(
  out: string,
  version: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly deb: string; readonly rpm: string }> {
  const args = [join(root, "tools/package.ts"), "--quick", "--version", version, "--out", out];
  await promisify(execFile)(process.execPath, args, {
    env: { ...process.env, SOURCE_DATE_EPOCH: "1795000000", ...environment },
  });
  const [deb, rpm] = process.arch === "x64" ? ["amd64", "x86_64"] : ["arm64", "aarch64"];
  return {
    deb: join(out, `novaedge_${version}_${deb}.deb`),
    rpm: join(out, `novaedge-${version}-1.${rpm}.rpm`),
  };
}

export const VIP = "10.77.0.100";

/** A gateway at the virtual IP and two backends behind it; `mark` is a header of every answer. */
export function resources(mark: string): string {
  const text = webResources({
    vip: `address: ${VIP}/32, mode: L2ARP`,
    backends: ["10.78.0.11", "10.78.0.12"],
    check: "interval: 1s, httpPath: /health",
  });
  return text.replace(
    "rules: [{ backendRefs",
    `rules: [{ filters: [{ type: ResponseSetHeader, responseSet: [{ name: x-mark, value: ${mark} }] }], backendRefs`,
  );
}
