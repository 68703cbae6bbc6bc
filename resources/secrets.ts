/** Which files hold the secrets of routing protocols; and configuration without the secrets in it, to be shown. */
import { BFD_KEY_LENGTH } from "./bfd.ts";
import type { ResourceSet } from "./kinds.ts";
import type { OspfAuthSettings } from "./ospf.ts";
import { HIDDEN, SECRET_FIELDS } from "./routing-values.ts";
import type { Settings } from "./settings.ts";

export interface SecretFile {
  readonly file: string;
  /** Characters that its secret may have. */
  readonly most: number;
  /** A key of WireGuard: 32 octets in base64. */
  readonly wireGuard?: true;
}

export function secretFiles(
  { bgp, ospf, bfd }: Settings,
  { vips, remoteClusters }: ResourceSet,
): readonly SecretFile[] {
  const sessions = [...(bgp?.peers ?? []), ...(bgp?.dynamic ?? [])];
  const auths = [...(ospf?.v2?.areas ?? []), ...(ospf?.v3?.areas ?? [])].flatMap(({ interfaces }) =>
    interfaces.flatMap(({ auth }): readonly OspfAuthSettings[] => (auth === undefined ? [] : [auth])),
  );
  return [
    ...sessions.flatMap(({ passwordFile, ao }) => [...named(passwordFile, 80), ...named(ao?.keyFile, 80)]),
    ...auths.flatMap(ospfFiles),
    ...bfd.sessions.flatMap(({ auth }) => (auth === undefined ? [] : named(auth.keyFile, BFD_KEY_LENGTH[auth.type]))),
    ...remoteClusters.flatMap(({ spec }): readonly SecretFile[] => {
      const { presharedKeyFile } = spec.connection.tunnel.wireGuard;
      if (presharedKeyFile === undefined || spec.paused) return [];
      return [{ file: presharedKeyFile, most: 44, wireGuard: true }];
    }),
    ...vips.flatMap(({ spec }) => named(spec.ospfConfig.authKeyFile, ospfMost(spec.ospfConfig.authType))),
  ];
}

function ospfFiles(auth: OspfAuthSettings): readonly SecretFile[] {
  const password = "passwordFile" in auth ? auth.passwordFile : undefined;
  return [...named(password, 8), ...auth.keys.flatMap((key) => named(key.secretFile, ospfMost(key.algorithm)))];
}
function ospfMost(type: string): number {
  return type === "simple" ? 8 : type === "md5" ? 16 : 80;
}
function named(file: string | undefined, most: number): readonly SecretFile[] {
  return file === undefined ? [] : [{ file, most }];
}

/** The same plain value, secrets replaced.  Only under `spec` and in settings: labels may be called anything. */
export function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      if (SECRET_FIELDS.has(name) && typeof inner === "string") return [name, HIDDEN];
      return [
        name,
        name === "metadata" || name === "matchExpressions" || name === "matchLabels" ? inner : withoutSecrets(inner),
      ];
    }),
  );
}
