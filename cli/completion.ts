/** `novactl completion`: scripts for bash, zsh and fish, written from the table of commands. */
import { KIND_NAMES } from "../resources/names.ts";
import { type Action, type Argument, type Command, CommandError, EXIT, type Flag } from "./command.ts";
import { COMMANDS, GLOBAL_FLAGS } from "./commands.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;

// oxlint-disable-next-line require-await -- an Action is asynchronous
export const completion: Action = async (call) => {
  const [shell = ""] = call.arguments;
  switch (shell) {
    case "bash":
      call.io.out(bash());
      return EXIT.ok;
    case "zsh":
      // zsh runs bash's completions; one script is one truth.
      call.io.out(`#compdef novactl\nautoload -U +X bashcompinit && bashcompinit\n${bash()}`);
      return EXIT.ok;
    case "fish":
      call.io.out(fish());
      return EXIT.ok;
    default:
      throw new CommandError(EXIT.usage, "USAGE", `no completion for ${shell}`, `one of ${SHELLS.join(", ")}`);
  }
};

const KINDS = Object.values(KIND_NAMES).map(({ names }) => names[0] ?? "");
const LIST_NAMES = 'novactl get "$kind" -A -o name 2>/dev/null';

const LIST_PEERS = "novactl bgp -o name 2>/dev/null";

function noneOf({ name }: Command, { choices }: Argument): string {
  const words = name === "help" ? COMMANDS.map((each) => each.name) : choices;
  return words === undefined ? ":" : `compgen -W "${words.join(" ")}"`;
}

function flagsOf(command: Command): readonly Flag[] {
  return [...command.flags, ...GLOBAL_FLAGS];
}
function words(flags: readonly Flag[]): string {
  return flags.flatMap((flag) => [`--${flag.name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])]).join(" ");
}
function spelt(flag: Flag): string {
  return [`--${flag.name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])].join("|");
}

function bash(): string {
  const values = new Map<string, string>();
  for (const flag of [...GLOBAL_FLAGS, ...COMMANDS.flatMap((each) => each.flags)]) {
    if (flag.value === undefined) continue;
    const { choices, complete } = flag.value;
    const reply =
      choices !== undefined ? `compgen -W "${choices.join(" ")}"` : complete === "file" ? "compgen -f" : ":";
    values.set(spelt(flag), `      ${spelt(flag)}) COMPREPLY=($(${reply} -- "$cur")); return ;;\n`);
  }
  const taking = [...values.keys()].join("|");
  const cases = COMMANDS.map((command) => {
    const places = command.arguments.map((argument, index) => {
      const reply = {
        kind: `compgen -W "${[...KINDS, ...(command.name === "get" ? ["all"] : [])].join(" ")}"`,
        name: `compgen -W "$(kind="\${words[1]}"; ${LIST_NAMES})"`,
        shell: `compgen -W "${SHELLS.join(" ")}"`,
        peer: `compgen -W "$(${LIST_PEERS})"`,
        none: noneOf(command, argument),
      }[argument.complete];
      return `          ${index + 1}) COMPREPLY=($(${reply} -- "$cur")) ;;\n`;
    });
    const arguments_ = places.length === 0 ? "" : `        case $count in\n${places.join("")}        esac ;;\n`;
    return `      ${command.name})
        if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "${words(flagsOf(command))}" -- "$cur")); return; fi
${arguments_ === "" ? "        ;;\n" : arguments_}`;
  });
  return `# bash completion of novactl
_novactl() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}"
  local words=() count=0 index
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "\${COMP_WORDS[index]}" in
      ${taking}) ((index++)) ;;
      -*) ;;
      *) words+=("\${COMP_WORDS[index]}"); ((count++)) ;;
    esac
  done
  if ((count == 0)) && [[ $cur != -* ]]; then
    COMPREPLY=($(compgen -W "${COMMANDS.map((each) => each.name).join(" ")}" -- "$cur"))
    return
  fi
  case "$prev" in
${[...values.values()].join("")}  esac
  case "\${words[0]}" in
${cases.join("")}      *) COMPREPLY=($(compgen -W "${words(GLOBAL_FLAGS)}" -- "$cur")) ;;
  esac
}
complete -F _novactl novactl
`;
}

function fish(): string {
  const lines = ["# fish completion of novactl", "complete -c novactl -f"];
  const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const flag = (each: Flag, condition: string): void => {
    const short = each.short === undefined ? "" : ` -s ${each.short}`;
    const { value } = each;
    const takes =
      value === undefined
        ? ""
        : value.choices !== undefined
          ? ` -x -a ${quoted(value.choices.join(" "))}`
          : value.complete === "file"
            ? " -r -F"
            : " -x";
    lines.push(`complete -c novactl${condition} -l ${each.name}${short}${takes} -d ${quoted(each.about)}`);
  };
  for (const each of GLOBAL_FLAGS) flag(each, "");
  for (const command of COMMANDS) {
    const after = ` -n ${quoted(`__fish_seen_subcommand_from ${command.name}`)}`;
    lines.push(`complete -c novactl -n __fish_use_subcommand -a ${command.name} -d ${quoted(command.about)}`);
    for (const each of command.flags) flag(each, after);
    for (const argument of command.arguments) {
      if (argument.complete === "kind") lines.push(`complete -c novactl${after} -a ${quoted(KINDS.join(" "))}`);
      if (argument.choices !== undefined) {
        lines.push(`complete -c novactl${after} -a ${quoted(argument.choices.join(" "))}`);
      }
      if (argument.complete === "peer") lines.push(`complete -c novactl${after} -a ${quoted(`(${LIST_PEERS})`)}`);
      if (argument.complete === "shell") lines.push(`complete -c novactl${after} -a ${quoted(SHELLS.join(" "))}`);
    }
  }
  return `${lines.join("\n")}\n`;
}
