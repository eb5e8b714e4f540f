"""The other end of systemd's notify protocol."""
import socket
import threading
import time


class NotifySocket:
    """Records what a service says; `variables` belong into its environment."""

    def __init__(self, env, watchdog_s=None):
        path = env.folder / 'notify.sock'
        self.messages = []  # (moment, 'KEY=value')
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.variables = {'NOTIFY_SOCKET': str(path)}
        if watchdog_s:
            self.variables['WATCHDOG_USEC'] = str(int(watchdog_s * 1e6))
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self):
        while True:
            text = self._socket.recv(65536).decode()
            now = time.monotonic()
            self.messages += [(now, line) for line in text.splitlines()]

    def said(self, line):
        return any(message == line for _, message in list(self.messages))

    def values(self, key):
        return [message.split('=', 1)[1] for _, message in list(self.messages)
                if message.startswith(key + '=')]

    def longest_gap(self, line):
        """The longest time between two such lines, up to now."""
        moments = [moment for moment, message in list(self.messages) if message == line]
        if not moments:
            return float('inf')
        moments.append(time.monotonic())
        return max(later - earlier for earlier, later in zip(moments, moments[1:]))
