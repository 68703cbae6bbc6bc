/**
 * nftables through libnftables, the library inside `nft`: one transaction per call, in nft's own language or JSON, no
 * process spawned.  A transaction is applied as a whole or not at all.
 * Left out on purpose: `include` and `define` from files; what renews leases every few milliseconds (that is
 * netlink/set-elements.ts, which does without the library's parser).
 *
 * A context belongs to the network namespace in which it was opened.  Where that is not the thread's own, calls that
 * name interfaces must be made inside it too (namespace.ts): the library looks indexes up where it runs.
 */
import koffi from "koffi";
import { Fault } from "../../base/fault.ts";
import { TABLE_PREFIX } from "./marks.ts";

export interface Table {
  readonly family: string;
  readonly name: string;
}

export class Nftables implements Disposable {
  readonly #library: Library;
  #context: unknown;

  constructor() {
    this.#library = open();
    const context = this.#library.create(NFT_CTX_DEFAULT);
    if (context === null) throw new Fault("NFTABLES", { call: "nft_ctx_new" });
    this.#library.bufferOutput(context);
    this.#library.bufferError(context);
    this.#context = context;
  }

  /** Applies a script of nft commands or a `table … { }` ruleset, all or nothing.  Returns what it prints. */
  transaction(script: string): string {
    return this.#run(script, 0);
  }

  /** Applies commands in libnftables-json(5) form: `[{ add: { … } }]`. */
  apply(commands: readonly unknown[]): void {
    this.#run(JSON.stringify({ nftables: commands }), NFT_CTX_OUTPUT_JSON);
  }

  /** Objects of the answer to one listing command, in libnftables-json(5) form, without the head. */
  list(command: string): readonly Readonly<Record<string, unknown>>[] {
    const answer = this.#run(command, NFT_CTX_OUTPUT_JSON);
    if (answer === "") return [];
    const parsed = JSON.parse(answer) as { nftables?: readonly Record<string, unknown>[] };
    return (parsed.nftables ?? []).filter((each) => each["metainfo"] === undefined);
  }

  listTables(prefix: string = TABLE_PREFIX): readonly Table[] {
    return this.list("list tables")
      .map((each) => each["table"] as Table | undefined)
      .filter((table) => table?.name.startsWith(prefix) === true)
      .map((table) => ({ family: table?.family ?? "", name: table?.name ?? "" }));
  }

  /** The table in nft's own language, as an operator would see it; undefined when there is none. */
  dumpTable(family: string, name: string): string | undefined {
    const there = this.listTables(name).some((table) => table.family === family && table.name === name);
    return there ? this.transaction(`list table ${family} ${name}`) : undefined;
  }

  [Symbol.dispose](): void {
    if (this.#context === undefined) return;
    this.#library.free(this.#context);
    this.#context = undefined;
  }

  #run(input: string, output: number): string {
    if (this.#context === undefined) throw new TypeError("nftables used after it was disposed");
    this.#library.setOutput(this.#context, output);
    const failed = this.#library.run(this.#context, input) !== 0;
    // Both buffers are read after every command: reading is what empties them.
    const printed = this.#library.output(this.#context);
    const complaint = this.#library.error(this.#context).trim();
    if (failed) throw new Fault("NFTABLES", { message: complaint === "" ? "no reason given" : complaint });
    return printed;
  }
}

interface Library {
  create(flags: number): unknown;
  free(context: unknown): void;
  bufferOutput(context: unknown): number;
  bufferError(context: unknown): number;
  setOutput(context: unknown, flags: number): void;
  run(context: unknown, input: string): number;
  output(context: unknown): string;
  error(context: unknown): string;
}

/** Loaded at first use: a host without virtual IPs or steering needs no libnftables. */
let loaded: Library | undefined;
function open(): Library {
  if (loaded !== undefined) return loaded;
  const native = load();
  const declare = <F>(prototype: string): F => native.func(prototype) as F;
  loaded = {
    create: declare("void *nft_ctx_new(uint32)"),
    free: declare("void nft_ctx_free(void *)"),
    bufferOutput: declare("int nft_ctx_buffer_output(void *)"),
    bufferError: declare("int nft_ctx_buffer_error(void *)"),
    setOutput: declare("void nft_ctx_output_set_flags(void *, uint32)"),
    run: declare("int nft_run_cmd_from_buffer(void *, str)"),
    output: declare("str nft_ctx_get_output_buffer(void *)"),
    error: declare("str nft_ctx_get_error_buffer(void *)"),
  };
  return loaded;
}

function load(): ReturnType<typeof koffi.load> {
  try {
    return koffi.load(LIBRARY);
  } catch (cause) {
    throw new Fault("LIBRARY_MISSING", { library: LIBRARY, package: "libnftables1" }, cause);
  }
}

const LIBRARY = "libnftables.so.1";
const NFT_CTX_DEFAULT = 0;
const NFT_CTX_OUTPUT_JSON = 1 << 4;
