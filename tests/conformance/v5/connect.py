"""CONNECT and CONNACK of MQTT 5 (§3.1, §3.2), PINGREQ (§3.12), keep-alive, AUTH (§3.15, §4.12)."""
import time

import codec
from suite import Will, case, check, equal


@case('MQTT-3.1.0-1', 'the first packet is CONNECT; another one ends the connection unanswered')
def first_packet(t):
    for raw in (codec.packet(codec.PINGREQ), codec.publish(5, t.topic(), 'x'),
                codec.packet(codec.AUTH), codec.disconnect(5)):
        client = t.client()
        client.send(raw)
        client.expect_closed()


@case('MQTT-3.1.0-2', 'a second CONNECT is a protocol error')
def second_connect(t):
    t.malformed(codec.connect(t.id('again'), 5), 0x82)


@case('MQTT-3.1.2-1', 'another protocol name ends the connection')
def protocol_name(t):
    for protocol in ('MQTt', 'MQTT5', ''):
        t.offer(protocol=protocol or 'M').expect_closed()


@case('MQTT-3.1.2-2', 'a protocol version that is not served is refused and closed')
def protocol_version(t):
    for level in (2, 6, 7, 255):
        client = t.client(4)
        client.send(codec.connect(t.id(), 5, level=level))
        answer = client.next()
        check(answer is None or answer.code in (0x01, 0x84), f'{answer}')
        if answer:
            client.expect_closed()


@case('MQTT-3.1.2-3', 'the reserved connect flag must be 0')
def reserved_flag(t):
    t.refused(0x81, flags=0x03)


@case('MQTT-3.1.2-4', 'clean start 1 ends the session of before')
def clean_start(t):
    first = t.connect(properties=[(codec.SESSION_EXPIRY, 100)])
    first.subscribe(t.topic(), 1)
    first.disconnect()
    client = t.connect(clean=True, properties=[(codec.SESSION_EXPIRY, 100)])
    equal(client.connack.session_present, 0, 'session present')
    t.connect('pub').publish_done(t.topic(), 'x', 1)
    client.expect_nothing()


@case('MQTT-3.1.2-5 MQTT-3.2.2-3', 'clean start 0 goes on with the session')
def resumed(t):
    first = t.connect(properties=[(codec.SESSION_EXPIRY, 100)])
    first.subscribe(t.topic(), 1)
    first.disconnect()
    t.connect('pub').publish_done(t.topic(), 'x', 1)
    client = t.connect(clean=False)
    equal(client.connack.session_present, 1, 'session present')
    client.expect_publish(t.topic(), 'x', 1)


@case('MQTT-3.1.2-6 MQTT-3.2.2-2', 'clean start 0 without a session begins one')
def no_session(t):
    equal(t.connect(clean=False).connack.session_present, 0, 'session present')


@case('MQTT-3.1.2-4', 'clean start 1 with an expiry leaves a session behind')
def clean_start_keeps(t):
    t.connect(clean=True, properties=[(codec.SESSION_EXPIRY, 100)]).disconnect()
    equal(t.connect(clean=False).connack.session_present, 1, 'session present')


@case('MQTT-3.1.2-9', 'with the will flag, will properties, topic and payload must be there')
def will_fields(t):
    t.refused(0x81, flags=0x06)


@case('MQTT-3.1.2-11 MQTT-3.1.2-13', 'without the will flag will QoS and will retain must be 0')
def no_will_flags(t):
    for flags in (0x0A, 0x12, 0x22):
        t.refused(0x81, flags=flags)


@case('MQTT-3.1.2-12', 'will QoS 3 is malformed')
def will_qos_3(t):
    t.refused(0x81, flags=0x1E, will=Will(t.topic(), 'x'))


@case('MQTT-3.1.2-16 MQTT-3.1.2-17', 'a user name is there exactly when its flag says so')
def username(t):
    t.connect('with', username='someone')
    t.refused(0x81, name='flag', flags=0x82)
    t.refused(0x81, name='field', flags=0x02, username='someone')


@case('MQTT-3.1.2-18 MQTT-3.1.2-19', 'a password is there exactly when its flag says so')
def password(t):
    t.connect('with', username='someone', password=b'\0\xff')
    t.refused(0x81, name='flag', flags=0x42)
    t.refused(0x81, name='field', flags=0x02, password='x')


@case('MQTT-3.1.2-19', 'a password without a user name is allowed in version 5')
def password_alone(t):
    t.connect(password='token')


@case('MQTT-3.1.2-22', 'silence for one and a half keep-alives: DISCONNECT 0x8D', waits=True)
def keep_alive(t):
    client = t.connect(keep_alive=1)
    started = time.monotonic()
    client.expect_end(0x8D)
    waited = time.monotonic() - started
    check(1.4 <= waited <= 3.0, f'ended after {waited:.2f} s')


@case('MQTT-3.1.2-22', 'any packet counts as a sign of life', waits=True)
def keep_alive_packets(t):
    client = t.connect(keep_alive=1)
    for _ in range(6):
        time.sleep(0.5)
        client.publish(t.topic(), 'x')
    client.ping()


@case('MQTT-3.2.2-21', 'a keep-alive the server does not like is answered with server keep alive')
def server_keep_alive(t):
    for asked in (0, 65535):
        given = t.connect(keep_alive=asked).connack.get(codec.SERVER_KEEP_ALIVE)
        check(given is not None and 0 < given <= 1200, f'server keep alive {given} for {asked}')


@case('MQTT-3.2.2-21', 'a keep-alive that suits is not answered')
def no_server_keep_alive(t):
    equal(t.connect(keep_alive=60).connack.get(codec.SERVER_KEEP_ALIVE), None, 'server keep alive')


@case('MQTT-3.1.3-3', 'a client id that is not there is malformed')
def no_client_id(t):
    client = t.client()
    client.send(codec.packet(codec.CONNECT, 0, codec.data('MQTT') + b'\x05\x02' + codec.u16(60) +
                             b'\0'))
    equal(client.expect(codec.CONNACK).code, 0x81, 'code')
    client.expect_closed()


@case('MQTT-3.1.3-4', 'a client id, user name or will topic that is not UTF-8 is refused')
def not_utf8(t):
    t.refused(0x81, client_id=b'\xff')
    t.refused(0x81, client_id=b'a\0')
    t.refused(0x81, username=b'\xed\xa0\x80')                # [MQTT-3.1.3-12]
    t.refused(0x81, 0x90, will=Will(b'\xc0\x80', 'x'))       # [MQTT-3.1.3-11]


@case('MQTT-3.1.3-5', 'client ids of 1 to 23 letters and digits are taken')
def client_ids(t):
    for name in ('5', '0123456789abcdefghijk5m', 'ABCDEFGHIJKLMNOPQRSTUV5'):
        t.connect(client_id=name).disconnect()


@case('MQTT-3.1.3-6 MQTT-3.1.3-7 MQTT-3.2.2-16',
      'an empty client id gets one of its own, which CONNACK names')
def assigned(t):
    ids = {t.connect(client_id='').connack.get(codec.ASSIGNED_CLIENT_ID) for _ in range(3)}
    check(len(ids) == 3 and None not in ids and '' not in ids, f'{ids}')


@case('MQTT-3.1.3-6', 'an assigned client id names a session that can be resumed')
def assigned_session(t):
    client = t.connect(client_id='', clean=False, properties=[(codec.SESSION_EXPIRY, 100)])
    name = client.connack.get(codec.ASSIGNED_CLIENT_ID)
    client.disconnect()
    again = t.connect(client_id=name, clean=False)
    equal(again.connack.session_present, 1, 'session present')
    equal(again.connack.get(codec.ASSIGNED_CLIENT_ID), None, 'assigned client id')


@case('MQTT-3.1.3-8', 'a client id that is refused is answered with 0x85')
def client_id_refused(t):
    t.refused(0x85, client_id='x' * 5000)


@case('MQTT-3.1.4-1', 'a CONNECT that breaks the rules does not get code 0')
def broken(t):
    body = codec.connect(t.id(), 5)[2:]
    for raw in (codec.packet(codec.CONNECT, 0, body[:-1]), codec.packet(codec.CONNECT),
                codec.packet(codec.CONNECT, 0, body + b'\0'), codec.packet(codec.CONNECT, 2, body)):
        client = t.client()
        client.send(raw)
        answer = client.next()
        check(answer is None or answer.code >= 0x80, f'{answer}')


@case('MQTT-3.1.4-3', 'a client id in use: the older connection gets DISCONNECT 0x8E')
def take_over(t):
    older = t.connect()
    newer = t.connect()
    older.expect_end(0x8E)
    newer.ping()


@case('MQTT-3.1.4-5 MQTT-3.2.0-1 MQTT-3.2.0-2', 'one CONNACK, with code 0, before anything else')
def connack_first(t):
    first = t.connect(properties=[(codec.SESSION_EXPIRY, 100)])
    first.subscribe(t.topic(), 1)
    first.drop()
    t.connect('pub').publish_done(t.topic(), 'x', 1)
    again = t.connect(clean=False)
    again.expect_publish(t.topic(), 'x', 1)
    again.expect_nothing()


@case('MQTT-3.1.4-6', 'what follows a CONNECT that is refused is not handled')
def nothing_after_refusal(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    client = t.client()
    client.send(codec.connect('x' * 5000, 5) + codec.publish(5, t.topic(), 'x'))
    equal(client.expect(codec.CONNACK).code, 0x85, 'code')
    client.expect_closed()
    watcher.expect_nothing()


@case('MQTT-3.2.2-1 MQTT-3.2.2-6 MQTT-3.2.2-7', 'a refusal has flags 0 and ends the connection')
def refusal(t):
    equal(t.refused(0x85, client_id='x' * 5000).session_present, 0, 'flags')


@case('MQTT-3.2.2-8', 'properties of CONNACK stand once each and have values that are allowed')
def connack_properties(t):
    found = t.connect(client_id='', keep_alive=0).connack.properties
    names = [name for name, _ in found if name != codec.USER_PROPERTY]
    equal(len(names), len(set(names)), 'properties')
    values = dict(found)
    check(values.get(codec.RECEIVE_MAXIMUM, 1) > 0, 'receive maximum')
    check(values.get(codec.MAXIMUM_PACKET_SIZE, 1) > 0, 'maximum packet size')
    for name in (codec.RETAIN_AVAILABLE, codec.WILDCARD_AVAILABLE, codec.SHARED_AVAILABLE,
                 codec.SUBSCRIPTION_ID_AVAILABLE):
        check(values.get(name, 1) == 1, f'property 0x{name:02x}')
    check(codec.MAXIMUM_QOS not in values, 'maximum QoS')


@case('MQTT-3.1.2-28', 'response information comes only to who asked for it')
def response_information(t):
    for properties in ([], [(codec.REQUEST_RESPONSE_INFORMATION, 0)]):
        client = t.connect(properties=properties)
        equal(client.connack.get(codec.RESPONSE_INFORMATION), None, 'response information')
    t.connect(properties=[(codec.REQUEST_RESPONSE_INFORMATION, 1)])


@case('MQTT-3.1.2-29', 'with request problem information 0 no reason string comes with an answer')
def problem_information(t):
    client = t.connect(properties=[(codec.REQUEST_PROBLEM_INFORMATION, 0)])
    answer = client.publish_done('$SYS/broker/version', 'x', 1)
    check(answer.code >= 0x80 and not answer.properties, f'{answer} {answer.properties}')
    client.send(codec.subscribe(5, [('x/' * 1000, 0)]))
    equal(client.expect(codec.SUBACK).properties, [], 'properties of SUBACK')


@case('MQTT-3.2.2-19 MQTT-3.4.2-2 MQTT-3.14.2-3',
      'failures come with a reason string, but not beyond the maximum packet size of the client')
def reason_strings(t):
    method = (codec.AUTH_METHOD, 'x')
    refusal = t.refused(0x8C, properties=[method])
    check('method' in refusal.get(codec.REASON_STRING), f'{refusal.properties}')
    refusal = t.refused(0x8C, properties=[method, (codec.MAXIMUM_PACKET_SIZE, 10)])
    equal(refusal.properties, [], 'properties of a small CONNACK')
    client = t.connect()
    answer = client.publish_done('$SYS/broker/version', 'x', 1)
    check(answer.get(codec.REASON_STRING), f'{answer.properties}')
    client.send(codec.subscribe(5, [('x/' * 1000, 0)]))
    check('levels' in client.expect(codec.SUBACK).get(codec.REASON_STRING), 'reason string of SUBACK')
    client.send(codec.subscribe(5, [('x/#/y', 0)]))
    check(client.expect(codec.DISCONNECT).get(codec.REASON_STRING), 'reason string of DISCONNECT')
    client.expect_closed()


@case('MQTT-3.2.2-15', 'the maximum packet size that CONNACK names is the limit')
def maximum_packet_size(t):
    client = t.connect()
    limit = client.connack.get(codec.MAXIMUM_PACKET_SIZE)
    fitting = limit - len(codec.publish(5, t.topic(), bytes(200_000))) + 200_000
    client.send(codec.publish(5, t.topic(), bytes(fitting)))
    client.ping()
    client.send(codec.publish(5, t.topic(), bytes(fitting + 1)))
    client.expect_end(0x95)


@case('MQTT-3.1.2-24 MQTT-3.1.2-25',
      'a message above the maximum packet size of a client is dropped as if it had been sent')
def client_maximum_packet_size(t):
    client = t.connect(properties=[(codec.MAXIMUM_PACKET_SIZE, 60)])
    publisher = t.connect('pub')
    for qos in (0, 1, 2):
        client.subscribe(t.topic(str(qos)), qos)
        publisher.publish_done(t.topic(str(qos)), 'x' * 100, qos)
        client.expect_nothing()
        publisher.publish_done(t.topic(str(qos)), 'fits', qos)
        client.expect_publish(t.topic(str(qos)), 'fits', qos)


@case('MQTT-3.1.2-24', 'a SUBACK above the maximum packet size of a client is not sent')
def suback_too_large(t):
    client = t.connect(properties=[(codec.MAXIMUM_PACKET_SIZE, 40)])
    client.send(codec.subscribe(5, [(t.topic(str(n)), 0) for n in range(50)]))
    client.expect_end(0x95)


@case('MQTT-3.1.2-24', 'a CONNACK above the maximum packet size of a client is not sent')
def connack_too_large(t):
    client = t.offer(client_id='', properties=[(codec.MAXIMUM_PACKET_SIZE, 8)])
    answer = client.next()
    check(answer is None or len(answer.body) + 2 <= 8, f'{answer} {answer and answer.properties}')


@case('MQTT-3.1.2-24', 'properties of CONNECT that may not be 0 are refused when they are')
def zero_properties(t):
    for name in (codec.MAXIMUM_PACKET_SIZE, codec.RECEIVE_MAXIMUM):
        t.refused(0x82, properties=[(name, 0)])


@case('MQTT-2.2.2-1', 'a property that stands twice in CONNECT is a protocol error')
def twice(t):
    for name, value in ((codec.SESSION_EXPIRY, 1), (codec.RECEIVE_MAXIMUM, 5),
                        (codec.MAXIMUM_PACKET_SIZE, 500), (codec.TOPIC_ALIAS_MAXIMUM, 1),
                        (codec.REQUEST_PROBLEM_INFORMATION, 1),
                        (codec.REQUEST_RESPONSE_INFORMATION, 0)):
        t.refused(0x82, properties=[(name, value)] * 2)


@case('MQTT-2.2.2-1', 'flags among the properties of CONNECT are 0 or 1')
def flags_2(t):
    for name in (codec.REQUEST_PROBLEM_INFORMATION, codec.REQUEST_RESPONSE_INFORMATION):
        t.refused(0x82, 0x81, properties=[(name, 2)])


@case('MQTT-2.2.2-1', 'properties that have no place in CONNECT are refused')
def foreign(t):
    for name, value in ((codec.SERVER_KEEP_ALIVE, 5), (codec.TOPIC_ALIAS, 1),
                        (codec.SUBSCRIPTION_ID, 1), (codec.REASON_STRING, 'x'),
                        (codec.WILL_DELAY, 1), (codec.MESSAGE_EXPIRY, 1), (codec.MAXIMUM_QOS, 1)):
        t.refused(0x81, 0x82, properties=[(name, value)])


@case('MQTT-2.2.2-1', 'properties that have no place in a will are refused')
def foreign_in_will(t):
    for name, value in ((codec.TOPIC_ALIAS, 1), (codec.SUBSCRIPTION_ID, 1),
                        (codec.SESSION_EXPIRY, 1), (codec.REASON_STRING, 'x')):
        t.refused(0x81, 0x82, will=Will(t.topic(), 'x', properties=[(name, value)]))


@case('MQTT-1.5.7-1', 'user properties of CONNECT may stand many times and are UTF-8')
def user_properties(t):
    t.connect(properties=[(codec.USER_PROPERTY, ('a', 'b'))] * 20)
    t.refused(0x81, properties=[(codec.USER_PROPERTY, (b'\xff', 'b'))])
    t.refused(0x81, properties=[(codec.USER_PROPERTY, ('a', b'\0'))])


@case('MQTT-4.12.0-1 MQTT-3.1.2-30', 'an authentication method is refused with 0x8C')
def authentication(t):
    t.refused(0x8C, properties=[(codec.AUTH_METHOD, 'SCRAM-SHA-1')])
    t.refused(0x8C, properties=[(codec.AUTH_METHOD, 'SCRAM-SHA-1'), (codec.AUTH_DATA, b'\0\xff')])


@case('MQTT-4.12.0-1', 'authentication data without a method is a protocol error')
def authentication_data(t):
    t.refused(0x82, properties=[(codec.AUTH_DATA, b'x')])


@case('MQTT-4.12.0-6 MQTT-4.12.0-7', 'AUTH from a client that named no method is a protocol error')
def auth(t):
    t.malformed(codec.packet(codec.AUTH), 0x82)
    t.malformed(codec.packet(codec.AUTH, 0, b'\x19\0'), 0x82)


@case('MQTT-3.15.1-1', 'AUTH with flags is malformed')
def auth_flags(t):
    t.malformed(codec.packet(codec.AUTH, 2), 0x81, 0x82)


@case('MQTT-3.12.4-1', 'PINGREQ is answered with PINGRESP')
def ping(t):
    client = t.connect()
    client.send(codec.packet(codec.PINGREQ) * 3)
    for _ in range(3):
        equal(client.expect(codec.PINGRESP).body, b'', 'body')
