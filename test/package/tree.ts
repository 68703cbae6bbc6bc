/**
 * A Debian 12 userland with systemd, from Debian's packages: what a package is installed into.  Made once (half a minute,
 * 200 MB) and kept in node_modules/.cache; a container works on an overlay of it.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const trees = join(import.meta.dirname, "../../node_modules/.cache/trees");

/** systemd and what it needs, all that our package depends on, rpm, and AppArmor's parser. */
const PACKAGES = [
  "systemd systemd-sysv dbus init-system-helpers procps",
  "libatomic1 libstdc++6 libnftables1 nftables iproute2 wireguard-tools wireguard-go",
  "rpm apparmor",
]
  .join(" ")
  .split(" ");

/** What a container has no use for, or would wait for. */
const MASKED = [
  "console-getty.service getty@.service systemd-logind.service systemd-networkd-wait-online.service",
  "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer",
].join(" ");

/** Path of the tree; nobody writes into it. */
export async function debianTree(): Promise<string> {
  const recipe = [...PACKAGES, MASKED].join(" ");
  const tree = join(trees, `bookworm-${createHash("sha256").update(recipe).digest("hex").slice(0, 12)}`);
  if (existsSync(tree)) return tree;
  const making = `${tree}.${process.pid}`;
  mkdirSync(trees, { recursive: true });
  try {
    await promisify(execFile)(
      "mmdebstrap",
      [
        "--quiet",
        "--mode=root",
        "--variant=minbase",
        `--include=${PACKAGES.join(",")}`,
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        `--customize-hook=chroot "$1" systemctl mask ${MASKED}`,
        "bookworm",
        making,
      ],
      { maxBuffer: 2 ** 26 },
    );
    renameSync(making, tree);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return tree;
}
