"""Sessions and wills of MQTT 3.1.1 (§3.1.2, §4.1, §4.5), take-over, shared subscriptions."""
import codec
from suite import Will, case, check, equal


@case('MQTT-3.1.2-5 MQTT-4.1.0-1', 'QoS 1 and 2 messages wait for a client with a stored session')
def stored(t):
    client = t.connect(clean=False)
    client.subscribe([(t.topic('1'), 1), (t.topic('2'), 2)])
    client.disconnect()
    publisher = t.connect('pub')
    for n in range(5):
        publisher.publish_done(t.topic('1'), f'one {n}', 1)
        publisher.publish_done(t.topic('2'), f'two {n}', 2)
    client = t.connect(clean=False)
    found = [client.expect(codec.PUBLISH) for _ in range(10)]
    equal([(p.payload.decode(), p.qos, p.dup) for p in found],
          [x for n in range(5) for x in ((f'one {n}', 1, False), (f'two {n}', 2, False))],
          'payload, QoS, DUP')


@case('MQTT-4.5.0-1', 'what was sent with clean session 1 to a stored session is not lost either')
def stored_after_drop(t):
    client = t.connect(clean=False)
    client.subscribe(t.topic(), 1)
    client.drop()
    t.connect('pub').publish_done(t.topic(), 'x', 1)
    t.connect(clean=False).expect_payloads('x')


@case('MQTT-4.1.0-1', 'subscriptions are part of the session')
def subscriptions_stay(t):
    client = t.connect(clean=False)
    client.subscribe([(t.topic('a'), 0), (t.topic('b/#'), 2)])
    client.disconnect()
    client = t.connect(clean=False)
    publisher = t.connect('pub')
    publisher.publish_done(t.topic('a'), 'a', 1)
    publisher.publish_done(t.topic('b/c'), 'b', 2)
    client.expect_publish(t.topic('a'), 'a', 0)
    client.expect_publish(t.topic('b/c'), 'b', 2)


@case('MQTT-3.1.2-6', 'a clean session gets nothing of what the stored one was owed')
def clean_drops(t):
    client = t.connect(clean=False)
    client.subscribe(t.topic(), 1)
    client.disconnect()
    t.connect('pub').publish_done(t.topic(), 'x', 1)
    t.connect(clean=True).expect_nothing()
    t.connect(clean=False).expect_nothing()


@case('MQTT-3.1.4-3', 'a clean session ends with its connection')
def clean_ends(t):
    client = t.connect(clean=True)
    client.subscribe(t.topic(), 1)
    client.drop()
    again = t.connect(clean=False)
    equal(again.connack.session_present, 0, 'session present')
    t.connect('pub').publish_done(t.topic(), 'x', 1)
    again.expect_nothing()


@case('MQTT-3.1.4-2', 'a taken over session goes on where it was, in order')
def take_over(t):
    older = t.connect(clean=False)
    older.subscribe(t.topic(), 1)
    publisher = t.connect('pub')
    for n in range(20):
        publisher.publish_done(t.topic(), str(n), 1)
    newer = t.connect(clean=False)
    equal(newer.connack.session_present, 1, 'session present')
    newer.expect_payloads(*map(str, range(20)))
    while older.next():
        pass


@case('MQTT-3.1.2-8', 'the will is published when the connection ends without DISCONNECT')
def will(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic('#'), 2)
    for qos in (0, 1, 2):
        t.connect(will=Will(t.topic(str(qos)), f'gone {qos}', qos)).drop()
        watcher.expect_publish(t.topic(str(qos)), f'gone {qos}', qos)


@case('MQTT-3.1.2-8', 'the will is published when the client breaks the protocol')
def will_malformed(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    client = t.connect(will=Will(t.topic(), 'gone'))
    client.send(codec.packet(codec.PINGREQ, 1))
    client.expect_closed()
    watcher.expect_publish(t.topic(), 'gone')


@case('MQTT-3.1.2-8', 'the will is published when the keep-alive runs out', waits=True)
def will_keep_alive(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    client = t.connect(will=Will(t.topic(), 'gone'), keep_alive=1)
    watcher.expect_publish(t.topic(), 'gone')
    client.expect_closed()


@case('MQTT-3.1.2-8', 'the will is published when the session is taken over')
def will_take_over(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    t.connect(will=Will(t.topic(), 'gone'))
    t.connect()
    watcher.expect_publish(t.topic(), 'gone')


@case('MQTT-3.1.2-10', 'a will is published once')
def will_once(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    t.connect(clean=False, will=Will(t.topic(), 'gone')).drop()
    watcher.expect_publish(t.topic(), 'gone')
    t.connect(clean=False).drop()
    watcher.expect_nothing()


@case('MQTT-3.1.2-12', 'without a will nothing is published')
def no_will(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic('#'), 0)
    t.connect().drop()
    watcher.expect_nothing()


@case('MQTT-3.1.2-16', 'a will with will retain 0 is not retained')
def will_not_retained(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    t.connect(will=Will(t.topic(), 'gone')).drop()
    watcher.expect_publish(t.topic(), 'gone')
    late = t.connect('late')
    late.subscribe(t.topic(), 0)
    late.expect_nothing()


@case('MQTT-3.1.2-17', 'a will with will retain 1 is retained')
def will_retained(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    t.connect(will=Will(t.topic(), 'gone', retain=True)).drop()
    watcher.expect_publish(t.topic(), 'gone', retain=False)
    late = t.connect('late')
    late.subscribe(t.topic(), 0)
    late.expect_publish(t.topic(), 'gone', retain=True)


@case('MQTT-3.1.2-8', 'a will may be empty')
def will_empty(t):
    watcher = t.connect('watcher')
    watcher.subscribe(t.topic(), 0)
    t.connect(will=Will(t.topic(), '')).drop()
    watcher.expect_publish(t.topic(), '')


@case('MQTT-4.8.2-4', 'shared subscriptions work at 3.1.1, too: one of the group gets a message')
def shared(t):
    members = [t.connect(f'm{n}') for n in range(3)]
    for member in members:
        equal(member.subscribe(f'$share/g{t.number}/{t.topic()}', 1), [1], 'SUBACK')
    publisher = t.connect('pub')
    for n in range(30):
        publisher.publish_done(t.topic(), str(n), 1)
    found = []
    for member in members:
        member.send(codec.packet(codec.PINGREQ))
        mine = 0
        while (packet := member.next()).kind == codec.PUBLISH:
            found.append(int(packet.payload))
            mine += 1
        check(mine > 0, 'a member got nothing')
    equal(sorted(found), list(range(30)), 'messages')
