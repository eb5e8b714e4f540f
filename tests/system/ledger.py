"""Compares what devices had acknowledged with what arrived in the cloud.

Arrivals may be raw records, or batches in the formats json and jsonl (conf: exports.format).
Promised: nothing acknowledged is lost; first arrivals of a device come in its order; first arrivals of
a stream come in sequence order; one key (stream, epoch, seq) always names the same message.
"""
import json
import time
from collections import namedtuple

Arrival = namedtuple('Arrival', 'when topic payload qos retain')
Row = namedtuple('Row', 'when device number key record')  # key: (stream, epoch, seq) or None


def rows_of(arrival):
    """The device messages in one arrival; gap records are left out."""
    first = arrival.payload[:1]
    try:
        body = json.loads(arrival.payload) if first == b'{' else None
    except ValueError:
        body = None  # more than one line
    if body is not None and 'records' in body:
        lines = [(body, record) for record in body['records']]
    elif body is not None and 'd' in body:
        return [Row(arrival.when, body['d'], body['n'], None, body)]
    else:
        lines = [(line, line) for line in map(json.loads, arrival.payload.splitlines())]
    return [Row(arrival.when, record['payload']['d'], record['payload']['n'],
                (head['stream'], head['epoch'], record['seq']), record)
            for head, record in lines if 'payload' in record]


def gaps_of(arrivals):
    """The gap records of json and jsonl arrivals, in order."""
    gaps = []
    for arrival in arrivals:
        for line in arrival.payload.splitlines():
            body = json.loads(line)
            gaps += [record['gap'] for record in body.get('records', [body]) if 'gap' in record]
    return gaps


class Ledger:
    def __init__(self, fleets, collectors):
        self.fleets = fleets if isinstance(fleets, list) else [fleets]
        self.collectors = collectors if isinstance(collectors, list) else [collectors]
        self.seen = {}  # device → {number: first arrival}
        self.duplicates = 0
        self.device_inversions = 0
        self.stream_inversions = 0
        self.key_conflicts = 0
        self.epochs = set()
        self._keys = {}
        self._last_number = {}
        self._last_seq = {}
        self._taken = [0] * len(self.collectors)

    def update(self):
        for index, collector in enumerate(self.collectors):
            arrivals = collector.read()
            for arrival in arrivals[self._taken[index]:]:
                for row in rows_of(arrival):
                    self._take(row)
            self._taken[index] = len(arrivals)

    def _take(self, row):
        if row.key is not None:
            self._take_key(row)
        numbers = self.seen.setdefault(row.device, {})
        if row.number in numbers:
            self.duplicates += 1
            return
        numbers[row.number] = row.when
        if row.number < self._last_number.get(row.device, 0):
            self.device_inversions += 1
        self._last_number[row.device] = max(row.number, self._last_number.get(row.device, 0))

    def _take_key(self, row):
        message = (row.device, row.number)
        if row.key in self._keys:
            self.key_conflicts += self._keys[row.key] != message
            return
        self._keys[row.key] = message
        stream, epoch, seq = row.key
        self.epochs.add(epoch)
        if seq < self._last_seq.get((stream, epoch), 0):
            self.stream_inversions += 1
        self._last_seq[(stream, epoch)] = max(seq, self._last_seq.get((stream, epoch), 0))

    def lost(self):
        """[(device, number)] acknowledged and not arrived."""
        return [(device.id, number) for fleet in self.fleets for device in fleet.devices
                for number in sorted(device.acked - self.seen.get(device.id, {}).keys())]

    def missing(self):
        """Acknowledged and not arrived, up to now."""
        self.update()
        return sum(len(device.acked - self.seen.get(device.id, {}).keys())
                   for fleet in self.fleets for device in fleet.devices)

    def wait_complete(self, timeout):
        """Waits until all that was acknowledged has arrived, or fails."""
        end = time.monotonic() + timeout
        while self.missing():
            if time.monotonic() > end:
                lost = self.lost()
                raise AssertionError(f'{len(lost)} acknowledged messages have not arrived after '
                                     f'{timeout} s, the first: {lost[:5]}')
            time.sleep(0.1)

    def assert_clean(self):
        """Order, keys, and one store all the time; losses are wait_complete()'s."""
        self.update()
        troubles = {name: getattr(self, name) for name in
                    ('device_inversions', 'stream_inversions', 'key_conflicts')}
        if any(troubles.values()):
            raise AssertionError(f'order of first arrivals: {troubles}')
        if len(self.epochs) > 1:
            raise AssertionError(f'the store was made anew: epochs {self.epochs}')

    def report(self):
        acked = sum(fleet.acked() for fleet in self.fleets)
        published = sum(fleet.published() for fleet in self.fleets)
        latencies = sorted(seconds for fleet in self.fleets for seconds in fleet.latencies())
        text = f'published {published}, acknowledged {acked}, lost {self.missing()}, '
        text += f'duplicates {self.duplicates}'
        if latencies:
            text += f', PUBACK p50 {quantile(latencies, 0.5) * 1000:.1f} ms'
            text += f' p99 {quantile(latencies, 0.99) * 1000:.1f} ms'
        print(text)


def quantile(ordered, part):
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
