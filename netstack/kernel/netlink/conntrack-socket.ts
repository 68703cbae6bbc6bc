/**
 * ctnetlink: which connections the kernel tracks, forgetting some, changing their marks.  Synchronous.  It belongs to the
 * network namespace in which it was opened.
 */
import { Fault } from "../../../base/fault.ts";
import { AF_UNSPEC } from "../sockaddr.ts";
import { ENOENT, NETLINK_NETFILTER, NetlinkClient } from "./client.ts";
import {
  type Connection,
  CT_DELETE,
  CT_GET,
  CT_NEW,
  decodeConnection,
  encodeNamed,
  encodeNewMark,
  encodeSelection,
  type MarkFilter,
} from "./conntrack.ts";

export class ConntrackSocket implements Disposable {
  readonly #client = new NetlinkClient(NETLINK_NETFILTER, "NETLINK");

  /** Of both families; the kernel filters. */
  list(filter: MarkFilter = EVERYTHING): readonly Connection[] {
    const found = this.#client.dump("list connections", CT_GET, encodeSelection(AF_UNSPEC, filter));
    return found.map((each) => {
      const connection = decodeConnection(each);
      if (connection.ok) return connection.value;
      throw new Fault("NETLINK", { why: "the answer cannot be read", ...connection.error });
    });
  }

  /** Returns false when it was not there. */
  delete(connection: Connection): boolean {
    return this.#change("delete a connection", CT_DELETE, encodeNamed(connection));
  }

  /** The kernel forgets all of them; their next packets are first ones. */
  flush(filter: MarkFilter): void {
    this.#client.request("delete connections", CT_DELETE, 0, encodeSelection(AF_UNSPEC, filter));
  }

  /** Changes the bits of the mask; returns false when the connection was not there. */
  setMark(connection: Connection, to: MarkFilter): boolean {
    return this.#change("change a connection's mark", CT_NEW, encodeNewMark(connection, to));
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }

  #change(what: string, type: number, payload: Uint8Array): boolean {
    const verdict = this.#client.try(type, 0, payload);
    if (verdict.errno !== 0 && verdict.errno !== ENOENT) throw this.#client.refusal(what, verdict);
    return verdict.errno === 0;
  }
}

const EVERYTHING: MarkFilter = { mark: 0, mask: 0 };
