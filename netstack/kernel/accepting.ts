/** What both engines know about accepting: which failures pass, which need a rest, and who handles a refused connection. */
import { ms } from "../../base/unit.ts";
import { EMFILE, ENFILE, ENOBUFS, ENOMEM } from "./errno.ts";
import type { StreamHandler } from "./loop.ts";

/** How long accepting rests when descriptors or memory ran out. */
export const ACCEPT_PAUSE = ms(100);
/** What ends by itself when somebody closes something. */
export const EXHAUSTED: ReadonlySet<number> = new Set([EMFILE, ENFILE, ENOBUFS, ENOMEM]);
/** EINTR, EAGAIN, and what accept(2) reports about the one connection: the next may be fine. */
export const PASSING: ReadonlySet<number> = new Set([4, 11, 64, 71, 92, 95, 100, 101, 103, 112, 113]);
/** Until the acceptor has named a handler, and for connections that it refuses. */
export const REFUSED: StreamHandler = {
  received(stream, chunk, start) {
    stream.forward(chunk, start, start);
  },
  ended() {},
  closed() {},
};
