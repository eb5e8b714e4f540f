#!/usr/bin/python3
"""Builds and runs the tests of Tidegate; ./run-tests installs what they need and calls this.

Kinds: lint, unit, unit-asan, unit-tsan, conformance, fuzz, system, system-asan, system-tsan, install.
FILTER is a regular expression searched in KIND/NAME; only what matches is built and run. Each test
prints one line "ok NAME", "FAIL NAME" (then the end of its output) or "SKIP NAME: reason". What
failed is said again at the end; the last line is "N passed, N failed, N skipped". A Catch2
executable and a file of tests/conformance count as their test cases. Exit code 0 without failures,
1 with, 2 for bad usage.
"""
import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
JOBS = os.cpu_count() or 1
SKIPPED = 77
TAIL_LINES = 60
REASON_LINES = 12  # of a failure, said again at the end
REASONS = 5
FUZZER_PROGRESS = re.compile(r'#\d+\s')  # they would fill the tail of a failure

SANITIZER_ENV = {
    'ASAN_OPTIONS': 'detect_stack_use_after_return=1:strict_string_checks=1',
    'UBSAN_OPTIONS': 'halt_on_error=1:print_stacktrace=1',
    'TSAN_OPTIONS': 'halt_on_error=0:second_deadlock_stack=1:'
                    f'suppressions={ROOT}/tests/tools/tsan.supp',
}

# Build folders; CONTRIBUTING.md has the same table.
BUILDS = {
    'build-test': ['--buildtype=debugoptimized', '-Dwerror=true'],
    'build-asan': ['--buildtype=plain', '-Dcpp_args=-g1', '-Db_sanitize=address,undefined'],
    'build-tsan': ['--buildtype=plain', '-Dcpp_args=-g1', '-Db_sanitize=thread'],
    'build-fuzz': ['--buildtype=debugoptimized', '-Dfuzz=true', '-Dtests=false'],
}
# System tests of the broker that run under the sanitizers as well.
SANITIZED_SYSTEM = ['20-broker-fuzz', '21-broker-soak']
UNIT_BUILDS = {'unit': 'build-test', 'unit-asan': 'build-asan', 'unit-tsan': 'build-tsan'}


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.reasons = []

    def ok(self, name, seconds=None):
        self.passed += 1
        print(f'ok {name}' + (f' ({seconds:.1f} s)' if seconds is not None else ''), flush=True)

    def fail(self, name, output=''):
        self.failed += 1
        lines = output.rstrip().splitlines()
        left_out = [f'… {len(lines) - TAIL_LINES} lines before'] if len(lines) > TAIL_LINES else []
        block = ''.join(f'    {line}\n' for line in left_out + lines[-TAIL_LINES:])
        print(f'FAIL {name}\n{block}', end='', flush=True)
        reason = ''.join(f'    {line}\n' for line in lines[-REASON_LINES:])
        self.reasons.append(f'failed: {name}\n{reason}')

    def repeat_failures(self):
        """Hours of output lie between the first failure and the end."""
        print(''.join(self.reasons[:REASONS]), end='')
        for reason in self.reasons[REASONS:]:
            print(reason.splitlines()[0])

    def skip(self, name, reason):
        self.skipped += 1
        print(f'SKIP {name}: {reason}', flush=True)


def run(argv, timeout, env=None):
    """(exit code, output, seconds). What is still running after the timeout is ended with its group."""
    started = time.monotonic()
    process = subprocess.Popen(argv, cwd=ROOT, env={**os.environ, **(env or {})}, text=True,
                               errors='replace', stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            output, _ = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
        output += f'\nended after its time limit of {timeout} s'
    return process.returncode, output, time.monotonic() - started


class Runner:
    def __init__(self, pattern, long_run):
        self.pattern = pattern
        self.long = long_run
        self.tally = Tally()
        self.ready = {}  # build folder → configured
        self.all_built = False  # in build-test

    def wants(self, name):
        return self.pattern.search(name) is not None

    # --- building

    def configure(self, folder):
        if folder in self.ready:
            return self.ready[folder]
        options = BUILDS[folder]
        stamp = ROOT / folder / '.options'
        env = {}
        if folder == 'build-fuzz':
            has_ccache = subprocess.run(['which', 'ccache'], capture_output=True).returncode == 0
            env['CXX'] = ('ccache ' if has_ccache else '') + 'clang++-16'
        self.ready[folder] = True
        if not stamp.exists() or stamp.read_text() != '\n'.join(options):
            wipe = ['--wipe'] if (ROOT / folder / 'meson-private').exists() else []
            code, output, _ = run(['meson', 'setup', folder, *wipe, *options], 300, env)
            if code == 0:
                stamp.write_text('\n'.join(options))
            else:
                self.tally.fail(f'build/{folder} (configure)', output)
                self.ready[folder] = False
        else:  # a meson.build may have changed since: what is introspected must be of today
            run(['ninja', '-C', folder, 'build.ninja'], 300, env)
        return self.ready[folder]

    def build(self, folder, targets=()):
        if not self.configure(folder):
            return False
        code, output, seconds = run(['ninja', '-C', folder, '-k', '0', *targets], 3600)
        if code == 0:
            self.tally.ok(f'build/{folder}', seconds)
        else:
            errors = [block for block in re.split(r'(?m)^(?=FAILED: )', output)
                      if block.startswith('FAILED: ')]
            self.tally.fail(f'build/{folder}', '\n'.join(errors) or output)
        return code == 0

    def introspect(self, folder, what):
        text = subprocess.run(['meson', 'introspect', f'--{what}', folder], cwd=ROOT,
                              capture_output=True, text=True, check=True).stdout
        return json.loads(text)

    # --- kinds

    def lints(self):
        lints = [lint for lint in sorted((ROOT / 'tests/lint').iterdir())
                 if os.access(lint, os.X_OK) and lint.is_file() and self.wants(f'lint/{lint.name}')]
        if any(lint.name == 'clang-tidy' for lint in lints):
            self.configure('build-test')  # compile_commands.json
        for lint in lints:
            code, output, seconds = run([str(lint)], 1800)
            name = f'lint/{lint.name}'
            if code == SKIPPED:
                self.tally.skip(name, last_line(output))
            elif code == 0:
                self.tally.ok(name, seconds)
                print(''.join(f'    {line}\n' for line in output.splitlines()), end='')
            else:
                self.tally.fail(name, output)

    def plain_build(self):
        if any(self.wants(f'system/{test.name}') for test in script_tests('system')):
            self.build('build-test')
            self.all_built = True

    def units(self, kind):
        if not any(self.wants(f'{kind}/{name}') for name in unit_names()):
            return
        folder = UNIT_BUILDS[kind]
        if not self.configure(folder):
            return
        programs = {}  # name → path
        for test in self.introspect(folder, 'tests'):
            path = Path(test['cmd'][0])
            parts = path.relative_to(ROOT / folder).parts
            name = f"{kind}/{'/'.join(parts[2:-1])}"
            if parts[:2] == ('tests', 'unit') and self.wants(name):
                programs[name] = path
        if not programs:
            return
        if folder != 'build-test' or not self.all_built:
            self.build(folder, [str(path.relative_to(ROOT / folder)) for path in programs.values()])
        with ThreadPoolExecutor(JOBS) as pool:
            for name, result in zip(programs, pool.map(run_catch, programs.values()), strict=True):
                self.report_unit(name, *result)

    def report_unit(self, name, code, output, cases, seconds):
        for case, failure in cases:
            if failure is None:
                self.tally.ok(f'{name}: {case}')
            else:
                self.tally.fail(f'{name}: {case}', failure)
        if code != 0 and not any(failure for _, failure in cases):
            self.tally.fail(name, f'{output}\nexit code {code}')
        print(f'    {name}: {len(cases)} cases in {seconds:.1f} s', flush=True)

    def conformance(self):
        names = [name for name in conformance_files() if self.wants(f'conformance/{name}')]
        if not names:
            return
        broker = 'local-broker/app/tidegate-broker'
        if not self.all_built and not self.build('build-test', [broker]):
            return
        env = {'TIDEGATE_BUILD': str(ROOT / 'build-test')}
        with ThreadPoolExecutor(JOBS) as pool:
            results = pool.map(lambda name: run(['tests/conformance/run', name], 120, env), names)
            for name, (code, output, seconds) in zip(names, results, strict=True):
                self.report_conformance(f'conformance/{name}', code, output, seconds)

    def report_conformance(self, name, code, output, seconds):
        cases = re.findall(r'^(ok|FAIL) (.*)\n((?:    .*\n)*)', output, re.MULTILINE)
        for verdict, case, details in cases:
            if verdict == 'ok':
                self.tally.ok(f'{name}: {case}')
            else:
                self.tally.fail(f'{name}: {case}', details)
        if not cases or (code != 0 and all(verdict == 'ok' for verdict, _, _ in cases)):
            self.tally.fail(name, f'{output}\nexit code {code}')
        print(f'    {name}: {len(cases)} cases in {seconds:.1f} s', flush=True)

    def fuzz(self):
        sources = [source.stem for source in (ROOT / 'tests/fuzz').rglob('*.cpp')]
        if not any(self.wants(f'fuzz/{stem}') for stem in sources) or \
                not self.configure('build-fuzz'):
            return
        targets = {}
        for target in self.introspect('build-fuzz', 'targets'):
            name = f"fuzz/{target['name'].replace('-', '_')}"
            if target['type'] == 'executable' and '/tests/fuzz/' in target['defined_in'] and \
                    self.wants(name):
                targets[name] = Path(target['filename'][0])
        if not self.build('build-fuzz', [str(path.relative_to(ROOT / 'build-fuzz'))
                                         for path in targets.values()]):
            return
        seconds = 300 if self.long else 60
        with ThreadPoolExecutor(JOBS) as pool:
            results = pool.map(lambda path: run_fuzzer(path, seconds), targets.values())
            for name, (code, output, took) in zip(targets, results, strict=True):
                if code == 0:
                    self.tally.ok(name, took)
                else:
                    self.tally.fail(name, output)

    def system(self):
        self.scripts('system')

    def install(self):
        """Install tests take the packages, so these are built first."""
        if not any(self.wants(f'install/{test.name}') for test in script_tests('install')):
            return
        code, output, seconds = run(['packaging/build-deb'], 1800)
        if code != 0:
            self.tally.fail('build/build-deb', output)
            return
        self.tally.ok('build/build-deb', seconds)
        print(''.join(f'    {line}\n' for line in output.splitlines()), end='', flush=True)
        self.scripts('install')

    def scripts(self, kind):
        env = {'TIDEGATE_BUILD': str(ROOT / 'build-test'), 'TIDEGATE_LONG': '1' if self.long else '',
               'TIDEGATE_DEBS': str(ROOT / 'build-deb')}
        tests = [test for test in script_tests(kind) if self.wants(f'{kind}/{test.name}')]
        # Most of them wait most of the time; what looks at times or at the whole machine does not
        # share it.
        together = [test for test in tests if kind == 'system' and not runs_alone(test)]
        alone = [test for test in tests if test not in together]

        def run_one(test):
            return test, *run([str(test)], time_limit(test) * (10 if self.long else 1), env)

        with ThreadPoolExecutor(JOBS) as pool:
            for done in as_completed([pool.submit(run_one, test) for test in together]):
                self.report_script(kind, *done.result())
        for test in alone:
            self.report_script(kind, *run_one(test))

    def report_script(self, kind, test, code, output, seconds):
        name = f'{kind}/{test.name}'
        if code == SKIPPED:
            self.tally.skip(name, last_line(output))
        elif code == 0:
            self.tally.ok(name, seconds)
            print(''.join(f'    {line}\n' for line in output.splitlines()), end='', flush=True)
        else:
            self.tally.fail(name, output)

    def sanitized_system(self, kind):
        """The broker under a sanitizer, as others see it."""
        tests = [name for name in SANITIZED_SYSTEM if self.wants(f'{kind}/{name}')]
        folder = f"build-{kind.removeprefix('system-')}"
        if not tests or not self.build(folder, ['local-broker/app/tidegate-broker']):
            return
        env = {'TIDEGATE_BUILD': str(ROOT / folder), 'TIDEGATE_SANITIZED': '1',
               'TIDEGATE_LONG': '1' if self.long else '', **SANITIZER_ENV}
        for name in tests:
            code, output, seconds = run([f'tests/system/{name}'], 1200 if self.long else 120, env)
            if code == 0:
                self.tally.ok(f'{kind}/{name}', seconds)
            else:
                self.tally.fail(f'{kind}/{name}', output)

    def run(self):
        phases = [('lints', self.lints), ('build', self.plain_build),
                  ('unit tests', lambda: self.units('unit')),
                  ('unit tests, ASan and UBSan', lambda: self.units('unit-asan')),
                  ('unit tests, TSan', lambda: self.units('unit-tsan')),
                  ('conformance', self.conformance), ('fuzzing', self.fuzz),
                  ('system tests', self.system),
                  ('system tests, ASan and UBSan', lambda: self.sanitized_system('system-asan')),
                  ('system tests, TSan', lambda: self.sanitized_system('system-tsan')),
                  ('install tests', self.install)]
        for title, phase in phases:
            started = time.monotonic()
            before = self.count()
            phase()
            if self.count() != before:
                print(f'--- {title}: {time.monotonic() - started:.0f} s', flush=True)
        if self.count() == 0:
            print(f'no test matches {self.pattern.pattern}', file=sys.stderr)
        tally = self.tally
        tally.repeat_failures()
        print(f'{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped')
        return 1 if tally.failed or self.count() == 0 else 0

    def count(self):
        return self.tally.passed + self.tally.failed + self.tally.skipped


def unit_names():
    """Folders of tests/unit that hold test sources."""
    base = ROOT / 'tests/unit'
    return sorted({str(source.parent.relative_to(base)) for source in base.rglob('*_test.cpp')})


def conformance_files():
    base = ROOT / 'tests/conformance'
    return sorted(str(file.relative_to(base).with_suffix('')) for file in base.glob('v*/*.py'))


def script_tests(kind):
    return sorted(test for test in (ROOT / 'tests' / kind).glob('[0-9]*')
                  if os.access(test, os.X_OK) and test.is_file())


def time_limit(test):
    """Seconds; a test says "# time limit: N s" when the usual 120 are not enough."""
    found = re.search(r'^# time limit: (\d+) s', test.read_text(), re.MULTILINE)
    return int(found.group(1)) if found else 120


def runs_alone(test):
    """It says "# runs alone" when other tests beside it would spoil what it measures."""
    return re.search(r'^# runs alone', test.read_text(), re.MULTILINE) is not None


def last_line(output):
    lines = output.strip().splitlines()
    return lines[-1].removeprefix('SKIP: ') if lines else 'no reason given'


def run_catch(path):
    """(exit code, output, [(case, failure text or None)], seconds)."""
    if not path.exists():
        return 1, 'not built', [], 0.0
    _, listed, _ = run([str(path), '--list-test-names-only'], 60, SANITIZER_ENV)
    failures = {name: [] for name in map(str.strip, listed.splitlines()) if name}
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / 'report.xml'
        code, output, seconds = run([str(path), '--reporter', 'junit', '--out', str(report)], 1200,
                                    SANITIZER_ENV)
        try:
            for entry in ElementTree.parse(report).iter('testcase'):
                # "case" or "case/section": a case's own name may hold a slash
                full = entry.get('name')
                case = next((name for name in failures if f'{full}/'.startswith(f'{name}/')), full)
                failures.setdefault(case, [])
                failures[case] += [(child.get('message') or '') + (child.text or '')
                                   for child in entry if child.tag in ('failure', 'error')]
        except (OSError, ElementTree.ParseError):
            return code or 1, f'{output}\nno report: it ended before its last test', [], seconds
    cases = [(case, '\n'.join(texts) or None) for case, texts in failures.items()]
    return code, output, cases, seconds


def run_fuzzer(path, seconds):
    corpus = ROOT / 'build-fuzz/corpus' / path.name
    crashes = ROOT / 'build-fuzz/crashes'
    corpus.mkdir(parents=True, exist_ok=True)
    crashes.mkdir(exist_ok=True)
    seeds = ROOT / 'tests/fuzz/corpus' / path.name.removesuffix('-fuzz')
    argv = [str(path), f'-max_total_time={seconds}', '-timeout=60', '-rss_limit_mb=1024',
            '-print_funcs=0', f'-artifact_prefix={crashes}/{path.name}-', str(corpus)]
    code, output, took = run(argv + ([str(seeds)] if seeds.is_dir() else []), seconds + 120,
                             SANITIZER_ENV)
    found = [line for line in output.splitlines() if not FUZZER_PROGRESS.match(line)]
    return code, '\n'.join(found), took


def main():
    parser = argparse.ArgumentParser(prog='run-tests')
    parser.add_argument('filter', nargs='?', default='', help='regular expression on KIND/NAME')
    parser.add_argument('--long', action='store_true', help='the long versions of system and fuzz tests')
    arguments = parser.parse_args()
    try:
        pattern = re.compile(arguments.filter)
    except re.error as error:
        parser.error(f'filter: {error}')
    return Runner(pattern, arguments.long).run()


if __name__ == '__main__':
    sys.exit(main())
