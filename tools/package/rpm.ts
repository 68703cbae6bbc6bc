/** The .rpm, by rpmbuild (which Debian has too) from the finished tree. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { copyrightFile } from "./licences.ts";
import { ARCHITECTURES, runtimeFor } from "./runtime.ts";
import { completion, delivered, type Making, put, settle } from "./stage.ts";

const root = join(import.meta.dirname, "../..");

/** Path of the package that was made of `staged`; `work` is an empty directory. */
export function makeRpm(staged: string, work: string, out: string, making: Making): string {
  const { version, arch, epoch, packager, quick } = making;
  const target = ARCHITECTURES[arch].rpm;
  const tree = join(work, "rpm");
  cpSync(staged, tree, { recursive: true, verbatimSymlinks: true });
  put(tree, "usr/share/zsh/site-functions/_novactl", completion(staged, "zsh"));
  put(tree, "usr/share/licenses/novaedge/LICENSE", readFileSync(join(root, "LICENSE")));
  put(tree, "usr/share/licenses/novaedge/copyright", copyrightFile(runtimeFor(arch)));
  mkdirSync(join(tree, "etc/novaedge/conf.d"));
  settle(tree, epoch);

  const spec = join(work, "novaedge.spec");
  const users = readFileSync(join(root, "systemd/sysusers.conf"), "utf8")
    .replaceAll(/^#.*\n/gm, "")
    .trimEnd();
  const text = readFileSync(join(root, "packaging/rpm/novaedge.spec"), "utf8")
    .replace("@SYSUSERS@", users)
    .replace("@DATE@", day(epoch));
  writeFileSync(spec, text);
  const defines = {
    _topdir: join(work, "rpmbuild"),
    buildroot: join(work, "buildroot"),
    stagedir: tree,
    ver: version,
    maintainer: packager,
    // What is the same wherever and whenever it was made.
    _buildhost: "reproducible",
    use_source_date_epoch_as_buildtime: "1",
    clamp_mtime_to_source_date_epoch: "1",
    _binary_payload: quick ? "w1.zstdio" : "w6.xzdio",
    // A gigabyte of compressor's memory per thread helps nobody, and several write other octets.
    _smp_build_ncpus: "1",
  };
  const args = Object.entries(defines).flatMap(([name, value]) => ["--define", `${name} ${value}`]);
  execFileSync("rpmbuild", ["-bb", "--quiet", "--target", target, ...args, spec], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch), LC_ALL: "C", TZ: "UTC" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const name = `novaedge-${version}-1.${target}.rpm`;
  delivered(join(work, "rpmbuild/RPMS", target, name), join(out, name));
  return join(out, name);
}

/** "Fri Nov 20 2026" */
function day(epoch: number): string {
  const [weekday = "", date, month, year] = new Date(epoch * 1000).toUTCString().split(" ");
  return [weekday.replace(",", ""), month, date, year].join(" ");
}
