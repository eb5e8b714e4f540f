#!/usr/bin/python3
"""Man pages and completions from what the programs say of themselves.

make_docs.py man  DESCRIPTION.json VERSION PAGE.in   fills @OPTIONS@, @COMMANDS@, @SYNOPSIS@, @VERSION@
make_docs.py keys KEYS.json        VERSION PAGE.in   fills @KEYS@
make_docs.py bash|zsh DESCRIPTION.json               a completion script

DESCRIPTION.json is `PROGRAM --describe` (daemon/app/describe.h), KEYS.json `tidegated --describe-keys`.
The result goes to standard output.
"""
import json
import re
import sys
from pathlib import Path


def roff(text):
    text = text.replace('\\', '\\e').replace('-', '\\-').replace('…', '...').replace('"', '\\(dq')
    return re.sub(r"^([.'])", r'\\&\1', text)


def value_name(option):
    """FILE of "TEXT:FILE"; the choices of "TEXT:{a,b}" are told in the help."""
    return option['value'].split(':')[0].split(' in ')[0].strip()


def choices(option):
    found = re.search(r'\{([^}]*)\}', option['value'])
    return [item.split('->')[0].strip() for item in found.group(1).split(',')] if found else []


# --- man pages

def option_entry(option):
    if option['names']:
        term = ', '.join(f'\\fB{roff(name)}\\fR' for name in option['names'])
        if option['value']:
            term += f' \\fI{roff(value_name(option))}\\fR'
    else:
        term = f'\\fI{roff(option["value"])}\\fR'
    help_text = option['help']
    notes = []
    if choices(option):
        notes.append('one of ' + ', '.join(choices(option)))
    if option['default']:
        notes.append('default: ' + option['default'])
    if option['required']:
        notes.append('required')
    if notes:
        help_text = f'{help_text} ({"; ".join(notes)})'.lstrip()
    return ['.TP', term, roff(help_text)]


def option_entries(command, with_help):
    return [line for option in command['options'] if with_help or '--help' not in option['names']
            for line in option_entry(option)]


def leaves(command, path=()):
    """Commands that do something, with their path: the inner ones only lead there."""
    for child in command['commands']:
        here = (*path, child['name'])
        if child['commands']:
            yield from leaves(child, here)
        else:
            yield here, child


def arguments(command):
    """What a command takes, as its synopsis says it."""
    parts = []
    for option in command['options']:
        if not option['names']:
            name = f'\\fI{roff(option["value"])}\\fR'
            parts.append(name if option['required'] else f'[{name}]')
        elif option['required']:
            parts.append(f'\\fB{roff(option["names"][-1])}\\fR \\fI{roff(value_name(option))}\\fR')
    if any(option['names'] and not option['required'] and '--help' not in option['names']
           for option in command['options']):
        parts.append('[\\fIOPTIONS\\fR]')
    return ' '.join(parts)


def man_page(description, template, version):
    program = f'\\fB{roff(description["name"])}\\fR'
    commands = []
    synopsis = []
    for path, command in leaves(description):
        line = f'\\fB{roff(" ".join(path))}\\fR {arguments(command)}'.rstrip()
        synopsis += [f'{program} {line}', '.br']
        commands += ['.SS ' + f'"{line}"', roff(command['help'] or path[-1])]
        commands += option_entries(command, with_help=False)
    if not synopsis:
        synopsis = [f'{program} {arguments(description)}']
    elif synopsis[-1] == '.br':
        synopsis.pop()
    return (template.replace('@SYNOPSIS@', '\n'.join(synopsis))
            .replace('@OPTIONS@', '\n'.join(option_entries(description, with_help=True)))
            .replace('@COMMANDS@', '\n'.join(commands))
            .replace('@VERSION@', version))


UNITS = {'size': [(1 << 40, 'TiB'), (1 << 30, 'GiB'), (1 << 20, 'MiB'), (1 << 10, 'KiB')],
         'duration': [(86_400_000, 'd'), (3_600_000, 'h'), (60_000, 'm'), (1000, 's'), (1, 'ms')]}


def with_unit(kind, number):
    for factor, unit in UNITS.get(kind, []):
        if number and number % factor == 0:
            return f'{number // factor}{unit}'
    return str(number)


def key_entry(key):
    kind = key['type']
    facts = [f'one of {key["values"].replace("|", ", ")}' if key['values'] else kind]
    if key['default']:
        facts.append(f'default {key["default"]}')
    if key['min'] is not None:
        facts.append(f'{with_unit(kind, key["min"])} to {with_unit(kind, key["max"])}')
    if key['live']:
        facts.append('applied by a reload')
    if not key['available']:
        facts.append('not available in this version: checked, then named in a warning')
    help_text = key['help'][:1].upper() + key['help'][1:]
    return ['.TP', f'\\fB{roff(key["path"])}\\fR', roff(f'{help_text}.'), '.br',
            roff('; '.join(facts)) + '.']


def keys_page(keys, template, version):
    """One section for each key at the root, in the table's order."""
    lines = []
    for key in keys:
        if '.' in key['path'] or '[' in key['path']:
            lines += key_entry(key)
        else:
            lines += [f'.SS {roff(key["path"])}', *key_entry(key)[2:]]
    return template.replace('@KEYS@', '\n'.join(lines)).replace('@VERSION@', version)


# --- completions

def all_commands(command, path=()):
    yield path, command
    for child in command['commands']:
        yield from all_commands(child, (*path, child['name']))


def bash_completion(description):
    program = description['name']
    function = '_' + program.replace('-', '_')
    steps, words, values = [], [], []
    for path, command in all_commands(description):
        here = ' '.join(path)
        for child in command['commands']:
            steps.append(f"'{here}/{child['name']}'")
        taken = {name for option in command['options'] for name in option['names']}
        inherited = [option for option in description['options'] if path
                     and not taken.intersection(option['names'])]
        options = command['options'] + inherited  # the program's own may stand behind a command, too
        offered = [child['name'] for child in command['commands']]
        offered += [name for option in options for name in option['names']]
        words.append(f"    '{here}') words='{' '.join(offered)}' ;;")
        for option in options:
            if option['names'] and option['value']:
                patterns = '|'.join(f"'{here}/{name}'" for name in option['names'])
                values.append((patterns, choices(option)))
    lines = [f'# bash completion for {program}; made from its command line definition', f'{function}() {{',
             "  local current=${COMP_WORDS[COMP_CWORD]} at='' words='' i",
             '  for ((i = 1; i < COMP_CWORD; i++)); do',
             '    case "$at/${COMP_WORDS[i]}" in']
    if steps:
        lines.append(f'      {"|".join(steps)}) at="${{at:+$at }}${{COMP_WORDS[i]}}" ;;')
    lines += ['      *) ;;', '    esac', '  done',
              '  case "$at/${COMP_WORDS[COMP_CWORD - 1]}" in']
    for patterns, chosen in values:
        done = f"compgen -W '{' '.join(chosen)}'" if chosen else 'compgen -f'
        lines += [f'    {patterns})', f'      mapfile -t COMPREPLY < <({done} -- "$current")',
                  '      return ;;']
    lines += ['    *) ;;', '  esac', '  case "$at" in', *words, '    *) ;;', '  esac',
              '  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")', '}',
              f'complete -o filenames -F {function} {program}']
    return '\n'.join(lines) + '\n'


def zsh_text(text):
    return re.sub(r"([\[\]:\\])", r'\\\1', text).replace("'", "'\\''")


def zsh_option(option):
    help_text = f'[{zsh_text(option["help"])}]' if option['help'] else ''
    value = ''
    if option['value']:
        chosen = choices(option)
        done = f'({" ".join(chosen)})' if chosen else '_files'
        value = f':{zsh_text(value_name(option))}:{done}'
    return [f"'{name}{help_text}{value}'" for name in option['names']]


def zsh_function(name, command):
    specs = [spec for option in command['options'] for spec in zsh_option(option)]
    lines = [f'{name}() {{']
    if command['commands']:
        specs += ["'1: :->command'", "'*:: :->arguments'"]
        lines += ['  local state line', '  typeset -A opt_args']
    specs = specs or ["'*:: :_files'"]
    flag = ' -C' if command['commands'] else ''
    lines.append(f'  _arguments{flag} \\\n    ' + ' \\\n    '.join(specs))
    if command['commands']:
        lines += ['  case $state in', '    command)', '      local -a commands=(']
        lines += [f"        '{child['name']}:{zsh_text(child['help'])}'" for child in command['commands']]
        lines += ['      )', '      _describe command commands ;;', '    arguments)',
                  '      case $words[1] in']
        lines += [f'        {child["name"]}) {name}_{child["name"].replace("-", "_")} ;;'
                  for child in command['commands']]
        lines += ['      esac ;;', '  esac']
    return lines + ['}']


def zsh_completion(description):
    program = description['name']
    function = '_' + program.replace('-', '_')
    lines = [f'#compdef {program}', f'# made from the command line definition of {program}']
    for path, command in all_commands(description):
        name = '_'.join([function, *(part.replace('-', '_') for part in path)])
        lines += zsh_function(name, command)
    lines.append(f'{function} "$@"')
    return '\n'.join(lines) + '\n'


def main():
    kind, source, *rest = sys.argv[1:]
    given = json.loads(Path(source).read_text())
    if kind in ('bash', 'zsh'):
        text = bash_completion(given) if kind == 'bash' else zsh_completion(given)
    else:
        version, page = rest
        fill = man_page if kind == 'man' else keys_page
        text = fill(given, Path(page).read_text(), version)
    sys.stdout.write(text)


main()
