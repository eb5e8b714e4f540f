"""tidegate-broker by itself, and raw clients for it (those of tests/conformance)."""
import os
import re
import sys
from pathlib import Path

import harness

sys.path.insert(0, str(harness.ROOT / 'tests/conformance'))
import codec  # noqa: E402
import suite  # noqa: E402

# Under a sanitizer memory says nothing.
SANITIZED = bool(os.environ.get('TIDEGATE_SANITIZED'))
TIDEGATE_BROKER = harness.BUILD / 'local-broker/app/tidegate-broker'


def main(test):
    harness.main(test, TIDEGATE_BROKER)


class Broker:
    def __init__(self, env, *options):
        self.port = harness.free_port()
        self.process = env.start('broker', [TIDEGATE_BROKER, '--port', self.port, *options])
        harness.wait_for(lambda: harness.port_open(self.port), 10, 'tidegate-broker listens')
        self.descriptors_at_start = self.descriptors()

    def client(self, version=4):
        """A connection that has not sent CONNECT."""
        return suite.Client(('127.0.0.1', self.port), version)

    def connect(self, client_id, version=4, **more):
        client = self.client(version)
        client.send(codec.connect(client_id, version, **more))
        client.connack = client.expect(codec.CONNACK)
        harness.expect_equal(client.connack.code, 0, f'CONNACK for {client_id}')
        return client

    def stop(self):
        harness.expect_equal(self.process.stop(), 0, 'exit code after SIGTERM')

    def rss_kib(self):
        text = Path(f'/proc/{self.process.pid}/status').read_text()
        return int(re.search(r'VmRSS:\s+(\d+)', text).group(1))

    def cpu_s(self):
        fields = Path(f'/proc/{self.process.pid}/stat').read_text().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.process.pid}/fd'))


class Pair:
    """A publisher and a subscriber with QoS 1 that must lose nothing and see the order kept."""

    def __init__(self, broker, topic, version=5):
        self.topic = topic
        self.count = 0
        self.subscriber = broker.connect(f'{topic}-sub'.replace('/', '-'), version, keep_alive=0)
        self.subscriber.subscribe(topic, 1)
        self.publisher = broker.connect(f'{topic}-pub'.replace('/', '-'), version, keep_alive=0)

    def exchange(self, count):
        for _ in range(count):
            self.count += 1
            self.publisher.publish(self.topic, str(self.count), 1,
                                   packet_id=self.count % 65535 + 1)
        for number in range(self.count - count + 1, self.count + 1):
            self.publisher.expect(codec.PUBACK, number % 65535 + 1)
            packet = self.subscriber.expect_publish(self.topic, str(number), 1)
            self.subscriber.ack(codec.PUBACK, packet.packet_id)
