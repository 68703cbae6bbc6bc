/** A child on its channel: answers messages, and accepts on the sockets that it is given. */
import { writeSync } from "node:fs";
import { SILENT } from "../../../../base/log.ts";
import { ms } from "../../../../base/unit.ts";
import { openChildChannel } from "../../../../netstack/kernel/channel.ts";
import { openLoop } from "../../../../netstack/kernel/open-loop.ts";

const engine = process.argv[2] === "epoll" ? "epoll" : "io_uring";
const loop = openLoop({ engine, log: SILENT });
const keys: string[] = [];
const channel = openChildChannel(
  loop,
  {
    received(message) {
      if (message === "stall") {
        // Reads nothing for a while, so that what follows has to wait.
        const until = loop.now() + ms(200);
        while (loop.now() < until);
        return;
      }
      if (message === "complain") writeSync(2, "complaint\n");
      channel.send({ message, keys: [...keys] });
    },
    adopted() {
      channel.send("adopted");
    },
    receivedFd(key, fd) {
      keys.push(key);
      loop.accept(fd, {
        accepted: (stream) => {
          stream.write(Buffer.from(key));
          stream.close();
          return { received: (_stream, chunk) => loop.release(chunk), ended: () => undefined, closed: () => undefined };
        },
      });
    },
    ended(why) {
      process.exitCode = why === "closed" ? 17 : 18;
      loop.stop();
    },
  },
  3,
  4,
);
channel.send("hello");
loop.run();
