/** `tallystick completion`: a script for bash or zsh, made from the declared commands. */
import type { Command } from 'commander';
import { EXIT, print } from '#scripts/commands/output.ts';

/** Words that may follow each beginning of a command line. @returns by the words so far, '' at first */
export function wordsAfter(program: Command): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const visit = (command: Command, path: string): void => {
    const help = command.createHelp();
    const options = help.visibleOptions(command).flatMap(({ long }) => (long == null ? [] : [long]));
    const commands = help.visibleCommands(command).filter((sub) => sub.name() !== 'help');
    found.set(path, [...commands.map((sub) => sub.name()), ...options]);
    for (const sub of commands) visit(sub, `${path} ${sub.name()}`.trim());
  };
  visit(program, '');
  return found;
}

export function completionScript(program: Command, shell: 'bash' | 'zsh'): string {
  const cases = [...wordsAfter(program)].map(
    ([path, words]) => `    '${path}') words='${words.join(' ')}' ;;`,
  );
  const bash = `_tallystick() {
  local path='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in -*) break ;; esac
    case " $known " in *" \${path:+$path/}$word "*) path="\${path:+$path/}$word" ;; *) break ;; esac
  done
  case "\${path//\\// }" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}`;
  const known = [...wordsAfter(program).keys()]
    .filter((path) => path !== '')
    .map((path) => path.replaceAll(' ', '/'));
  const withKnown = bash.replace("words=''", `words='' known='${known.join(' ')}'`);
  // what is no word of ours is a file
  const register = 'complete -o default -F _tallystick tallystick';
  return shell === 'bash'
    ? `${withKnown}\n${register}\n`
    : `autoload -U +X bashcompinit && bashcompinit\n${withKnown}\n${register}\n`;
}

export function printCompletion(program: Command, shell: 'bash' | 'zsh'): number {
  print(completionScript(program, shell).trimEnd());
  return EXIT.ok;
}
