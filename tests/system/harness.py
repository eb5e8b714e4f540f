"""What system tests are made of: the real tidegated, a real mosquitto as the cloud, devices that
resend what was not acknowledged, and a ledger that compares what was acknowledged with what arrived.

A test is an executable file NN-area-case with a function test(env), ended by `harness.main(test)`.
All on loopback, with ports and folders of its own; every process started here ends with the test.
Exit codes: 0 passed, 1 failed (logs are printed), 77 skipped ("SKIP: reason" is the last line).
"""
import contextlib
import ctypes
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

from device import Device, Fleet  # noqa: F401 (for the tests)
from ledger import Arrival, Ledger, quantile  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get('TIDEGATE_BUILD', ROOT / 'build-test'))
LONG = bool(os.environ.get('TIDEGATE_LONG'))

TIDEGATED = BUILD / 'daemon/app/tidegated'
TIDEGATECTL = BUILD / 'daemon/app/tidegatectl'
PLUGINS = BUILD / 'plugins/aggregate'

PROBE = 'probe/collector'
KEEP_ALIVE_S = 5  # of a gateway's session with its cloud
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
CLAIMS = []  # of ports


class Failure(AssertionError):
    pass


class Skip(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Failure(message)


def expect_equal(found, wanted, what):
    check(found == wanted, f'{what}: found {found!r}, wanted {wanted!r}')


def wait_for(condition, timeout, what, interval=0.05):
    """Waits until condition() is true; what it returned. `what` is a text or makes one."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise Failure(f'not within {timeout} s: {what() if callable(what) else what}')
        time.sleep(interval)


def free_port():
    """A TCP port nobody listens on, below the range outgoing connections use. It is this process's
    until it ends: another test leaves it alone while a daemon of this one is being restarted."""
    while True:
        port = random.randint(15000, 32000)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f'\0tidegate-test-port-{port}')  # abstract: it goes with the process
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(('127.0.0.1', port))
        except OSError:
            claim.close()
            continue
        CLAIMS.append(claim)
        return port


def yaml_of(value, indent=0):
    """Block YAML of dicts, lists and scalars; strings are quoted."""
    pad = '  ' * indent
    if isinstance(value, dict) and value:
        lines = []
        for key, item in value.items():
            if isinstance(item, (dict, list)) and item:
                lines.append(f'{pad}{key}:\n{yaml_of(item, indent + 1)}')
            else:
                lines.append(f'{pad}{key}: {json.dumps(item)}')
        return '\n'.join(lines)
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        return '\n'.join(f'{pad}- {json.dumps(item)}' for item in value)
    return pad + json.dumps(value)


class Process:
    """A child that dies with this test. Its output goes to a log file, shown when the test fails."""

    def __init__(self, env, name, argv, variables=None, prefix=()):
        self.name = name
        self.log = env.folder / f'{name}.log'
        with open(self.log, 'ab') as log:
            self.child = subprocess.Popen(
                [*prefix, *map(str, argv)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **(variables or {})}, cwd=env.folder,
                preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def signal(self, number):
        if self.running():
            self.child.send_signal(number)

    def wait(self, timeout=20):
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f'{self.name} did not end within {timeout} s') from None

    def kill(self):
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGKILL)
        return self.child.wait()

    def stop(self, timeout=20):
        """SIGTERM; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)


class Env:
    """One test's folder and processes."""

    def __init__(self, folder):
        self.folder = folder
        self.logs = {}
        self.cleanups = contextlib.ExitStack()

    def run(self, *argv, timeout=30, variables=None):
        """A command to its end: (exit code, output and errors together)."""
        done = subprocess.run([*map(str, argv)], cwd=self.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=timeout, env={**os.environ, **(variables or {})})
        return done.returncode, done.stdout

    def start(self, name, argv, variables=None, prefix=()):
        process = Process(self, name, argv, variables, prefix)
        self.logs[name] = process.log
        self.cleanups.callback(process.kill)
        return process

    def cloud(self, **options):
        return Mosquitto(self, **options)

    def gateway(self, **options):
        return Gateway(self, **options)

    def proxy(self, target_port, loses_acks=False):
        from proxy import AckProxy, Proxy
        proxy = (AckProxy if loses_acks else Proxy)(target_port, free_port())
        self.cleanups.callback(proxy.close)
        return proxy

    def fleet(self, port, count, **options):
        fleet = Fleet(port, [Device(f'd{i}', **options) for i in range(count)])
        self.cleanups.callback(fleet.close)
        return fleet

    def own_fleet(self, port, devices):
        fleet = Fleet(port, devices)
        self.cleanups.callback(fleet.close)
        return fleet


class Mosquitto:
    """mosquitto as the cloud. `port` is the gateway's, `side_port` everybody else's."""

    def __init__(self, env, persistence=False, extra='', listener_extra='', name='cloud'):
        self.env = env
        self.name = name
        self.port = free_port()
        self.side_port = free_port()
        self.process = None
        folder = env.folder / name
        folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(folder, 'mosquitto')
        self.config = folder / 'mosquitto.conf'
        self.config.write_text('\n'.join([
            'per_listener_settings false', 'allow_anonymous true', 'log_dest stderr',
            'log_type error', 'log_type warning', 'log_type notice', 'log_timestamp_format %T',
            'max_queued_messages 0', 'max_inflight_messages 0', 'set_tcp_nodelay true',
            f'persistence {str(persistence).lower()}', f'persistence_location {folder}/',
            'autosave_interval 0', extra,
            f'listener {self.side_port} 127.0.0.1',
            f'listener {self.port} 127.0.0.1', listener_extra, '']))

    def start(self):
        binary = shutil.which('mosquitto', path='/usr/sbin:/usr/bin:/usr/local/sbin')
        self.process = self.env.start(self.name, [binary, '-c', self.config])
        wait_for(lambda: port_open(self.side_port) and port_open(self.port), 10,
                 'mosquitto listens')
        return self

    def stop(self):
        self.process.stop()

    def collect(self, topics='#', name='collector'):
        """A subscriber with a session that survives; what it got is in its ledger-ready arrivals."""
        return Collector(self.env, self.side_port, topics, name)


def port_open(port):
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(('127.0.0.1', port)) == 0


class Collector:
    """mosquitto_sub with QoS 1 and a lasting session, its lines read back as arrivals."""

    def __init__(self, env, port, topics, name):
        self.path = env.folder / f'{name}.received'
        topics = [topics] if isinstance(topics, str) else list(topics)
        if '#' not in topics:
            topics.append(PROBE)
        filters = [word for topic in topics for word in ('-t', topic)]
        self.port = port
        self.process = env.start(name, [
            '/bin/sh', '-c', 'exec mosquitto_sub "$@" >> "$0"', self.path, '-p', port, '-i', name,
            '-c', '-q', '1', '-F', '%U %q %r %x %t', '-k', '10', *filters])
        self.arrivals = []
        self._offset = 0
        self.wait_subscribed()

    def wait_subscribed(self):
        """A probe of its own comes back: the subscription is there."""
        token = os.urandom(8).hex()

        def came_back():
            subprocess.run(['mosquitto_pub', '-p', str(self.port), '-q', '1', '-t', PROBE,
                            '-m', token], check=True)
            time.sleep(0.1)
            return self.path.exists() and token.encode().hex().encode() in self.path.read_bytes()
        wait_for(came_back, 15, f'{self.path.stem} has subscribed', 0.2)

    def read(self):
        """All arrivals up to now, oldest first."""
        with open(self.path, 'rb') as file:
            file.seek(self._offset)
            data = file.read()
        complete = data.rfind(b'\n') + 1
        self._offset += complete
        for line in data[:complete].decode().splitlines():
            when, qos, retain, payload, topic = line.split(' ', 4)
            if topic != PROBE:
                self.arrivals.append(Arrival(float(when), topic, bytes.fromhex(payload), int(qos),
                                             retain == '1'))
        return self.arrivals

    def topic(self, name):
        return [arrival for arrival in self.read() if arrival.topic == name]


class Gateway:
    """tidegated with a configuration of its own."""

    def __init__(self, env, cloud_url=None, streams=None, routes=None, exports=None, cloud=None,
                 name='gateway', data_dir=None, **sections):
        self.env = env
        self.name = name
        self.port = free_port()
        self.http_port = free_port()
        self.socket = env.folder / f'{name}.sock'
        self.config_path = env.folder / f'{name}.yaml'
        self.data_dir = data_dir or env.folder / f'{name}-data'
        self.process = None
        self.variables = {}
        self.config = {
            'gateway': {'id': 'gw1', 'data_dir': str(self.data_dir)},
            'log': {'level': 'info'},
            'broker': {'listeners': [{'name': 'local', 'address': f'127.0.0.1:{self.port}',
                                      'anonymous': True}]},
            'streams': streams or {'telemetry': {'max_size': '256MiB'}},
            'routes': routes or [{'name': 'all', 'from': ['dt/#'], 'to': 'telemetry'}],
            'exports': exports if exports is not None else [
                {'name': 'to-cloud', 'stream': 'telemetry', 'to': 'cloud', 'topic': '{topic}',
                 'format': 'raw'}],
            'admin': {'socket': str(self.socket), 'http': f'127.0.0.1:{self.http_port}'},
            **sections,
        }
        if cloud_url:
            self.config['cloud'] = {
                'endpoints': [cloud_url], 'keep_alive': f'{KEEP_ALIVE_S}s', 'ack_timeout': '5s',
                'backoff': {'min': '100ms', 'max': '500ms'},
                'limits': {'publishes_per_second': 1000000, 'bytes_per_second': '1GiB'},
                **(cloud or {})}
        else:
            self.config['exports'] = exports or []

    def write_config(self):
        self.config_path.write_text(yaml_of(self.config) + '\n')
        return self.config_path

    def launch(self, prefix=()):
        """Starts the process and returns at once."""
        self.data_dir.mkdir(exist_ok=True)
        self.process = self.env.start(self.name, [TIDEGATED, '--config', self.write_config()],
                                      self.variables, prefix)
        return self

    def start(self, timeout=15):
        self.launch()
        wait_for(self.ready, timeout, 'the gateway is ready', 0.01)
        return self

    def ready(self):
        check(self.process.running(), f'the gateway ended with {self.process.child.poll()}')
        try:
            return self.get('/readyz')[0] == 200
        except OSError:
            return False

    def kill(self):
        self.process.kill()

    def stop(self, timeout=30):
        code = self.process.stop(timeout)
        expect_equal(code, 0, 'exit code after SIGTERM')

    def get(self, path):
        """(status code, text) from the admin socket."""
        connection = http.client.HTTPConnection('localhost', timeout=10)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(10)
        try:
            connection.sock.connect(str(self.socket))
            connection.request('GET', path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def status(self):
        code, text = self.get('/api/v1/status')
        expect_equal(code, 200, '/api/v1/status')
        return json.loads(text)

    def metrics(self):
        """{'name{label="value"}': number}"""
        code, text = self.get('/metrics')
        expect_equal(code, 200, '/metrics')
        rows = (line.rsplit(' ', 1) for line in text.splitlines() if line and line[0] != '#')
        return {name: float(value) for name, value in rows}

    def rss_kib(self):
        text = Path(f'/proc/{self.process.pid}/status').read_text()
        return int(re.search(r'VmRSS:\s+(\d+)', text).group(1))


def own_network():
    """Goes on in a network namespace of its own, with a loopback; skips where that is not allowed."""
    if os.environ.get('TIDEGATE_OWN_NETWORK'):
        subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
        return
    unshare = ['unshare', '--net'] if os.geteuid() == 0 else ['unshare', '--net', '--map-root-user']
    if subprocess.run([*unshare, 'true'], capture_output=True).returncode != 0:
        print('SKIP: no right to make a network namespace (CAP_SYS_ADMIN)')
        sys.exit(77)
    os.environ['TIDEGATE_OWN_NETWORK'] = '1'
    os.execvp(unshare[0], [*unshare, sys.executable, *sys.argv])


def compile_preload(env, source):
    """A preload library of tests/tools, for LD_PRELOAD."""
    library = env.folder / f'{Path(source).stem}.so'
    code, output = env.run('g++', '-x', 'c', '-shared', '-fPIC', '-O1', '-Wall', '-o', library,
                           ROOT / 'tests/tools' / source, '-ldl', '-lpthread')
    expect_equal(code, 0, f'compiling {source}: {output}')
    return library


def main(test, program=TIDEGATED):
    if not program.exists():
        sys.exit(f'FAILED: {program} is not built (TIDEGATE_BUILD names the build folder)')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the clean-up runs
    folder = Path(tempfile.mkdtemp(prefix='tidegate-'))
    folder.chmod(0o755)
    env = Env(folder)
    code = 1
    try:
        test(env)
        code = 0
    except Skip as skip:
        print(f'SKIP: {skip}')
        code = 77
    except AssertionError as failure:
        where = traceback.extract_tb(failure.__traceback__)
        here = [frame for frame in where if frame.filename == os.path.abspath(sys.argv[0])]
        line = f' (line {here[-1].lineno})' if here else ''
        report_logs(env, f'{failure}{line}')
    except Exception:
        report_logs(env, traceback.format_exc())
    finally:
        env.cleanups.close()
        if os.environ.get('TIDEGATE_KEEP') and code == 1:
            print(f'kept: {folder}')
        else:
            shutil.rmtree(folder, ignore_errors=True)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            print(f'note: thread {thread.name} is still there')
    sys.exit(code)


def report_logs(env, message):
    for name, path in env.logs.items():
        lines = path.read_text(errors='replace').splitlines() if path.exists() else []
        if lines:
            print(f'--- {name}')
            print('\n'.join(lines[-15:]))
    print(f'FAILED: {message}')
