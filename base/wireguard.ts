/** A WireGuard device as it is, and changes to it: plain data.  Keys in base64, as wg(8) writes them. */

export interface WireguardState {
  readonly privateKey: string | undefined;
  readonly listenPort: number;
  /** Of the outer packets (fwmark); 0 = none. */
  readonly mark: number;
  readonly peers: readonly WireguardPeer[];
}

export interface WireguardPeer {
  readonly publicKey: string;
  readonly presharedKey: string | undefined;
  /** "192.0.2.1:51820", "[2001:db8::1]:51820" */
  readonly endpoint: string | undefined;
  /** Seconds; 0 = none. */
  readonly keepalive: number;
  /** Milliseconds since the epoch; undefined = none yet. */
  readonly lastHandshake: number | undefined;
  readonly received: number;
  readonly sent: number;
  /** Canonical: RFC 5952, host bits zero. */
  readonly allowedIps: readonly string[];
}

/** What is absent stays as it is.  Peers are changed in the order of the list. */
export interface WireguardChange {
  readonly privateKey?: string;
  readonly listenPort?: number;
  readonly mark?: number;
  readonly peers: readonly WireguardPeerChange[];
}

export type WireguardPeerChange =
  | { readonly kind: "remove"; readonly publicKey: string }
  | {
      readonly kind: "set";
      readonly publicKey: string;
      /** "none" takes it away. */
      readonly presharedKey?: string;
      readonly endpoint?: string;
      readonly keepalive?: number;
      /** Prefixes that it gets on top of what it has; who had one of them loses it in the same moment. */
      readonly allowedIps?: readonly string[];
    };

export type WireguardEngine = "kernel" | "wireguard-go";
