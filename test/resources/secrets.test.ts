/** Secrets of routing protocols: where they may stand, and that they are shown nowhere. */
import { describe, expect, it } from "vitest";
import { formatDiagnostic } from "../../resources/diagnostic.ts";
import { loadResources } from "../../resources/load.ts";
import { HIDDEN } from "../../resources/routing-values.ts";
import { secretFiles, withoutSecrets } from "../../resources/secrets.ts";
import { loadSettings } from "../../resources/settings.ts";

const vip = (spec: string): ReturnType<typeof loadResources> =>
  loadResources([
    {
      file: "f",
      content: `{apiVersion: novaedge.io/v1alpha1, kind: ProxyVIP, metadata: {name: a}, spec: {ports: [80], ${spec}}}`,
    },
  ]);
const OSPF = "mode: OSPF, address: 192.0.2.20";

describe("secrets", () => {
  it("never appear in a finding", () => {
    const text = "bgp: {peers: [{name: a, address: 10.0.0.1, asn: 1, password: 'hush hush'}]}";
    const problems = loadSettings({ file: "s", content: text }).diagnostics.map(formatDiagnostic);
    expect(problems[0]).toContain("bgp.peers[0].password: what is written is not accepted");
    expect(problems.join()).not.toContain("hush");
    const own = vip(`${OSPF}, ospfConfig: {authType: simple, authKey: hushhushhush}`);
    expect(own.diagnostics.map(formatDiagnostic).join()).not.toContain("hush");
  });
  it("are replaced where a configuration is shown, and what is shown is no secret", () => {
    const spec = { ospfConfig: { authKey: "hush" }, l2: { priorities: [{ matchExpressions: [{ key: "rack" }] }] } };
    expect(withoutSecrets({ metadata: { labels: { key: "v" } }, spec })).toEqual({
      metadata: { labels: { key: "v" } },
      spec: { ospfConfig: { authKey: HIDDEN }, l2: { priorities: [{ matchExpressions: [{ key: "rack" }] }] } },
    });
    const back = vip(`${OSPF}, ospfConfig: {authType: md5, authKey: ${HIDDEN}}`);
    expect(back.diagnostics.map(({ code, message }) => `${code} ${message}`)).toEqual([
      "VALUE spec.ospfConfig.authKey: what is written is not accepted",
    ]);
  });
  it("files are known with how long their secret may be", () => {
    const { settings } = loadSettings({
      file: "s",
      content: `
bgp: {peers: [{name: a, address: 10.0.0.1, asn: 1, passwordFile: /a}, {name: b, address: 10.0.0.2, asn: 1, ao: {keyId: 1, keyFile: /b}}]}
ospf: {v2: {areas: [{id: 0, interfaces: [{name: e, auth: {passwordFile: /c}}, {name: f, auth: {keys: [{id: 1, algorithm: md5, secretFile: /d}]}}]}]}}
bfd: {sessions: [{name: s, peer: 10.0.0.3, auth: {type: sha1, keyFile: /e}}]}`,
    });
    if (settings === undefined) throw new TypeError("refused");
    const { resources } = vip(`${OSPF}, ospfConfig: {authType: hmac-sha1, authKeyFile: /f}`);
    expect(secretFiles(settings, resources)).toEqual([
      { file: "/a", most: 80 },
      { file: "/b", most: 80 },
      { file: "/c", most: 8 },
      { file: "/d", most: 16 },
      { file: "/e", most: 20 },
      { file: "/f", most: 80 },
    ]);
  });
});
