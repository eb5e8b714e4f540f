"""What install tests are made of: the packages that packaging/build-deb made, a clean Debian with
systemd in a container (tests/tools/boot-root), or the same Debian as a plain chroot.

A test is an executable file NN-case with a function test(env), ended by `container.main(test)`. The
folder of packages is TIDEGATE_DEBS, else build-deb. Exit codes as for system tests (harness.py).
"""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tests/system'))

from harness import Failure, Skip, check, expect_equal, wait_for  # noqa: E402, F401 (for the tests)

DEBS = Path(os.environ.get('TIDEGATE_DEBS', ROOT / 'build-deb'))
LONG = bool(os.environ.get('TIDEGATE_LONG'))
BOOT_ROOT = ROOT / 'tests/tools/boot-root'
DEBIAN = Path(os.environ.get('TIDEGATE_DEBIAN_ROOT', '/var/tmp/tidegate-debian-root'))
CONFIG = '/etc/tidegate/tidegate.yaml'
DATA = '/var/lib/tidegate'


def run(argv, timeout=120, **options):
    """(exit code, output and errors together)."""
    done = subprocess.run([*map(str, argv)], stdin=options.pop('stdin', subprocess.DEVNULL),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors='replace', timeout=timeout, **options)
    return done.returncode, done.stdout


def deb(name):
    """The file of a package: the newest, if there should be more than one."""
    arch = run(['dpkg', '--print-architecture'])[1].strip()
    found = [path for kind in (arch, 'all') for path in DEBS.glob(f'{name}_*_{kind}.deb')]
    check(found, f'{DEBS} has no package {name}: run packaging/build-deb first')
    return max(found, key=lambda path: path.stat().st_mtime)


def repack(env, name, version, edit=lambda folder: None):
    """The package of today under another version, changed by edit(folder of its contents)."""
    folder = Path(tempfile.mkdtemp(dir=env.folder))
    folder.chmod(0o755)
    subprocess.run(['dpkg-deb', '-R', deb(name), folder], check=True)
    control = folder / 'DEBIAN/control'
    control.write_text(re.sub(r'(?m)^Version: .*', f'Version: {version}', control.read_text()))
    edit(folder)
    package = folder.with_suffix('.deb')
    subprocess.run(['dpkg-deb', '-Znone', '--root-owner-group', '-b', folder, package], check=True,
                   stdout=subprocess.DEVNULL)
    return package


class Env:
    """One test's folder and containers."""

    def __init__(self, folder):
        self.folder = folder
        self.cleanups = contextlib.ExitStack()
        self.containers = []

    def debian(self):
        """A clean Debian, made once and kept."""
        if os.geteuid() != 0:
            raise Skip('needs root, to make a Debian and boot it')
        code, output = run([BOOT_ROOT, 'build', DEBIAN], timeout=300)
        if code != 0:
            raise Skip(f'no clean Debian could be made: {output.strip().splitlines()[-1]}')
        return DEBIAN

    def container(self, name='gw', *options):
        container = Container(self, f'tg{os.getpid()}-{name}', options)
        self.containers.append(container)
        return container


class Container:
    """A Debian with systemd. Its programs see a loopback of their own."""

    def __init__(self, env, name, options):
        self.name = name
        root = env.debian()
        env.cleanups.callback(self.down)
        code, output = run([BOOT_ROOT, 'up', root, name, *options])
        if code != 0:
            raise Skip(f'a container with systemd does not boot here: {output.strip()[-300:]}')

    def down(self):
        run([BOOT_ROOT, 'down', self.name])

    def run(self, *argv, timeout=60, stdin=subprocess.DEVNULL):
        """In the container: (exit code, output)."""
        return run([BOOT_ROOT, 'exec', self.name, '--', *argv], timeout, stdin=stdin)

    def do(self, *argv, timeout=60):
        """The same, and it must succeed; its output."""
        code, output = self.run(*argv, timeout=timeout)
        expect_equal(code, 0, f'{" ".join(map(str, argv))}: {output}\n{self.journal()[-2000:]}\nexit code')
        return output

    def net_run(self, *argv, timeout=60):
        """A program of this machine, on the container's network."""
        return run([BOOT_ROOT, 'netexec', self.name, '--', *argv], timeout)

    def install(self, *packages):
        return run([BOOT_ROOT, 'install', self.name, *packages], timeout=300)

    def apt(self, *argv):
        return run([BOOT_ROOT, 'apt', self.name, '--', *argv], timeout=300)

    def write(self, path, text):
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def read(self, path):
        return self.path(path).read_text()

    def path(self, inside):
        """The file as this machine sees it."""
        code, base = run([BOOT_ROOT, 'path', self.name])
        expect_equal(code, 0, f'boot-root path: {base}')
        return Path(base.strip()) / str(inside).lstrip('/')

    # --- the service

    def show(self, name, unit='tidegate'):
        return self.do('systemctl', 'show', '--value', '-p', name, unit).strip()

    def is_active(self):
        return self.run('systemctl', 'is-active', 'tidegate')[1].strip() == 'active'

    def wait_active(self, timeout=15):
        wait_for(self.is_active, timeout, lambda: f'the service is active: {self.journal()}')

    def journal(self):
        return run([BOOT_ROOT, 'exec', self.name, '--', 'journalctl', '-u', 'tidegate', '-o', 'cat',
                    '-n', '40', '--no-pager'])[1]

    def status(self):
        return json.loads(self.do('tidegatectl', 'status', '--json'))

    def publish(self, topic, message, *options, timeout=60):
        """One QoS 1 publish, acknowledged."""
        code, output = self.net_run('mosquitto_pub', '-q', '1', '-t', topic, '-m', message, *options,
                                    timeout=timeout)
        expect_equal(code, 0, f'mosquitto_pub: {output}\nexit code')

    def records(self, stream='telemetry'):
        return next(item for item in self.status()['streams'] if item['name'] == stream)['records']


def main(test):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the clean-up runs
    folder = Path(tempfile.mkdtemp(prefix='tidegate-install-'))
    folder.chmod(0o755)
    env = Env(folder)
    code = 1
    started = time.monotonic()
    try:
        test(env)
        code = 0
    except Skip as skip:
        print(f'SKIP: {skip}')
        code = 77
    except AssertionError as failure:
        print(f'FAILED: {failure}\n{"".join(traceback.format_tb(failure.__traceback__)[-3:])}')
    except Exception:
        traceback.print_exc(file=sys.stdout)
    finally:
        if code == 1:
            for container in env.containers:
                print(f'--- journal of {container.name}:\n{container.journal()}')
        env.cleanups.close()
        shutil.rmtree(folder, ignore_errors=True)
    if code == 0:
        print(f'{time.monotonic() - started:.0f} s')
    sys.exit(code)
