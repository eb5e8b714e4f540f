"""PUBLISH of MQTT 5 (§3.3): flags, topic, properties that are passed on, retained messages."""
import time

import codec
from suite import case, check, equal

PASSED_ON = [(codec.PAYLOAD_FORMAT, 1), (codec.CONTENT_TYPE, 'text/plain; charset=utf-8'),
             (codec.RESPONSE_TOPIC, 'answers/here'), (codec.CORRELATION_DATA, b'\0\xff\x01'),
             (codec.USER_PROPERTY, ('b', '2')), (codec.USER_PROPERTY, ('a', '1')),
             (codec.USER_PROPERTY, ('b', '2')), (codec.USER_PROPERTY, ('', ''))]


def passed_on(t, properties, qos=1):
    """What a subscriber gets of these properties."""
    client = t.connect('sub')
    client.subscribe(t.topic(), 2)
    t.connect('pub').publish_done(t.topic(), 'x', qos, properties=properties)
    return client.expect_publish(t.topic(), 'x', qos).properties


@case('MQTT-3.3.1-2', 'DUP with QoS 0 is malformed')
def dup_qos_0(t):
    t.malformed(codec.publish(5, t.topic(), 'x', dup=True))


@case('MQTT-3.3.1-3', 'DUP of a publisher is not passed on')
def dup_not_passed_on(t):
    client = t.connect()
    client.subscribe(t.topic(), 2)
    publisher = t.connect('pub')
    for qos in (1, 2):
        publisher.publish_done(t.topic(), 'x', qos, dup=True)
        client.expect_publish(t.topic(), 'x', qos, dup=False)


@case('MQTT-3.3.1-4', 'QoS 3 is malformed')
def qos_3(t):
    t.malformed(codec.packet(codec.PUBLISH, 6, codec.data(t.topic()) + codec.u16(1) + b'\0x'))


@case('MQTT-3.3.1-5', 'the last retained message of a topic is kept, with its properties')
def retained(t):
    client = t.connect()
    client.publish_done(t.topic(), 'first', 1, retain=True)
    client.publish_done(t.topic(), 'last', 1, retain=True, properties=PASSED_ON)
    client.subscribe(t.topic(), 2)
    packet = client.expect_publish(t.topic(), 'last', 1, retain=True)
    equal(packet.properties, PASSED_ON, 'properties')
    client.expect_nothing()


@case('MQTT-3.3.1-6 MQTT-3.3.1-7', 'an empty retained publish removes the message, is not kept')
def retained_removed(t):
    client = t.connect()
    client.publish_done(t.topic(), 'x', retain=True)
    other = t.connect('other')
    other.subscribe(t.topic(), 0)
    other.expect_publish(t.topic(), 'x', retain=True)
    client.publish_done(t.topic(), '', retain=True)
    other.expect_publish(t.topic(), '')
    client.subscribe(t.topic(), 0)
    client.expect_nothing()


@case('MQTT-3.3.1-8', 'a publish with RETAIN 0 leaves the retained message alone')
def retain_0(t):
    client = t.connect()
    client.publish_done(t.topic(), 'kept', retain=True)
    client.publish_done(t.topic(), 'live')
    client.publish_done(t.topic(), '')
    client.subscribe(t.topic(), 0)
    client.expect_publish(t.topic(), 'kept', retain=True)


@case('MQTT-3.3.2-1', 'a topic that is not UTF-8 ends the connection')
def topic_utf8(t):
    for topic in (b'\xff', b'a\0', b'\xed\xa0\x80'):
        t.malformed(codec.publish(5, topic, 'x'), 0x81, 0x90)


@case('MQTT-3.3.2-2', 'a topic with wildcards ends the connection')
def topic_wildcards(t):
    for topic in ('#', '+', 'a/+/b', 'a/#', 'a+'):
        t.malformed(codec.publish(5, topic, 'x'), 0x90, 0x81)


@case('MQTT-3.3.2-3', 'a subscriber gets the topic as it was published')
def topic_unchanged(t):
    client = t.connect()
    client.subscribe(f'{t.topic()}/#', 0)
    for name in ('/', ' ', 'Ä', '😀', '\ufeff', 'a' * 300):
        client.publish(f'{t.topic()}/{name}', name)
        client.expect_publish(f'{t.topic()}/{name}', name)


@case('MQTT-4.7.3-1', 'an empty topic without an alias is a protocol error')
def topic_empty(t):
    t.malformed(codec.publish(5, '', 'x'), 0x82)


@case('MQTT-3.3.2-4', 'the payload format is passed on unchanged')
def payload_format(t):
    for value in (0, 1):
        equal(passed_on(t, [(codec.PAYLOAD_FORMAT, value)]), [(codec.PAYLOAD_FORMAT, value)],
              'properties')


@case('MQTT-3.3.2-4', 'a payload format other than 0 and 1 ends the connection')
def payload_format_2(t):
    t.malformed(codec.publish(5, t.topic(), 'x', properties=[(codec.PAYLOAD_FORMAT, 2)]))


@case('MQTT-3.3.2-6', 'what is left of the message expiry is passed on')
def expiry(t):
    equal(passed_on(t, [(codec.MESSAGE_EXPIRY, 100)]), [(codec.MESSAGE_EXPIRY, 100)], 'properties')


@case('MQTT-3.3.2-5 MQTT-3.3.2-6', 'a message that waits longer than its expiry is dropped, another '
      'says what is left', waits=True)
def expiry_waits(t):
    client = t.connect(properties=[(codec.SESSION_EXPIRY, 100)])
    client.subscribe(t.topic(), 1)
    client.disconnect()
    publisher = t.connect('pub')
    publisher.publish_done(t.topic(), 'short', 1, properties=[(codec.MESSAGE_EXPIRY, 1)])
    publisher.publish_done(t.topic(), 'long', 1, properties=[(codec.MESSAGE_EXPIRY, 100)])
    publisher.publish_done(t.topic(), 'ever', 1)
    time.sleep(2.2)
    client = t.connect(clean=False)
    left = client.expect_publish(t.topic(), 'long', 1).get(codec.MESSAGE_EXPIRY)
    check(95 <= left <= 98, f'{left} s are left')
    client.expect_publish(t.topic(), 'ever', 1)


@case('MQTT-3.3.2-5', 'a retained message goes when its expiry has passed', waits=True)
def expiry_retained(t):
    client = t.connect()
    client.publish_done(t.topic('short'), 'x', retain=True, properties=[(codec.MESSAGE_EXPIRY, 1)])
    client.publish_done(t.topic('long'), 'x', retain=True, properties=[(codec.MESSAGE_EXPIRY, 100)])
    time.sleep(2.2)
    client.subscribe(t.topic('+'), 0)
    left = client.expect_publish(t.topic('long'), 'x', retain=True).get(codec.MESSAGE_EXPIRY)
    check(95 <= left <= 98, f'{left} s are left')
    client.expect_nothing()


@case('MQTT-3.3.2-13', 'a response topic that is not UTF-8 ends the connection')
def response_utf8(t):
    t.malformed(codec.publish(5, t.topic(), 'x', properties=[(codec.RESPONSE_TOPIC, b'\xff')]),
                0x81, 0x82, 0x90)


@case('MQTT-3.3.2-14', 'a response topic with wildcards ends the connection')
def response_wildcards(t):
    for topic in ('a/+', '#'):
        t.malformed(codec.publish(5, t.topic(), 'x', properties=[(codec.RESPONSE_TOPIC, topic)]),
                    0x81, 0x82, 0x90)


@case('MQTT-3.3.2-15', 'the response topic is passed on unchanged')
def response(t):
    wanted = [(codec.RESPONSE_TOPIC, 'a/ä/b')]
    equal(passed_on(t, wanted), wanted, 'properties')


@case('MQTT-3.3.2-16', 'the correlation data are passed on unchanged')
def correlation(t):
    for value in (b'', b'\0', bytes(range(256)) * 8):
        equal(passed_on(t, [(codec.CORRELATION_DATA, value)]), [(codec.CORRELATION_DATA, value)],
              'properties')


@case('MQTT-3.3.2-17 MQTT-3.3.2-18', 'user properties are passed on unchanged and in order')
def user_properties(t):
    wanted = [(codec.USER_PROPERTY, pair) for pair in
              (('z', '1'), ('a', '2'), ('z', '1'), ('', 'empty'), ('ä', '😀'), ('a', ''))]
    for qos in (0, 1, 2):
        equal(passed_on(t, wanted, qos), wanted, f'properties at QoS {qos}')


@case('MQTT-3.3.2-19', 'a content type that is not UTF-8 ends the connection')
def content_utf8(t):
    t.malformed(codec.publish(5, t.topic(), 'x', properties=[(codec.CONTENT_TYPE, b'\xc3')]))


@case('MQTT-3.3.2-20', 'the content type is passed on unchanged')
def content(t):
    wanted = [(codec.CONTENT_TYPE, 'application/json')]
    equal(passed_on(t, wanted), wanted, 'properties')


@case('MQTT-3.3.2-17', 'all properties together are passed on in their order')
def all_properties(t):
    for qos in (0, 1, 2):
        equal(passed_on(t, PASSED_ON, qos), PASSED_ON, f'properties at QoS {qos}')


@case('MQTT-3.3.2-17', 'properties wait with their message for a client that is away')
def properties_stored(t):
    client = t.connect(properties=[(codec.SESSION_EXPIRY, 100)])
    client.subscribe(t.topic(), 2)
    client.disconnect()
    t.connect('pub').publish_done(t.topic(), 'x', 2, properties=PASSED_ON)
    client = t.connect(clean=False, properties=[(codec.SESSION_EXPIRY, 100)])
    equal(client.expect_publish(t.topic(), 'x', 2).properties, PASSED_ON, 'properties')
    client.drop()
    client = t.connect(clean=False)
    equal(client.expect_publish(t.topic(), 'x', 2, dup=True).properties, PASSED_ON, 'resent')


@case('MQTT-3.3.2-17', 'a 3.1.1 subscriber gets the message without its properties')
def to_version_4(t):
    client = t.connect('old', version=4)
    client.subscribe(t.topic(), 1)
    t.connect('pub').publish_done(t.topic(), 'x', 1, properties=PASSED_ON)
    client.expect_publish(t.topic(), 'x', 1)


@case('MQTT-3.3.2-17', 'a version 5 subscriber gets an empty list for what 3.1.1 published')
def from_version_4(t):
    client = t.connect()
    client.subscribe(t.topic(), 1)
    t.connect('old', version=4).publish_done(t.topic(), 'x', 1)
    equal(client.expect_publish(t.topic(), 'x', 1).properties, [], 'properties')


@case('MQTT-2.2.2-1', 'a property other than user property that stands twice ends the connection')
def twice(t):
    for entry in PASSED_ON[:4] + [(codec.MESSAGE_EXPIRY, 1), (codec.TOPIC_ALIAS, 1)]:
        t.malformed(codec.publish(5, t.topic(), 'x', properties=[entry] * 2), 0x82)


@case('MQTT-2.2.2-1', 'properties that have no place in PUBLISH, or are unknown, end the connection')
def foreign(t):
    for raw in (codec.prop(codec.SESSION_EXPIRY, 1), codec.prop(codec.WILL_DELAY, 1),
                codec.prop(codec.REASON_STRING, 'x'), b'\0\1', b'\x7f\1', b'\xff\x7f\1'):
        t.malformed(codec.publish(5, t.topic(), 'x', properties=raw))


@case('MQTT-2.2.2-1', 'a property list that is cut short or passes its packet ends the connection')
def list_length(t):
    t.malformed(codec.publish(5, t.topic(), 'x', properties=codec.prop(codec.CONTENT_TYPE, 'a')[:-1]))
    t.malformed(codec.publish(5, t.topic(), 'x', properties=b'\x02\0\0'))
    t.malformed(codec.packet(codec.PUBLISH, 0, codec.data(t.topic()) + b'\x05\x01\x01'))
    t.malformed(codec.packet(codec.PUBLISH, 0, codec.data(t.topic()) + b'\xff\xff\xff\xff\x01'))
    t.malformed(codec.packet(codec.PUBLISH, 0, codec.data(t.topic())))


@case('MQTT-3.3.4-6', 'a subscription identifier from a client is a protocol error')
def subscription_id(t):
    t.malformed(codec.publish(5, t.topic(), 'x', properties=[(codec.SUBSCRIPTION_ID, 1)]), 0x82)


@case('MQTT-2.2.1-3', 'a QoS 1 or 2 publish with packet id 0 ends the connection')
def packet_id_zero(t):
    for qos in (1, 2):
        t.malformed(codec.publish(5, t.topic(), 'x', qos, packet_id=0))


@case('MQTT-3.3.4-1', 'PUBACK and PUBREC say that there was no subscriber')
def no_subscriber(t):
    client = t.connect()
    equal(client.publish_done(t.topic(), 'x', 1).code, 0x10, 'code of PUBACK')
    equal(client.publish_done(t.topic(), 'x', 2).code, 0x10, 'code of PUBREC')
    t.connect('sub').subscribe(t.topic(), 0)
    equal(client.publish_done(t.topic(), 'x', 1).code, 0, 'code of PUBACK')
    equal(client.publish_done(t.topic(), 'x', 2).code, 0, 'code of PUBREC')


@case('MQTT-4.3.2-2', 'a publish that is not authorised is answered with 0x87')
def not_authorised(t):
    client = t.connect()
    equal(client.publish_done('$SYS/broker/x', 'x', 1).code, 0x87, 'code of PUBACK')
    equal(client.publish_done('$SYS/broker/x', 'x', 2).code, 0x87, 'code of PUBREC')
    client.publish_done('$SYS/broker/x', 'x', 0)


@case('MQTT-4.3.2-2', 'a topic with too many levels is answered with 0x90')
def too_deep(t):
    client = t.connect()
    equal(client.publish_done('a/' * 1000 + 'b', 'x', 1).code, 0x90, 'code of PUBACK')
