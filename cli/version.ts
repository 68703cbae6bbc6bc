/** `novactl version` */
import { VERSION } from "../base/version.ts";
import { type Action, CommandError, EXIT } from "./command.ts";
import { clean, printed } from "./output.ts";

/** A daemon that does not run is no failure here. */
export const version: Action = async (call) => {
  const daemon = await call.client.call("GET /v1/status").then(
    (answer) => answer.version,
    (thrown: unknown) => {
      if (thrown instanceof CommandError) return undefined;
      throw thrown;
    },
  );
  if (await printed(call, { novactl: VERSION, daemon })) return EXIT.ok;
  call.io.out(`novactl ${VERSION}\nnovaedge ${daemon === undefined ? "does not answer" : clean(daemon)}\n`);
  return EXIT.ok;
};
