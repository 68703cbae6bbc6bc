/** Making a WireGuard device of the kernel's: an rtnetlink link of that kind. */
import { EOPNOTSUPP } from "../errno.ts";
import { NETLINK_ROUTE, NetlinkClient } from "../netlink/client.ts";
import { encodeNewLink, RTM_NEWLINK } from "../netlink/link.ts";
import { NLM_F_CREATE, NLM_F_EXCL } from "../netlink/message.ts";

/** False when this kernel has none (asking loads its module where there is one); any other refusal is a Fault. */
export function addWireguardLink(name: string): boolean {
  using client = new NetlinkClient(NETLINK_ROUTE, "NETLINK");
  const payload = encodeNewLink({ name }, { kind: "wireguard" });
  const verdict = client.try(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, payload);
  if (verdict.errno === EOPNOTSUPP) return false;
  if (verdict.errno !== 0) throw client.refusal(`add WireGuard device ${name}`, verdict);
  return true;
}
