"""`tower completion bash | zsh | fish`: commands and flags on the Tab key."""

from __future__ import annotations

import argparse

from agent.cli.failures import DONE
from agent.cli.parsing import Verbs

_BASH = """\
# Control Tower completion. Put into ~/.bashrc:  source <(tower completion bash)
_tower() {
  local word path="tower" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${COMP_WORDS[i]}"
    case " $(_tower_words "$path") " in *" $word "*) [[ "$word" == -* ]] || path="$path $word" ;; esac
  done
  COMPREPLY=($(compgen -W "$(_tower_words "$path")" -- "${COMP_WORDS[COMP_CWORD]}"))
  [[ ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
}
_tower_words() {
  case "$1" in
%s
  esac
}
complete -o filenames -F _tower tower
"""

_ZSH_HEAD = """\
# Control Tower completion. Put into ~/.zshrc:  source <(tower completion zsh)
autoload -U +X compinit && compinit
autoload -U +X bashcompinit && bashcompinit
"""

_FISH_HEAD = """\
# Control Tower completion. Write to ~/.config/fish/completions/tower.fish
complete -c tower -f
"""


def add_parser(verbs: Verbs[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("completion", help="print a completion script for a shell")
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def run(args: argparse.Namespace) -> int:
    from agent.cli.main import build_parser

    words = collect_words(build_parser())
    if args.shell == "fish":
        print(render_fish(words), end="")
    else:
        print((_ZSH_HEAD if args.shell == "zsh" else "") + render_bash(words), end="")
    return DONE


def collect_words(parser: argparse.ArgumentParser, path: str = "tower") -> dict[str, list[str]]:
    """Return what may follow each command path, "tower node" say: verbs, choices and long flags."""
    words: list[str] = []
    below: dict[str, list[str]] = {}
    for action in parser._actions:
        words.extend(flag for flag in action.option_strings if flag.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            for name, verb in action.choices.items():
                words.append(name)
                below.update(collect_words(verb, f"{path} {name}"))
        elif action.choices and not action.option_strings:
            words.extend(str(choice) for choice in action.choices)
    return {path: words, **below}


def render_bash(words: dict[str, list[str]]) -> str:
    """Return the script for bash; zsh runs it as well."""
    cases = (f'    "{path}") echo "{" ".join(following)}" ;;' for path, following in words.items())
    return _BASH % "\n".join(cases)


def render_fish(words: dict[str, list[str]]) -> str:
    """Return the script for fish."""
    lines = []
    for path, following in words.items():
        verbs = path.split()[1:]
        condition = " and ".join(f"__fish_seen_subcommand_from {verb}" for verb in verbs)
        condition = condition.replace(" and ", "; and ") or "__fish_use_subcommand"
        for word in following:
            what = f"-l {word[2:]}" if word.startswith("--") else f"-a {word}"
            lines.append(f"complete -c tower -n '{condition}' {what}")
    return _FISH_HEAD + "\n".join(lines) + "\n"
