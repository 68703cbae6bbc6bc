import { describe, expect, it } from "vitest";
import { fieldsOf } from "../../resources/fields.ts";
import { documentSchema } from "../../resources/kinds.ts";
import { loadResources } from "../../resources/load.ts";
import { API_VERSION, KIND_NAMES, type Kind } from "../../resources/names.ts";
import { loadSettings, settingsSchema } from "../../resources/settings.ts";
import { stale } from "../../tools/reference.ts";
import { EXAMPLES, MORE_EXAMPLES } from "../../tools/reference-text.ts";

describe("the configuration reference", () => {
  it("is what the schemas say now (npm run docs)", () => {
    expect(stale()).toEqual([]);
  });
  it.each(Object.keys(KIND_NAMES) as Kind[])("describes every field of %s", (kind) => {
    const bare = fieldsOf(documentSchema(kind)).filter(({ about, type }) => about === "" || type === "value");
    expect(bare).toEqual([]);
  });
  it("describes every setting", () => {
    expect(fieldsOf(settingsSchema).filter(({ about, type }) => about === "" || type === "value")).toEqual([]);
  });
  it("has examples that load together", () => {
    const { settings: own, ...kinds } = EXAMPLES;
    expect(loadSettings({ file: "s", content: own }).diagnostics).toEqual([]);
    const next = kinds.ProxyBackend.replace("name: api", "name: api-next");
    const all = [...Object.entries(kinds), ...Object.entries(MORE_EXAMPLES), ["ProxyBackend", next] as const];
    const content = all.map(([kind, text]) => `---\napiVersion: ${API_VERSION}\nkind: ${kind}\n${text}`).join("");
    expect(loadResources([{ file: "f", content }]).diagnostics).toEqual([]);
  });
});
