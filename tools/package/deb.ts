/** The .deb, by dpkg-deb alone (deb(5), Debian Policy 4.6). */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { copyrightFile } from "./licences.ts";
import { runtimeFor } from "./runtime.ts";
import { completion, delivered, listing, type Making, put, settle, sizeOf, zipped } from "./stage.ts";

const packaging = join(import.meta.dirname, "../../packaging");

/** Path of the package that was made of `staged`; `work` is an empty directory. */
export function makeDeb(staged: string, work: string, out: string, making: Making): string {
  const { version, arch, epoch, packager, quick } = making;
  const tree = join(work, "deb");
  cpSync(staged, tree, { recursive: true, verbatimSymlinks: true });
  const doc = "usr/share/doc/novaedge";
  put(tree, "etc/apparmor.d/usr.lib.novaedge", readFileSync(join(packaging, "apparmor/usr.lib.novaedge")));
  put(tree, "usr/share/zsh/vendor-completions/_novactl", completion(staged, "zsh"));
  put(tree, "usr/share/lintian/overrides/novaedge", readFileSync(join(packaging, "deb/lintian-overrides")));
  put(tree, `${doc}/copyright`, copyrightFile(runtimeFor(arch)));
  put(tree, `${doc}/changelog.gz`, zipped(changelog(making)));

  const files = listing(tree).filter((path) => !path.endsWith("/"));
  const size = Math.ceil(sizeOf(tree) / 1024);
  const control = readFileSync(join(packaging, "deb/control"), "utf8")
    .replace("@VERSION@", version)
    .replace("@ARCH@", arch)
    .replace("@PACKAGER@", packager)
    .replace("@SIZE@", String(size));
  put(tree, "DEBIAN/control", control);
  put(tree, "DEBIAN/conffiles", lines(files.filter((path) => path.startsWith("etc/")).map((path) => `/${path}`)));
  const sums = files.filter((path) => path.startsWith("usr/") && !isCommand(path)).map((path) => sum(tree, path));
  put(tree, "DEBIAN/md5sums", lines(sums));
  for (const script of ["postinst", "prerm", "postrm"])
    put(tree, `DEBIAN/${script}`, readFileSync(join(packaging, "deb", script)), 0o755);
  settle(tree, epoch);

  const name = `novaedge_${version}_${arch}.deb`;
  // One thread: what several write depends on how many there are.
  const how = quick ? ["-Zgzip", "-z1"] : ["-Zxz", "-z6"];
  execFileSync("dpkg-deb", ["--root-owner-group", "--threads-max=1", ...how, "--build", tree, join(work, name)], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch), LC_ALL: "C", TZ: "UTC" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  mkdirSync(out, { recursive: true });
  delivered(join(work, name), join(out, name));
  return join(out, name);
}

/** A symbolic link. */
function isCommand(path: string): boolean {
  return path.startsWith("usr/bin/");
}

function sum(tree: string, path: string): string {
  const digest = createHash("md5")
    .update(readFileSync(join(tree, path)))
    .digest("hex");
  return `${digest}  ${path}`;
}

function lines(all: readonly string[]): string {
  return all.map((each) => `${each}\n`).join("");
}

function changelog({ version, epoch, packager }: Making): string {
  const date = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
  return `novaedge (${version}) stable; urgency=medium\n\n  * Release ${version}.\n\n -- ${packager}  ${date}\n`;
}
