"""Topic aliases of MQTT 5 (§3.3.2.3.4), both ways."""
import codec
from suite import case, check, equal


def alias(value):
    return [(codec.TOPIC_ALIAS, value)]


@case('MQTT-3.3.2-12', 'an alias stands for the topic it was given')
def used(t):
    client = t.connect()
    client.subscribe(t.topic('#'), 0)
    client.publish(t.topic('a'), '1', properties=alias(1))
    client.publish(t.topic('b'), '2', properties=alias(2))
    for number, value in (('3', 1), ('4', 2), ('5', 1)):
        client.publish('', number, properties=alias(value))
    found = [(p.topic, p.payload.decode()) for p in (client.expect(codec.PUBLISH) for _ in range(5))]
    equal(found, [(t.topic('a'), '1'), (t.topic('b'), '2'), (t.topic('a'), '3'),
                  (t.topic('b'), '4'), (t.topic('a'), '5')], 'topics and payloads')


@case('MQTT-3.3.2-12', 'an alias may be given to another topic')
def changed(t):
    client = t.connect()
    client.subscribe(t.topic('#'), 0)
    client.publish(t.topic('a'), '1', properties=alias(1))
    client.publish(t.topic('b'), '2', properties=alias(1))
    client.publish('', '3', properties=alias(1))
    equal([client.expect(codec.PUBLISH).topic for _ in range(3)],
          [t.topic('a'), t.topic('b'), t.topic('b')], 'topics')


@case('MQTT-3.3.2-12', 'aliases work at every QoS, for retained messages, with other properties')
def everywhere(t):
    client = t.connect()
    client.publish_done(t.topic(), '0', properties=alias(3))
    wanted = [(codec.CONTENT_TYPE, 'x'), (codec.USER_PROPERTY, ('a', 'b'))]
    client.publish_done('', '1', 1, retain=True, properties=wanted[:1] + alias(3) + wanted[1:])
    client.subscribe(t.topic(), 2)
    packet = client.expect_publish(t.topic(), '1', 1, retain=True)
    equal(packet.properties, wanted, 'properties')
    packet_id = client.publish('', '2', 2, properties=alias(3))
    kinds = sorted(client.next().kind for _ in range(2))
    equal(kinds, [codec.PUBLISH, codec.PUBREC], 'packets')
    client.ack(codec.PUBREL, packet_id)
    client.expect(codec.PUBCOMP, packet_id)


@case('MQTT-3.3.2-7', 'an alias ends with its connection')
def ends(t):
    client = t.connect(properties=[(codec.SESSION_EXPIRY, 100)])
    client.publish_done(t.topic(), 'x', properties=alias(1))
    client.drop()
    client = t.connect(clean=False)
    client.publish('', 'x', properties=alias(1))
    client.expect_end(0x82, 0x94)


@case('MQTT-3.3.2-8', 'alias 0 ends the connection')
def zero(t):
    t.malformed(codec.publish(5, t.topic(), 'x', properties=alias(0)), 0x94, 0x82)


@case('MQTT-3.3.2-9 MQTT-3.2.2-17', 'an alias above the maximum of CONNACK ends the connection')
def above(t):
    client = t.connect()
    limit = client.connack.get(codec.TOPIC_ALIAS_MAXIMUM)
    client.publish_done(t.topic(), 'x', properties=alias(limit))
    client.publish(t.topic(), 'x', properties=alias(limit + 1))
    client.expect_end(0x94)


@case('MQTT-3.3.2-12', 'an alias that was given no topic is a protocol error')
def unknown(t):
    t.malformed(codec.publish(5, '', 'x', properties=alias(1)), 0x82, 0x94)


@case('MQTT-3.3.2-9', 'a publisher\'s alias is not passed on')
def not_passed_on(t):
    client = t.connect('sub')
    client.subscribe(t.topic(), 0)
    publisher = t.connect('pub')
    for topic in (t.topic(), ''):
        publisher.publish(topic, 'x', properties=alias(1))
        equal(client.expect_publish(t.topic(), 'x').properties, [], 'properties')


@case('MQTT-3.3.2-10 MQTT-3.1.2-26 MQTT-3.1.2-27', 'a client that allows none gets no alias')
def none_allowed(t):
    for name, properties in (('a', []), ('b', [(codec.TOPIC_ALIAS_MAXIMUM, 0)])):
        client = t.connect(name, properties=properties)
        client.subscribe(t.topic(), 0)
        for _ in range(5):
            t.connect('pub').publish_done(t.topic(), 'x')
            equal(client.expect_publish(t.topic(), 'x').properties, [], 'properties')


@case('MQTT-3.3.2-11', 'towards a client, aliases are not above its maximum and stand for the topic')
def towards_client(t):
    client = t.connect(properties=[(codec.TOPIC_ALIAS_MAXIMUM, 2)])
    client.subscribe(t.topic('#'), 1)
    publisher = t.connect('pub')
    known = {}
    for number in range(20):
        topic = t.topic(str(number % 4))
        publisher.publish_done(topic, str(number), number % 2)
        packet = client.expect(codec.PUBLISH)
        value = packet.get(codec.TOPIC_ALIAS)
        check(value is None or 1 <= value <= 2, f'alias {value}')
        if packet.topic:
            if value:
                known[value] = packet.topic
        equal(packet.topic or known.get(value), topic, 'topic')
        if packet.qos:
            client.ack(codec.PUBACK, packet.packet_id)


@case('MQTT-3.3.2-7', 'towards a client, aliases begin anew with each connection')
def towards_new_connection(t):
    properties = [(codec.TOPIC_ALIAS_MAXIMUM, 5), (codec.SESSION_EXPIRY, 100)]
    client = t.connect(properties=properties)
    client.subscribe(t.topic(), 1)
    publisher = t.connect('pub')
    for _ in range(2):
        publisher.publish_done(t.topic(), 'x', 1)
        client.expect(codec.PUBLISH)
    client.drop()
    client = t.connect(clean=False, properties=properties)
    equal(client.expect(codec.PUBLISH).topic, t.topic(), 'topic of the first resent message')
