/** Who speaks BGP or OSPF on this host beside us: the sockets of /proc/net, and whose they are.  Nothing but Node. */
import { readdirSync, readlinkSync } from "node:fs";
import type { DoctorCheck } from "../admin/api.ts";

/** Texts of /proc/net. */
export interface SocketTables {
  readonly tcp: string;
  readonly raw: string;
}
export interface Running {
  readonly pid: number;
  readonly command: string;
}

/** `owners`: inode of a socket → who has it; what cannot be looked up belongs to somebody. */
export function routingRivals(
  { tcp, raw }: SocketTables,
  owners: (inodes: ReadonlySet<string>) => ReadonlyMap<string, Running>,
): readonly DoctorCheck[] {
  // In /proc/net/raw the protocol stands in the place of the port.
  const bgp = inodesOf(tcp, BGP_PORT, LISTENING);
  const ospf = inodesOf(raw, OSPF_PROTOCOL, undefined);
  const known = bgp.length + ospf.length === 0 ? new Map<string, Running>() : owners(new Set([...bgp, ...ospf]));
  const strangers = (inodes: readonly string[]): readonly string[] => {
    const names = inodes.map((inode) => known.get(inode)).filter((each) => each?.command.startsWith(OURS) !== true);
    return [...new Set(names.map((each) => (each === undefined ? "a process" : `${each.command} (pid ${each.pid})`)))];
  };
  const found: DoctorCheck[] = [];
  const listeners = strangers(bgp);
  if (listeners.length > 0) {
    const hint = "stop it, give it another address, or write bgp.listen";
    found.push({ ...CHECK, name: "conflict.bgp", message: `${listeners.join(", ")} listens on port 179`, hint });
  }
  const speakers = strangers(ospf);
  if (speakers.length > 0) {
    const message = `${speakers.join(", ")} speaks OSPF (protocol 89), and hears what is sent to us`;
    const hint = "two OSPF routers on one host need interfaces of their own";
    found.push({ ...CHECK, name: "conflict.ospf", message, hint });
  }
  if (found.length > 0) return found;
  const message = "nobody else listens on port 179 or speaks OSPF";
  return [{ name: "conflict.routing", verdict: "ok", message, hint: undefined }];
}

/** Sockets whose local port is `port` (hexadecimal digits), in the state. */
function inodesOf(table: string, port: string, state: string | undefined): readonly string[] {
  return table.split("\n").flatMap((line) => {
    const [, local = "", , st, , , , , , inode] = line.trim().split(/\s+/);
    if (inode === undefined || !local.endsWith(`:${port}`)) return [];
    return state === undefined || st === state ? [inode] : [];
  });
}

/** By what they hold open; of other users' processes only root learns that. */
export function ownersOf(inodes: ReadonlySet<string>, running: readonly Running[]): ReadonlyMap<string, Running> {
  const owners = new Map<string, Running>();
  for (const each of running) {
    for (const target of openedBy(each.pid)) {
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      if (inode !== undefined && inodes.has(inode) && !owners.has(inode)) owners.set(inode, each);
    }
  }
  return owners;
}

function openedBy(pid: number): readonly string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).flatMap((fd) => linkOf(`${folder}/${fd}`) ?? []);
  } catch {
    return []; // it has ended, or is somebody else's
  }
}
function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // closed meanwhile
  }
}

const CHECK = { verdict: "warning" } as const;
const BGP_PORT = "00B3";
const OSPF_PROTOCOL = "0059";
const LISTENING = "0A";
/** The names of our processes begin so. */
const OURS = "novaedge";
