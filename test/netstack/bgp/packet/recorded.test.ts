/** What other speakers sent, read as they meant it, and said again by us. */
import { expect, describe as group, test } from "vitest";
import { encode } from "../../../../netstack/bgp/packet/codec.ts";
import { encodeUpdate } from "../../../../netstack/bgp/packet/packing.ts";
import { describe } from "../../../../netstack/bgp/packet/text.ts";
import { decodeUpdates, meaning } from "./meaning.ts";
import { hex, read } from "./octets.ts";
import { agreedFor, RECORDED } from "./recorded.ts";

group("recorded", () => {
  test.each(RECORDED.map((each) => [each.origin, each.session, each] as const))(
    "%s (%s)",
    (_origin, _session, each) => {
      const agreed = agreedFor(each);
      const message = read(hex(each.hex), agreed);
      if (!message.ok) throw new Error(message.error.kind);
      expect(describe(message.value)).toBe(each.text);
      if (message.value.kind === "update") {
        expect(message.value.faults).toEqual([]);
        const again = decodeUpdates(encodeUpdate(message.value, agreed), agreed);
        expect(again && meaning(again)).toBe(meaning([message.value]));
      } else expect(read(encode(message.value, agreed), agreed)).toEqual(message);
    },
  );
});
