/**
 * The rule that keeps nudges (nudge.ts) out of connection tracking.  It has to stand before that, in a chain of its own,
 * which every packet that leaves this host would meet, a tunnel's twice: so it has a table of its own, which is there only
 * while a link is dead.
 */
import { TABLE_PREFIX } from "../../../netstack/kernel/marks.ts";
import type { SetSocket } from "../../../netstack/kernel/netlink/set-socket.ts";
import type { Nftables } from "../../../netstack/kernel/nftables.ts";
import { NUDGE_CLASS } from "../nudge.ts";

/** Makes the table, or removes it, when it is not so yet. */
export function keepUntracked(sets: SetSocket, nft: Nftables, wanted: boolean): void {
  const there = sets.tables().some(({ family, name }) => family === "inet" && name === NUDGE_TABLE);
  if (there !== wanted) nft.transaction(wanted ? MADE : `delete table inet ${NUDGE_TABLE}\n`);
}

const NUDGE_TABLE = `${TABLE_PREFIX}_nudge`;
const MADE = `table inet ${NUDGE_TABLE} {
  chain output {
    type filter hook output priority raw; policy accept;
    meta priority ${NUDGE_CLASS} notrack
  }
}
`;
