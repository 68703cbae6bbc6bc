/** The schemas as JSON Schema (draft 2020-12), for editors and other tools: what may be written, before defaults. */
import * as z from "zod";
import { documentSchema } from "./kinds.ts";
import { KIND_NAMES, type Kind } from "./names.ts";
import { settingsSchema } from "./settings.ts";

/** Any resource. */
export function resourcesJsonSchema(): object {
  const kinds = Object.keys(KIND_NAMES) as Kind[];
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "NovaEdge resource",
    oneOf: kinds.map((kind) => bare(documentSchema(kind))),
  };
}

export function settingsJsonSchema(): object {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "NovaEdge node settings",
    ...bare(settingsSchema),
  };
}

function bare(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input" });
  return rest;
}
