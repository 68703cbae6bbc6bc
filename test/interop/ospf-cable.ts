/** Us and a peer on a cable, over both families. */
import { describe } from "../../lab/description.ts";

export const cable = describe({
  hosts: {
    us: { interfaces: { eth0: ["10.0.0.1/24", "fd00::1/64"] }, forwards: true },
    peer: { interfaces: { eth0: ["10.0.0.2/24", "fd00::2/64"] }, forwards: true },
  },
  switches: [],
  links: [{ from: "us:eth0", to: "peer:eth0" }],
});
/** The peer's router ID. */
export const PEER = "2.2.2.2";
