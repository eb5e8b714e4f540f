"""PUBLISH of MQTT 3.1.1 (§3.3): flags, topic, retained messages."""
import codec
from suite import case, equal


@case('MQTT-3.3.1-2', 'DUP with QoS 0 ends the connection')
def dup_qos_0(t):
    t.malformed(codec.publish(4, t.topic(), 'x', dup=True))


@case('MQTT-3.3.1-3', 'DUP of a publisher is not passed on')
def dup_not_passed_on(t):
    client = t.connect()
    client.subscribe(t.topic(), 2)
    for qos in (1, 2):
        client.publish(t.topic(), 'x', qos, dup=True)
        found = [client.next(), client.next()]
        for packet in found:
            if packet.kind == codec.PUBLISH:
                equal((packet.dup, packet.qos), (False, qos), 'DUP and QoS')
        equal(sorted(packet.kind for packet in found),
              sorted([codec.PUBLISH, codec.PUBACK if qos == 1 else codec.PUBREC]), 'packets')


@case('MQTT-3.3.1-4', 'QoS 3 ends the connection')
def qos_3(t):
    t.malformed(codec.packet(codec.PUBLISH, 0x06, codec.data(t.topic()) + codec.u16(1) + b'x'))


@case('MQTT-3.3.1-5 MQTT-3.3.1-6', 'the last retained message goes to a new subscription')
def retained(t):
    client = t.connect()
    client.publish_done(t.topic(), 'first', 1, retain=True)
    client.publish_done(t.topic(), 'last', 1, retain=True)
    client.subscribe(t.topic(), 1)
    client.expect_publish(t.topic(), 'last', 1, retain=True)
    client.expect_nothing()


@case('MQTT-3.3.1-7', 'a retained message of QoS 0 replaces the one before')
def retained_qos_0(t):
    client = t.connect()
    client.publish_done(t.topic(), 'first', 1, retain=True)
    client.publish_done(t.topic(), 'last', 0, retain=True)
    client.subscribe(t.topic(), 1)
    client.expect_publish(t.topic(), 'last', 0, retain=True)


@case('MQTT-3.3.1-8', 'RETAIN is 1 for what a new subscription gets of the retained set')
def retain_set(t):
    client = t.connect()
    for name in ('a', 'b'):
        client.publish_done(t.topic(name), name, retain=True)
    client.subscribe(t.topic('+'), 0)
    found = sorted((p.topic, p.retain) for p in (client.expect(codec.PUBLISH) for _ in range(2)))
    equal(found, [(t.topic('a'), True), (t.topic('b'), True)], 'topics and RETAIN')


@case('MQTT-3.3.1-9', 'RETAIN is 0 for an established subscription')
def retain_clear(t):
    client = t.connect()
    client.subscribe(t.topic(), 0)
    client.publish(t.topic(), 'x', retain=True)
    client.expect_publish(t.topic(), 'x', retain=False)


@case('MQTT-3.3.1-10', 'an empty retained publish removes the message and is itself delivered')
def retained_removed(t):
    client = t.connect()
    client.publish_done(t.topic(), 'x', retain=True)
    other = t.connect('other')
    other.subscribe(t.topic(), 0)
    other.expect_publish(t.topic(), 'x', retain=True)
    client.publish_done(t.topic(), '', retain=True)
    other.expect_publish(t.topic(), '', retain=False)
    client.subscribe(t.topic(), 0)
    client.expect_nothing()


@case('MQTT-3.3.1-11', 'an empty retained publish is not stored')
def retained_empty(t):
    client = t.connect()
    client.publish_done(t.topic(), '', 1, retain=True)
    client.subscribe(t.topic(), 0)
    client.expect_nothing()


@case('MQTT-3.3.1-12', 'a publish with RETAIN 0 leaves the retained message alone')
def retain_0(t):
    client = t.connect()
    client.publish_done(t.topic(), 'kept', retain=True)
    client.publish_done(t.topic(), 'live', retain=False)
    client.publish_done(t.topic(), '', retain=False)
    client.subscribe(t.topic(), 0)
    client.expect_publish(t.topic(), 'kept', retain=True)


@case('MQTT-3.1.2-7', 'retained messages stay when the session that sent them ends')
def retained_outlives_session(t):
    publisher = t.connect('pub')
    publisher.publish_done(t.topic(), 'x', retain=True)
    publisher.disconnect()
    client = t.connect()
    client.subscribe(t.topic(), 0)
    client.expect_publish(t.topic(), 'x', retain=True)


@case('MQTT-3.3.2-1', 'a topic that is not UTF-8 ends the connection')
def topic_utf8(t):
    for topic in (b'\xff', b'a/\xc3', b'\xed\xa0\x80', b'\xf4\x90\x80\x80', b'\xe0\x80\xaf'):
        t.malformed(codec.publish(4, topic, 'x'))


@case('MQTT-3.3.2-2', 'a topic with wildcards ends the connection')
def topic_wildcards(t):
    for topic in ('#', '+', 'a/+/b', 'a/#', 'a+', 'a#b'):
        t.malformed(codec.publish(4, topic, 'x'))


@case('MQTT-3.3.2-3', 'a subscriber gets the topic as it was published, byte by byte')
def topic_unchanged(t):
    client = t.connect()
    client.subscribe(f'{t.topic()}/#', 0)
    for name in ('/', '//', ' ', 'Ä/ö', '😀', '\ufeffx', 'a' * 200, '$x', '%s/\x7f'):
        client.publish(f'{t.topic()}/{name}', name)
        client.expect_publish(f'{t.topic()}/{name}', name)


@case('MQTT-1.5.3-3', 'a byte order mark in a topic is a character like any other')
def byte_order_mark(t):
    client = t.connect()
    client.subscribe(t.topic('\ufeffx'), 0)
    client.publish_done(t.topic('x'), 'without')
    client.publish(t.topic('\ufeffx'), 'with')
    client.expect_publish(t.topic('\ufeffx'), 'with')


@case('MQTT-4.7.3-1', 'an empty topic ends the connection')
def topic_empty(t):
    t.malformed(codec.publish(4, '', 'x'))


@case('MQTT-4.7.3-3', 'a topic of 65,535 bytes is a topic')
def topic_longest(t):
    client = t.connect()
    topic = t.topic('x' * (65535 - len(t.topic(''))))
    equal(client.subscribe(topic, 0), [0], 'SUBACK')
    client.publish(topic, 'x')
    client.expect_publish(topic, 'x')


@case('MQTT-3.3.1-1', 'payloads from 0 bytes to the largest packet arrive unchanged')
def payload_sizes(t):
    client = t.connect()
    client.subscribe(t.topic(), 2)
    for size in (0, 1, 100, 125, 128, 16380, 16384, 70000, 250000):
        payload = bytes(i * 7 & 0xFF for i in range(size))
        client.publish(t.topic(), payload)
        client.expect_publish(t.topic(), payload)


@case('MQTT-3.3.5-1', 'overlapping filters of one client: one copy at the highest QoS')
def overlapping(t):
    client = t.connect()
    client.subscribe([(t.topic('a/#'), 0), (t.topic('a/+'), 2), (t.topic('a/b'), 1)])
    t.connect('pub').publish_done(t.topic('a/b'), 'x', 2)
    client.expect_publish(t.topic('a/b'), 'x', 2)
    client.expect_nothing()


@case('MQTT-3.3.5-2', 'a publish that is not authorised is acknowledged and goes nowhere')
def not_authorised(t):
    client = t.connect()
    client.subscribe('$SYS/broker/conformance', 0)
    client.publish_done('$SYS/broker/conformance', 'x', 1)
    client.expect_nothing()


@case('MQTT-2.3.1-1', 'a QoS 1 or 2 publish with packet id 0 ends the connection')
def packet_id_zero(t):
    for qos in (1, 2):
        t.malformed(codec.publish(4, t.topic(), 'x', qos, packet_id=0))


@case('MQTT-2.3.1-5', 'a QoS 0 publish has no packet id, either way')
def no_packet_id(t):
    client = t.connect()
    client.subscribe(t.topic(), 0)
    client.publish(t.topic(), b'\x00\x01x')
    client.expect_publish(t.topic(), b'\x00\x01x')
