/** A bench over loopback runs in a network namespace of its own, which ends with its processes. */
import { spawn } from "node:child_process";
import { once } from "node:events";

export function isInNamespace(): boolean {
  return process.env["NOVAEDGE_BENCH_NAMESPACE"] !== undefined;
}

/** The same bench again, inside a network namespace that ends with its processes. */
export async function inNamespace(): Promise<never> {
  const script = 'ip link set lo up && exec "$@"';
  const args = ["--net", "sh", "-c", script, "sh", process.execPath, ...process.argv.slice(1)];
  const env = { ...process.env, NOVAEDGE_BENCH_NAMESPACE: "1" };
  const child = spawn("unshare", args, { stdio: "inherit", env });
  const [code] = await once(child, "exit");
  process.exit(typeof code === "number" ? code : 1);
}
