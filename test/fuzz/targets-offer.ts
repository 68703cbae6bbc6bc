/** What sites tell each other about ways to meet: read only when it is authentic, and safe even then. */
import { ipOf } from "../../base/address.ts";
import { readOffer, writeOffer } from "../../sdwan/nat/offer.ts";
import { must, type Target } from "./target.ts";

const candidate = { at: { ip: ipOf("203.0.113.11"), port: 51_820 }, kind: "mapped" } as const;
const tunnel = {
  link: "a",
  peerLink: "b",
  dscp: 0,
  candidates: [candidate],
  attempt: 1,
  direct: false,
  seen: undefined,
} as const;
const good = writeOffer({
  from: "berlin",
  to: "paris",
  epoch: 1,
  sequence: 2,
  heard: { epoch: 3, sequence: 4 },
  tunnels: [{ ...tunnel, mapping: "endpoint-independent", step: undefined }],
});

const offer: Target = {
  name: "wan-offer",
  corpus: [Buffer.from(good)],
  tokens: ['"', "{", "}", "[", "]", ",", ":", "null", "-1", "1e999", '"__proto__":', "\\u0000"].map((each) =>
    Buffer.from(each),
  ),
  run(memory, start, end) {
    const result = readOffer(memory.toString("utf8", start, end));
    if (!result.ok) return must(result.error.why.length > 0, "refused without a name");
    const again = readOffer(writeOffer(result.value));
    must(
      again.ok && writeOffer(again.value) === writeOffer(result.value),
      "an offer changes when it is written and read",
    );
  },
};

export const OFFER: readonly Target[] = [offer];
