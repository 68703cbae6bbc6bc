import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EXIT } from "../../cli/command.ts";
import { COMMANDS, GLOBAL_FLAGS } from "../../cli/commands.ts";
import { parseArguments } from "../../cli/parse.ts";
import { novactl } from "./terminal.ts";

const parse = (words: string): unknown => {
  const parsed = parseArguments(words === "" ? [] : words.split(" "), COMMANDS, GLOBAL_FLAGS);
  if (!parsed.ok) return parsed.error.message;
  const { command, arguments: rest, flags } = parsed.value;
  return [command.name, ...rest, ...[...flags].map(([name, values]) => `${name}=${values.join("+")}`)].join(" ");
};

describe("the command line", () => {
  it.each<[string, string]>([
    ["", "help"],
    ["get vips", "get vips"],
    ["get vip edge -o json", "get vip edge output=json"],
    ["get vip edge -ojson", "get vip edge output=json"],
    ["get vip edge --output=json -A", "get vip edge output=json all-namespaces="],
    ["--socket /x get vips", "get vips socket=/x"],
    ["--socket=/x get vips", "get vips socket=/x"],
    ["apply -f a -f -", "apply filename=a+-"],
    ["get -- vips -x", "get vips -x"],
    ["get --help", "get help="],
    ["-h", "help help="],
    ["gett", 'unknown command "gett"'],
    ["get", "get needs KIND"],
    ["get a b c", 'unexpected argument "c"'],
    ["get vips -o xml", '-o: "xml" is none of table, wide, json, yaml, name'],
    ["get vips -o", "-o needs a value"],
    ["get vips -o json -o yaml", "-o is given twice"],
    ["get vips --frob", "unknown flag --frob"],
    ["status -A", "unknown flag -A"],
    ["apply --dry-run=yes", "--dry-run takes no value"],
  ])("%j", (words, expected) => {
    expect(parse(words)).toBe(expected);
  });
  it("any words give a call or a misuse", () => {
    const word = fc.oneof(
      fc.string({ maxLength: 5 }),
      fc.constantFrom("get", "-o", "json", "--", "--socket", "-f", "-", "=", "--output="),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (words) => void parseArguments(words, COMMANDS, GLOBAL_FLAGS)),
    );
  });
  it("wrong usage exits with 64 and a hint", async () => {
    expect(await novactl(["aply"])).toEqual({
      exit: EXIT.usage,
      out: "",
      err: 'novactl: error: unknown command "aply" [USAGE]\n  hint: did you mean apply?\n',
    });
  });
});

describe("help and completion come from the same table", () => {
  it("help names every command and every flag", async () => {
    const { out } = await novactl(["help"]);
    for (const { name, about } of COMMANDS) expect(out).toContain(`  ${name.padEnd(10)}  ${about}`);
    for (const command of COMMANDS) {
      const text = (await novactl(["help", command.name])).out;
      for (const flag of command.flags) expect(text).toContain(`--${flag.name}`);
      expect(text).toBe((await novactl([command.name, "--help"])).out);
    }
  });
  it("every command loads", async () => {
    for (const command of COMMANDS) expect(await command.load()).toBeTypeOf("function");
  });
  it.each<[string, readonly string[], readonly string[]]>([
    ["a command", ["sta"], ["status"]],
    ["a kind", ["get", "ga"], ["gateways"]],
    ["a format", ["get", "vips", "-o", "j"], ["json"]],
    ["a flag", ["apply", "--dr"], ["--dry-run"]],
    ["a shell", ["completion", "z"], ["zsh"]],
    ["after a flag with a value", ["--socket", "/x", "desc"], ["describe"]],
  ])("bash completes %s", async (_what, words, expected) => {
    const { out } = await novactl(["completion", "bash"]);
    const script = `${out}\nCOMP_WORDS=(novactl ${words.map((each) => `'${each}'`).join(" ")}); COMP_CWORD=${words.length}; _novactl; printf '%s\\n' "\${COMPREPLY[@]}"`;
    expect(execFileSync("bash", ["-c", script], { encoding: "utf8" }).trim().split("\n")).toEqual(expected);
  });
  it("zsh and fish get their scripts, others a hint", async () => {
    expect((await novactl(["completion", "zsh"])).out).toMatch(/^#compdef novactl\n/);
    const fish = (await novactl(["completion", "fish"])).out;
    for (const { name } of COMMANDS) expect(fish).toContain(`-a ${name} -d`);
    expect((await novactl(["completion", "tcsh"])).exit).toBe(EXIT.usage);
  });
});
