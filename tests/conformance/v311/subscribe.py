"""SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK of MQTT 3.1.1 (§3.8 to §3.11), and filters (§4.7)."""
import codec
from suite import case, equal


@case('MQTT-3.8.1-1', 'SUBSCRIBE with other flags than 2 ends the connection')
def flags(t):
    for bad in (0, 1, 3, 6, 10):
        t.malformed(codec.subscribe(4, [(t.topic(), 0)], flags=bad))


@case('MQTT-2.3.1-1', 'SUBSCRIBE and UNSUBSCRIBE with packet id 0 end the connection')
def packet_id_zero(t):
    t.malformed(codec.subscribe(4, [(t.topic(), 0)], packet_id=0))
    t.malformed(codec.unsubscribe(4, [t.topic()], packet_id=0))


@case('MQTT-3.8.3-1', 'a filter that is not UTF-8 ends the connection')
def filter_utf8(t):
    for name in (b'\xff', b'a/\xed\xa0\x80', b'a\x00b'):
        t.malformed(codec.subscribe(4, [(name, 0)]))


@case('MQTT-3.8.3-3', 'SUBSCRIBE without a filter ends the connection')
def no_filter(t):
    t.malformed(codec.subscribe(4, []))


@case('MQTT-3.8.3-4', 'reserved bits of the options, or QoS 3, end the connection')
def options(t):
    for bad in (3, 4, 8, 0x10, 0x40, 0x80):
        t.malformed(codec.subscribe(4, [(t.topic(), bad)]))


@case('MQTT-3.8.3-3', 'a filter whose options are missing ends the connection')
def options_missing(t):
    t.malformed(codec.packet(codec.SUBSCRIBE, 2, codec.u16(1) + codec.data(t.topic())))


@case('MQTT-3.8.4-1 MQTT-3.8.4-2 MQTT-2.3.1-7', 'SUBSCRIBE is answered with SUBACK of its packet id')
def suback(t):
    client = t.connect()
    for packet_id in (1, 256, 65535):
        client.subscribe(t.topic(), 0, packet_id=packet_id)


@case('MQTT-3.8.4-3', 'subscribing again replaces the subscription and sends retained messages again')
def replaced(t):
    client = t.connect()
    client.publish_done(t.topic(), 'kept', 1, retain=True)
    for qos in (1, 0):
        client.subscribe(t.topic(), qos)
        client.expect_publish(t.topic(), 'kept', qos, retain=True)
    t.connect('pub').publish_done(t.topic(), 'live', 1)
    client.expect_publish(t.topic(), 'live', 0)
    client.expect_nothing()


@case('MQTT-3.8.4-4 MQTT-3.8.4-5 MQTT-3.9.3-1', 'several filters: one SUBACK, a code each, in order')
def several(t):
    client = t.connect()
    codes = client.subscribe([(t.topic('a'), 2), (t.topic('b'), 0), (t.topic('c'), 1)])
    equal(codes, [2, 0, 1], 'codes')
    publisher = t.connect('pub')
    for name, qos in (('a', 2), ('b', 0), ('c', 1)):
        publisher.publish_done(t.topic(name), 'x', 2)
        client.expect_publish(t.topic(name), 'x', qos)


@case('MQTT-3.8.4-3', 'one filter twice in a SUBSCRIBE is one subscription')
def twice(t):
    client = t.connect()
    equal(client.subscribe([(t.topic(), 0), (t.topic(), 1)]), [0, 1], 'codes')
    t.connect('pub').publish_done(t.topic(), 'x', 1)
    client.expect_publish(t.topic(), 'x', 1)
    client.expect_nothing()


@case('MQTT-3.9.3-2', 'codes of SUBACK are 0, 1, 2 and 0x80 only')
def codes(t):
    client = t.connect()
    equal(client.subscribe([(t.topic(str(qos)), qos) for qos in (0, 1, 2)]), [0, 1, 2], 'codes')
    equal(client.subscribe('x/' * 1000, 0), [0x80], 'code of a filter with too many levels')


@case('MQTT-3.10.1-1', 'UNSUBSCRIBE with other flags than 2 ends the connection')
def unsubscribe_flags(t):
    for bad in (0, 1, 3, 10):
        t.malformed(codec.unsubscribe(4, [t.topic()], flags=bad))


@case('MQTT-3.10.3-1', 'a filter of UNSUBSCRIBE that is not UTF-8 ends the connection')
def unsubscribe_utf8(t):
    t.malformed(codec.unsubscribe(4, [b'\xfe']))


@case('MQTT-3.10.3-2', 'UNSUBSCRIBE without a filter ends the connection')
def unsubscribe_nothing(t):
    t.malformed(codec.unsubscribe(4, []))


@case('MQTT-3.10.4-1', 'UNSUBSCRIBE removes the filter that is the same byte by byte, no other')
def unsubscribe_exact(t):
    client = t.connect()
    client.subscribe([(t.topic('a/+'), 0), (t.topic('b/#'), 0)])
    client.unsubscribe(t.topic('a/b'), t.topic('a/#'), t.topic('B/#'), t.topic('b'))
    publisher = t.connect('pub')
    for name in ('a/b', 'b/c'):
        publisher.publish_done(t.topic(name), 'x')
        client.expect_publish(t.topic(name), 'x')
    client.unsubscribe(t.topic('a/+'))
    publisher.publish_done(t.topic('a/b'), 'x')
    client.expect_nothing()


@case('MQTT-3.10.4-2', 'after UNSUBACK nothing new comes')
def unsubscribe_stops(t):
    client = t.connect()
    client.subscribe(t.topic(), 1)
    publisher = t.connect('pub')
    publisher.publish_done(t.topic(), 'before', 1)
    client.expect_payloads('before')
    client.unsubscribe(t.topic())
    publisher.publish_done(t.topic(), 'after', 1)
    client.expect_nothing()


@case('MQTT-3.10.4-3', 'a QoS 2 delivery that has begun is completed after UNSUBSCRIBE')
def unsubscribe_completes(t):
    client = t.connect()
    client.subscribe(t.topic(), 2)
    t.connect('pub').publish_done(t.topic(), 'x', 2)
    packet_id = client.expect_publish(t.topic(), 'x', 2).packet_id
    client.unsubscribe(t.topic())
    client.ack(codec.PUBREC, packet_id)
    client.expect(codec.PUBREL, packet_id)


@case('MQTT-3.10.4-4 MQTT-3.10.4-5', 'UNSUBSCRIBE is answered, also when there was no such filter')
def unsuback(t):
    client = t.connect()
    client.send(codec.unsubscribe(4, [t.topic()], packet_id=1234))
    equal(client.expect(codec.UNSUBACK, 1234).body, codec.u16(1234), 'UNSUBACK')


@case('MQTT-3.10.4-6', 'UNSUBSCRIBE of several filters is one answer and the effect of each')
def unsubscribe_several(t):
    client = t.connect()
    client.subscribe([(t.topic(name), 0) for name in 'abc'])
    client.unsubscribe(t.topic('a'), t.topic('c'))
    publisher = t.connect('pub')
    for name in 'abc':
        publisher.publish_done(t.topic(name), name)
    client.expect_payloads('b')
    client.expect_nothing()


def matches(t, name, wanted, others):
    """The filter gets these topics and not the others; live and from the retained set."""
    publisher = t.connect('pub')
    client = t.connect()
    client.subscribe(t.topic(name), 0)
    for topic in wanted + others:
        publisher.publish_done(t.topic(topic), topic, retain=True)
    client.expect_payloads(*wanted)
    client.expect_nothing()
    late = t.connect('late')
    late.subscribe(t.topic(name), 0)
    found = sorted(late.expect(codec.PUBLISH).payload.decode() for _ in wanted)
    equal(found, sorted(wanted), 'retained')
    late.expect_nothing()


@case('MQTT-4.7.1-2', '# stands for the parent and any number of levels below it')
def pound(t):
    matches(t, 'a/b/#', ['a/b', 'a/b/', 'a/b/c', 'a/b/c/d/e', 'a/b//'], ['a', 'a/', 'a/bb', 'ab/c'])


@case('MQTT-4.7.1-3', '+ stands for exactly one level, which may be empty')
def plus(t):
    matches(t, 'a/+', ['a/b', 'a/', 'a/c'], ['a', 'a/b/c', 'a//', 'b/a'])


@case('MQTT-4.7.1-3', '+ may stand at any level, several times, and before #')
def plus_anywhere(t):
    matches(t, '+/b/+/#', ['a/b/c', 'x/b/', 'x/b//y', '/b/c/d'], ['a/b', 'a/c/b', 'b', 'a/a/b/c'])


@case('MQTT-4.7.3-4', 'topics are compared character by character: case, spaces, slashes count')
def exact(t):
    matches(t, 'a/B', ['a/B'], ['a/b', 'A/B', 'a/B/', '/a/B', 'a/ B', 'a/B '])


@case('MQTT-4.7.1-2', '# that is not the last level, or not a whole one, ends the connection')
def pound_place(t):
    for name in ('#/a', 'a/#/b', 'a#', 'a/b#', '##', 'a/#/'):
        t.malformed(codec.subscribe(4, [(name, 0)]), 0x8F, 0x81)


@case('MQTT-4.7.1-3', '+ that is not a whole level ends the connection')
def plus_place(t):
    for name in ('a+', '+a', 'a/+b', '++', 'a/b+/c'):
        t.malformed(codec.subscribe(4, [(name, 0)]), 0x8F, 0x81)


@case('MQTT-4.7.3-1', 'an empty filter ends the connection')
def filter_empty(t):
    t.malformed(codec.subscribe(4, [('', 0)]))
    t.malformed(codec.unsubscribe(4, ['']))


@case('MQTT-4.7.2-1', 'filters that begin with a wildcard do not match topics that begin with $')
def dollar(t):
    publisher = t.connect('pub')
    topic = f'$c{t.number}/a'
    publisher.publish_done(topic, 'kept', retain=True)
    client = t.connect()
    client.subscribe([(f'+/a/#', 0), ('+/a', 0), (f'#', 0), ('+/+', 0)])
    publisher.publish_done(topic, 'live')
    publisher.publish_done(t.topic('end'), 'end')
    while True:
        packet = client.expect(codec.PUBLISH)
        equal(packet.topic.startswith('$'), False, f'{packet.topic} begins with $')
        if packet.payload == b'end' and not packet.retain:
            break


@case('MQTT-4.7.2-1', 'filters that name the $ level match; below it wildcards are free')
def dollar_named(t):
    publisher = t.connect('pub')
    client = t.connect()
    client.subscribe([(f'$c{t.number}/+', 0)])
    other = t.connect('other')
    other.subscribe([(f'$c{t.number}/#', 0)])
    for name in ('a', '$b'):
        publisher.publish_done(f'$c{t.number}/{name}', name)
    client.expect_payloads('a', '$b')
    other.expect_payloads('a', '$b')


@case('MQTT-4.7.2-1', '$SYS/broker topics are there for who subscribes to them')
def sys_topics(t):
    client = t.connect()
    client.subscribe('$SYS/broker/version', 0)
    packet = client.expect(codec.PUBLISH)
    equal((packet.topic, packet.retain), ('$SYS/broker/version', True), 'topic and RETAIN')


@case('MQTT-4.7.3-1', 'filters and topics may hold empty levels, spaces and any character but NUL')
def filter_odd(t):
    client = t.connect()
    publisher = t.connect('pub')
    for name in ('/', '//', ' ', 'ä/ /', '\u0001', '😀'):
        equal(client.subscribe(t.topic(name), 0), [0], 'SUBACK')
        publisher.publish_done(t.topic(name), 'x')
        client.expect_publish(t.topic(name), 'x')
