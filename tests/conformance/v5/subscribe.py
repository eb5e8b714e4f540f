"""SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK of MQTT 5 (§3.8 to §3.11): options, identifiers, shared
subscriptions (§4.8)."""
import codec
from suite import Will, case, check, equal

NO_LOCAL, AS_PUBLISHED, IF_NEW, NEVER = 0x04, 0x08, 0x10, 0x20


@case('MQTT-3.8.1-1 MQTT-3.10.1-1', 'SUBSCRIBE and UNSUBSCRIBE with other flags than 2 end it')
def flags(t):
    for bad in (0, 1, 3, 10):
        t.malformed(codec.subscribe(5, [(t.topic(), 0)], flags=bad))
        t.malformed(codec.unsubscribe(5, [t.topic()], flags=bad))


@case('MQTT-2.2.1-3', 'SUBSCRIBE and UNSUBSCRIBE with packet id 0 end the connection')
def packet_id_zero(t):
    t.malformed(codec.subscribe(5, [(t.topic(), 0)], packet_id=0))
    t.malformed(codec.unsubscribe(5, [t.topic()], packet_id=0))


@case('MQTT-3.8.3-1 MQTT-3.10.3-1', 'a filter that is not UTF-8 ends the connection')
def utf8(t):
    for name in (b'\xff', b'a\0b', b'\xed\xa0\x80'):
        t.malformed(codec.subscribe(5, [(name, 0)]))
        t.malformed(codec.unsubscribe(5, [name]))


@case('MQTT-3.8.3-2 MQTT-3.10.3-2', 'SUBSCRIBE and UNSUBSCRIBE without a filter are protocol errors')
def no_filter(t):
    t.malformed(codec.subscribe(5, []), 0x82)
    t.malformed(codec.unsubscribe(5, []), 0x82)


@case('MQTT-3.8.3-5', 'reserved bits of the options end the connection')
def reserved(t):
    for bad in (0x40, 0x80, 0xC0):
        t.malformed(codec.subscribe(5, [(t.topic(), bad)]))


@case('MQTT-3.8.3-5', 'QoS 3 and retain handling 3 are protocol errors')
def values(t):
    for bad in (3, 0x30):
        t.malformed(codec.subscribe(5, [(t.topic(), bad)]))


@case('MQTT-3.8.3-3', 'no local: a client does not get what it published itself')
def no_local(t):
    client = t.connect()
    client.subscribe(t.topic(), 2 | NO_LOCAL)
    for qos in (0, 1, 2):
        client.publish_done(t.topic(), 'mine', qos)
    client.expect_nothing()
    t.connect('pub').publish_done(t.topic(), 'other', 1)
    client.expect_publish(t.topic(), 'other', 1)


@case('MQTT-3.8.3-3', 'no local of one filter does not hold back what another one asks for')
def no_local_overlapping(t):
    client = t.connect()
    client.subscribe([(t.topic('a'), 2 | NO_LOCAL), (t.topic('+'), 1)])
    client.publish(t.topic('a'), 'mine', 0)
    client.expect_publish(t.topic('a'), 'mine', 0)
    client.expect_nothing()


@case('MQTT-3.8.3-4', 'no local with a shared subscription is a protocol error')
def no_local_shared(t):
    t.malformed(codec.subscribe(5, [(f'$share/g/{t.topic()}', NO_LOCAL)]), 0x82)


@case('MQTT-3.3.1-9', 'retain handling 0: retained messages at each SUBSCRIBE')
def handling_0(t):
    client = t.connect()
    client.publish_done(t.topic(), 'kept', retain=True)
    for _ in range(2):
        client.subscribe(t.topic(), 0)
        client.expect_publish(t.topic(), 'kept', retain=True)


@case('MQTT-3.3.1-10', 'retain handling 1: retained messages when the subscription is new')
def handling_1(t):
    client = t.connect()
    client.publish_done(t.topic(), 'kept', retain=True)
    client.subscribe(t.topic(), IF_NEW)
    client.expect_publish(t.topic(), 'kept', retain=True)
    client.subscribe(t.topic(), IF_NEW)
    client.expect_nothing()
    client.unsubscribe(t.topic())
    client.subscribe(t.topic(), IF_NEW)
    client.expect_publish(t.topic(), 'kept', retain=True)


@case('MQTT-3.3.1-11', 'retain handling 2: no retained messages')
def handling_2(t):
    client = t.connect()
    client.publish_done(t.topic(), 'kept', retain=True)
    client.subscribe(t.topic(), NEVER)
    client.expect_nothing()


@case('MQTT-3.3.1-12', 'retain as published 0: RETAIN is 0')
def as_published_0(t):
    client = t.connect()
    client.subscribe(t.topic(), 1)
    t.connect('pub').publish_done(t.topic(), 'x', 1, retain=True)
    client.expect_publish(t.topic(), 'x', 1, retain=False)


@case('MQTT-3.3.1-13', 'retain as published 1: RETAIN is as it was published')
def as_published_1(t):
    client = t.connect()
    client.subscribe(t.topic(), 1 | AS_PUBLISHED)
    publisher = t.connect('pub')
    for qos in (0, 1):
        for retain in (True, False):
            publisher.publish_done(t.topic(), 'x', qos, retain=retain)
            client.expect_publish(t.topic(), 'x', qos, retain=retain)


@case('MQTT-3.3.1-13', 'retain as published holds for messages that waited, too')
def as_published_stored(t):
    client = t.connect(properties=[(codec.SESSION_EXPIRY, 100)])
    client.subscribe(t.topic(), 1 | AS_PUBLISHED)
    client.disconnect()
    t.connect('pub').publish_done(t.topic(), 'x', 1, retain=True)
    t.connect(clean=False).expect_publish(t.topic(), 'x', 1, retain=True)


@case('MQTT-3.8.4-1 MQTT-3.8.4-2', 'SUBSCRIBE is answered with SUBACK of its packet id')
def suback(t):
    client = t.connect()
    for packet_id in (1, 256, 65535):
        client.subscribe(t.topic(), 0, packet_id=packet_id)


@case('MQTT-3.8.4-3 MQTT-3.8.4-4', 'subscribing again replaces the subscription with its options')
def replaced(t):
    client = t.connect()
    client.subscribe(t.topic(), 2 | NO_LOCAL, properties=[(codec.SUBSCRIPTION_ID, 1)])
    client.subscribe(t.topic(), 0, properties=[(codec.SUBSCRIPTION_ID, 2)])
    client.publish(t.topic(), 'x')
    equal(client.expect_publish(t.topic(), 'x', 0).get(codec.SUBSCRIPTION_ID), 2, 'identifier')
    client.expect_nothing()


@case('MQTT-3.8.4-5 MQTT-3.8.4-6 MQTT-3.9.3-1', 'several filters: one SUBACK, a code each, in order')
def several(t):
    client = t.connect()
    codes = client.subscribe([(t.topic('a'), 2), ('x/' * 1000, 0), (t.topic('c'), 1)])
    check(codes[0] == 2 and codes[1] >= 0x80 and codes[2] == 1, f'codes {codes}')
    t.connect('pub').publish_done(t.topic('c'), 'x', 2)
    client.expect_publish(t.topic('c'), 'x', 1)


@case('MQTT-3.8.4-7 MQTT-3.8.4-8', 'the granted QoS is the highest that is delivered')
def granted(t):
    for asked in (0, 1, 2):
        client = t.connect(f'sub{asked}')
        equal(client.subscribe(t.topic(), asked), [asked], 'codes')
        for published in (0, 1, 2):
            t.connect('pub').publish_done(t.topic(), 'x', published)
            client.expect_publish(t.topic(), 'x', min(asked, published))


@case('MQTT-3.9.3-2', 'a filter that is refused is answered with a code of version 5')
def refused(t):
    equal(t.connect().subscribe('x/' * 1000, 0), [0x8F], 'codes')


@case('MQTT-3.10.4-1', 'UNSUBSCRIBE removes the filter that is the same byte by byte, no other')
def unsubscribe_exact(t):
    client = t.connect()
    client.subscribe(t.topic('a/+'), 0)
    equal(client.unsubscribe(t.topic('a/b'), t.topic('A/+'), t.topic('a/+')), [0x11, 0x11, 0],
          'codes')
    t.connect('pub').publish_done(t.topic('a/b'), 'x')
    client.expect_nothing()


@case('MQTT-3.10.4-3', 'a QoS 2 delivery that has begun is completed after UNSUBSCRIBE')
def unsubscribe_completes(t):
    client = t.connect()
    client.subscribe(t.topic(), 2)
    t.connect('pub').publish_done(t.topic(), 'x', 2)
    packet_id = client.expect_publish(t.topic(), 'x', 2).packet_id
    client.unsubscribe(t.topic())
    client.ack(codec.PUBREC, packet_id)
    equal(client.expect(codec.PUBREL, packet_id).code, 0, 'code')


@case('MQTT-3.10.4-4 MQTT-3.10.4-5 MQTT-3.10.4-6 MQTT-3.11.3-1',
      'UNSUBSCRIBE is answered with a code for each filter, in order')
def unsuback(t):
    client = t.connect()
    client.subscribe([(t.topic('b'), 0), (t.topic('d'), 0)])
    equal(client.unsubscribe(*[t.topic(name) for name in 'abcd']), [0x11, 0, 0x11, 0], 'codes')


@case('MQTT-3.3.4-2', 'overlapping filters: the message comes at the highest of their QoS')
def overlapping(t):
    client = t.connect()
    client.subscribe([(t.topic('a/#'), 0), (t.topic('a/+'), 2), (t.topic('a/b'), 1)])
    t.connect('pub').publish_done(t.topic('a/b'), 'x', 2)
    equal(client.expect(codec.PUBLISH).qos, 2, 'QoS')
    client.expect_nothing()


@case('MQTT-3.3.4-3', 'one copy for several subscriptions carries the identifiers of all that have one')
def identifiers(t):
    client = t.connect()
    client.subscribe(t.topic('#'), 0, properties=[(codec.SUBSCRIPTION_ID, 268_435_455)])
    client.subscribe(t.topic('a'), 1, properties=[(codec.SUBSCRIPTION_ID, 1)])
    client.subscribe(t.topic('+'), 1)
    publisher = t.connect('pub')
    for qos in (0, 1):
        publisher.publish_done(t.topic('a'), 'x', qos,
                               properties=[(codec.USER_PROPERTY, ('k', 'v'))])
        packet = client.expect_publish(t.topic('a'), 'x', qos)
        equal(sorted(packet.get(codec.SUBSCRIPTION_ID)), [1, 268_435_455], 'identifiers')
        equal(packet.get(codec.USER_PROPERTY), ('k', 'v'), 'user property')
    publisher.publish_done(t.topic('b'), 'x')
    equal(client.expect_publish(t.topic('b'), 'x').get(codec.SUBSCRIPTION_ID), 268_435_455,
          'identifier')


@case('MQTT-3.3.4-3', 'two subscriptions with one identifier: it may stand twice')
def same_identifier(t):
    client = t.connect()
    for name in ('a', '+'):
        client.subscribe(t.topic(name), 0, properties=[(codec.SUBSCRIPTION_ID, 7)])
    client.publish(t.topic('a'), 'x')
    found = client.expect_publish(t.topic('a'), 'x').get(codec.SUBSCRIPTION_ID)
    check(found in (7, [7, 7]), f'{found}')
    client.expect_nothing()


@case('MQTT-3.3.4-4', 'retained messages carry the identifier of the subscription')
def identifier_retained(t):
    client = t.connect()
    client.publish_done(t.topic(), 'x', retain=True)
    client.subscribe(t.topic(), 0, properties=[(codec.SUBSCRIPTION_ID, 300)])
    packet = client.expect_publish(t.topic(), 'x', retain=True)
    equal(packet.get(codec.SUBSCRIPTION_ID), 300, 'identifier')


@case('MQTT-3.3.4-4', 'messages that waited, and those sent again, carry the identifier')
def identifier_stored(t):
    client = t.connect(properties=[(codec.SESSION_EXPIRY, 100)])
    client.subscribe(t.topic(), 1, properties=[(codec.SUBSCRIPTION_ID, 300)])
    client.disconnect()
    t.connect('pub').publish_done(t.topic(), 'x', 1)
    for dup in (False, True):
        client = t.connect(clean=False, properties=[(codec.SESSION_EXPIRY, 100)])
        packet = client.expect_publish(t.topic(), 'x', 1, dup=dup)
        equal(packet.get(codec.SUBSCRIPTION_ID), 300, 'identifier')
        client.drop()


@case('MQTT-3.3.4-5', 'without an identifier none is sent')
def no_identifier(t):
    client = t.connect()
    client.subscribe(t.topic(), 0)
    client.publish(t.topic(), 'x')
    equal(client.expect_publish(t.topic(), 'x').properties, [], 'properties')


@case('MQTT-3.3.4-3', 'identifier 0, or two of them, is a protocol error')
def identifier_values(t):
    filters = [(t.topic(), 0)]
    t.malformed(codec.subscribe(5, filters, properties=[(codec.SUBSCRIPTION_ID, 0)]), 0x82)
    t.malformed(codec.subscribe(5, filters, properties=[(codec.SUBSCRIPTION_ID, 1)] * 2), 0x82)


@case('MQTT-2.2.2-1', 'properties that have no place in SUBSCRIBE or UNSUBSCRIBE end the connection')
def foreign(t):
    for entry in ((codec.REASON_STRING, 'x'), (codec.SESSION_EXPIRY, 1), (codec.TOPIC_ALIAS, 1)):
        t.malformed(codec.subscribe(5, [(t.topic(), 0)], properties=[entry]))
        t.malformed(codec.unsubscribe(5, [t.topic()], properties=[entry]))
    t.malformed(codec.unsubscribe(5, [t.topic()], properties=[(codec.SUBSCRIPTION_ID, 1)]))


@case('MQTT-2.2.2-1', 'user properties of SUBSCRIBE and UNSUBSCRIBE are taken')
def user_properties(t):
    client = t.connect()
    properties = [(codec.USER_PROPERTY, ('a', 'b'))] * 2
    equal(client.subscribe(t.topic(), 1, properties=properties), [1], 'codes')
    client.send(codec.unsubscribe(5, [t.topic()], 9, properties=properties))
    equal(client.expect(codec.UNSUBACK, 9).codes, [0], 'codes')


# --- shared subscriptions


def share(t, name='g', filter_name='t'):
    return f'$share/{name}{t.number}/{t.topic(filter_name)}'


@case('MQTT-4.8.2-1', 'a share name must be there and have no wildcard or slash')
def share_name(t):
    for name in ('$share//a', '$share/+/a', '$share/g#/a', '$share/g+/a'):
        t.malformed(codec.subscribe(5, [(name, 0)]), 0x81, 0x82, 0x8F)


@case('MQTT-4.8.2-2', 'behind the share name there must be a filter that is valid')
def share_filter(t):
    for name in ('$share/g', '$share/g/', '$share/g/a#', '$share/g/#/a'):
        client = t.connect()
        client.send(codec.subscribe(5, [(name, 0)], 1))
        if name == '$share/g':
            check(client.next() is not None, 'neither an answer nor a reason')
        else:
            client.expect_end(0x81, 0x82, 0x8F)


@case('MQTT-4.8.2-4', 'a message goes to one of the group, and to each that subscribed by itself')
def share_one(t):
    members = [t.connect(f'm{n}') for n in range(3)]
    for member in members:
        member.subscribe(share(t), 1)
    alone = t.connect('alone')
    alone.subscribe(t.topic(), 1)
    publisher = t.connect('pub')
    for n in range(30):
        publisher.publish_done(t.topic(), str(n), 1)
    alone.expect_payloads(*map(str, range(30)))
    found = []
    for member in members:
        member.send(codec.packet(codec.PINGREQ))
        while (packet := member.next()).kind == codec.PUBLISH:
            found.append(int(packet.payload))
    equal(sorted(found), list(range(30)), 'messages')


@case('MQTT-4.8.2-4', 'each group gets its own copy; groups differ by name and by filter')
def share_groups(t):
    first, second, third = (t.connect(name) for name in 'abc')
    first.subscribe(share(t, 'x'), 0)
    second.subscribe(share(t, 'y'), 0)
    third.subscribe(share(t, 'x', '+'), 0)
    t.connect('pub').publish_done(t.topic(), 'x')
    for client in (first, second, third):
        client.expect_publish(t.topic(), 'x')


@case('MQTT-4.8.2-3', 'the QoS granted to a member is respected')
def share_qos(t):
    client = t.connect()
    equal(client.subscribe(share(t), 1), [1], 'codes')
    publisher = t.connect('pub')
    for qos in (0, 1, 2):
        publisher.publish_done(t.topic(), 'x', qos)
        client.expect_publish(t.topic(), 'x', min(qos, 1))


@case('MQTT-3.8.4-4', 'a shared subscription gets no retained messages')
def share_retained(t):
    client = t.connect()
    client.publish_done(t.topic(), 'x', retain=True)
    client.subscribe(share(t), 0)
    client.expect_nothing()


@case('MQTT-3.10.4-1', 'a shared subscription is left by its whole name')
def share_leave(t):
    client = t.connect()
    client.subscribe(share(t), 0)
    equal(client.unsubscribe(t.topic()), [0x11], 'codes')
    equal(client.unsubscribe(share(t)), [0], 'codes')
    t.connect('pub').publish_done(t.topic(), 'x')
    client.expect_nothing()


@case('MQTT-4.8.2-4', 'a member that leaves is passed over')
def share_member_gone(t):
    leaving, staying = t.connect('a'), t.connect('b')
    for client in (leaving, staying):
        client.subscribe(share(t), 1)
    leaving.disconnect()
    publisher = t.connect('pub')
    for n in range(6):
        publisher.publish_done(t.topic(), str(n), 1)
    staying.expect_payloads(*map(str, range(6)))


@case('MQTT-4.8.2-5', 'a session ends: what it has not acknowledged goes to another of the group, QoS 2 not')
def share_session_ends(t):
    leaving, publisher = t.connect('a'), t.connect('pub')
    leaving.subscribe(share(t), 2)
    for qos in (1, 2):
        publisher.publish_done(t.topic(), str(qos), qos)
        leaving.expect_publish(t.topic(), str(qos), qos)
    staying = t.connect('b')
    staying.subscribe(share(t), 2)
    leaving.disconnect()
    staying.expect_publish(t.topic(), '1', 1)  # without DUP: the first time to this one
    staying.expect_nothing()


@case('MQTT-4.8.2-5', 'a member that may come back keeps what it has not acknowledged')
def share_session_stays(t):
    lasting = [(codec.SESSION_EXPIRY, 100)]
    away, staying, publisher = t.connect('a', properties=lasting), t.connect('b'), t.connect('pub')
    away.subscribe(share(t), 1)
    publisher.publish_done(t.topic(), 'x', 1)
    away.expect_publish(t.topic(), 'x', 1)
    staying.subscribe(share(t), 1)
    away.drop()
    staying.expect_nothing()
    again = t.connect('a', clean=False, properties=lasting)
    again.expect_publish(t.topic(), 'x', 1, dup=True)


@case('MQTT-4.8.2-6', 'PUBACK with a failure from a member: the message goes to nobody else')
def share_refused(t):
    first, second = t.connect('a'), t.connect('b')
    for client in (first, second):
        client.subscribe(share(t), 1)
    t.connect('pub').publish_done(t.topic(), 'x', 1)
    packets = []
    for client in (first, second):
        client.send(codec.packet(codec.PINGREQ))
        if (packet := client.next()).kind == codec.PUBLISH:
            packets.append(packet)
            client.ack(codec.PUBACK, packet.packet_id, 0x83)
            client.expect(codec.PINGRESP)
    equal(len(packets), 1, 'deliveries')
    for client in (first, second):
        client.expect_nothing()


@case('MQTT-3.8.3-3', 'a will of its own does not come to a no-local subscriber after it is gone')
def no_local_will(t):
    client = t.connect(properties=[(codec.SESSION_EXPIRY, 100)], will=Will(t.topic(), 'gone', 1))
    client.subscribe(t.topic(), 1 | NO_LOCAL)
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 1)
    client.drop()
    watcher.expect_publish(t.topic(), 'gone', 1)
