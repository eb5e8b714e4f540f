"""What can be wrong between a gateway and its cloud, each fault begun and ended while both run. A
fault works on a cell: cloud, proxy and gateway of its own. Packets are dropped by nft in the test's
own network namespace, in which lay_rules() has been called; the rest is the proxy's, the cloud's or
the resolver's."""
import shutil
import signal
import subprocess
import time

import harness
from pki import Authority

RULES = '''
add table inet faults
add set inet faults hole { type inet_service; }
add set inet faults lossy { type inet_service; }
add chain inet faults in { type filter hook input priority 0; }
add rule inet faults in tcp dport @hole drop
add rule inet faults in tcp sport @hole drop
add rule inet faults in tcp dport @lossy numgen random mod 10 < 3 drop
add rule inet faults in tcp sport @lossy numgen random mod 10 < 3 drop
'''


def nft(rules):
    subprocess.run(['nft', '-f', '-'], input=rules, text=True, check=True)


def lay_rules():
    nft(RULES)


class Fault:
    """causes: what the status may name, () when the link stays up. found_within: seconds until the
    status tells of it when nothing is published. holds_back: it lets no acknowledgement through."""
    causes = ()
    found_within = 3.0
    holds_back = True
    tls = False
    host = '127.0.0.1'

    def __init__(self, title):
        self.title = title

    def prepare(self, cell):
        """Before the gateway starts."""

    def begin(self, cell):
        raise NotImplementedError

    def end(self, cell):
        raise NotImplementedError


class Cut(Fault):
    """Connections are reset and refused."""
    causes = ('closed', 'unreachable')

    def begin(self, cell):
        cell.proxy.shut()

    def end(self, cell):
        cell.proxy.listen()


class BlackHole(Fault):
    """Packets vanish both ways. Idle, only the keep-alive can tell."""
    causes = ('closed', 'unreachable')
    found_within = 1.5 * harness.KEEP_ALIVE_S

    def begin(self, cell):
        nft(f'add element inet faults hole {{ {cell.proxy.port} }}')

    def end(self, cell):
        nft(f'delete element inet faults hole {{ {cell.proxy.port} }}')


class Loss(Fault):
    """Three of ten packets vanish, each way."""
    holds_back = False

    def begin(self, cell):
        nft(f'add element inet faults lossy {{ {cell.proxy.port} }}')

    def end(self, cell):
        nft(f'delete element inet faults lossy {{ {cell.proxy.port} }}')


class Slow(Fault):
    def __init__(self, title, bytes_per_second):
        super().__init__(title)
        self.rate = bytes_per_second

    def begin(self, cell):
        cell.proxy.rate = self.rate

    def end(self, cell):
        cell.proxy.rate = 0


class Acks(Fault):
    """PUBACKs come `delay` seconds late, or never (None); all else passes."""

    def __init__(self, title, delay):
        super().__init__(title)
        self.delay = delay

    def begin(self, cell):
        cell.proxy.ack_delay = self.delay

    def end(self, cell):
        cell.proxy.ack_delay = 0


class Restart(Fault):
    """The cloud ends, and starts again with its sessions."""
    causes = ('closed', 'unreachable')

    def begin(self, cell):
        cell.cloud.stop()

    def end(self, cell):
        cell.cloud.start()


class Refusal(Fault):
    """mosquitto answers the gateway's CONNECT with "not authorised"."""
    causes = ('refused',)
    RULE = 'clientid_prefixes collector\n'

    def begin(self, cell):
        cell.cloud.config.write_text(self.RULE + cell.cloud.config.read_text())
        self.reload(cell)

    def end(self, cell):
        cell.cloud.config.write_text(cell.cloud.config.read_text().removeprefix(self.RULE))
        self.reload(cell)

    @staticmethod
    def reload(cell):
        cell.cloud.process.signal(signal.SIGHUP)
        time.sleep(0.2)
        cell.proxy.cut()


class Expired(Fault):
    """The cloud shows a certificate that is not valid any more."""
    causes = ('expired',)
    tls = True
    host = 'localhost'

    def prepare(self, cell):
        cell.authority = Authority(cell.env.folder / 'pki')
        cell.good = cell.authority.server()
        cell.old = cell.authority.issue('old', 'DNS:localhost', expired=True)
        cell.shown = [cell.env.folder / name for name in ('server.crt', 'server.key')]
        self.show(cell, cell.good)

    @staticmethod
    def show(cell, pair):
        for source, target in zip(pair, cell.shown, strict=True):
            shutil.copy(source, target)
            target.chmod(0o644)

    def begin(self, cell):
        self.show(cell, cell.old)
        Refusal.reload(cell)

    def end(self, cell):
        self.show(cell, cell.good)
        Refusal.reload(cell)


class NoNames(Fault):
    """The resolver fails, and the connection is lost."""
    causes = ('resolver',)
    host = 'localhost'

    def prepare(self, cell):
        cell.names_fail = cell.env.folder / 'names-fail'

    def begin(self, cell):
        cell.names_fail.touch()
        cell.proxy.cut()

    def end(self, cell):
        cell.names_fail.unlink()
