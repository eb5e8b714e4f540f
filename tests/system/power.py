"""Power cuts: a real one on an ext4 file system, and one acted out from tests/tools/keep_synced.c."""
import fcntl
import os
import random
import shutil
import struct
import subprocess
from collections import namedtuple
from pathlib import Path

from harness import Skip, check, compile_preload

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2


class Disk:
    """An ext4 file system in a file. What is not synced when the power is cut is gone."""

    def __init__(self, env, size='300M'):
        if os.geteuid() != 0:
            raise Skip('mounting a loop device needs root (CAP_SYS_ADMIN)')
        self.image = env.folder / 'disk.img'
        self.folder = env.folder / 'disk'
        self.folder.mkdir()
        subprocess.run(['truncate', '-s', size, self.image], check=True)
        subprocess.run(['mkfs.ext4', '-q', '-F', self.image], check=True)
        env.cleanups.callback(self.unmount, check=False)
        self.mount()

    def mount(self):
        done = subprocess.run(['mount', '-o', 'loop', self.image, self.folder],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f'no right to mount a loop device: {done.stderr.strip()}')

    def unmount(self, check=True):
        subprocess.run(['umount', self.folder], check=check, capture_output=not check)

    def cut_power(self):
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack('I', NO_LOG_FLUSH))
        finally:
            os.close(descriptor)


Entry = namedtuple('Entry', 'at op path offset length data')
HEAD = struct.Struct('=cHQQ')


class SyncedOnly:
    """A folder of files whose changes are written down. After kill -9, cut() makes it anew with what was
    synced, and of the rest what chance leaves: nothing, all, or some writes, torn at sectors."""

    def __init__(self, env, folder):
        self.folder = Path(folder)
        self.log = env.folder / 'changes.log'
        self.before = env.folder / 'before'
        self.variables = {'LD_PRELOAD': str(compile_preload(env, 'keep_synced.c')),
                          'KEEP_SYNCED_DIR': str(self.folder), 'KEEP_SYNCED_LOG': str(self.log)}

    def remember(self):
        """To be called before each start."""
        shutil.rmtree(self.before, ignore_errors=True)
        shutil.copytree(self.folder, self.before)

    def cut(self):
        entries = list(self._entries())
        covered = {}
        for entry in entries:
            if entry.op == b'S':
                covered[entry.path] = max(entry.offset, covered.get(entry.path, 0))
        share = random.choice([0.0, 0.5, 1.0])
        kept = [entry if entry.at < covered.get(synced_by(entry), 0)
                else left_by_chance(entry, share) for entry in entries]
        self._lay(self._replay(filter(None, kept)))
        return sum(1 for entry in kept if entry is None)

    def assert_log_is_complete(self):
        """After a clean end: all changes replayed give the folder as it is, or the log has holes."""
        files = self._replay(self._entries())
        for path in self._paths(self.folder):
            if str(path).endswith('-head') or str(path).startswith('last-good/'):
                continue  # copies that help after damage; nothing acknowledged depends on them
            there = (self.folder / path).read_bytes()
            check(files.get(path) == there, f'{path} was changed behind the back of keep_synced')

    def _entries(self):
        data = self.log.read_bytes()
        at = 0
        while at + HEAD.size <= len(data):
            op, path_length, offset, length = HEAD.unpack_from(data, at)
            path_at = at + HEAD.size
            path = data[path_at:path_at + path_length].decode()
            data_at = path_at + path_length
            end = data_at
            if op == b'W':
                end += length
            elif op == b'R':
                end = data.index(b'\0', data_at)
            if end > len(data):
                return
            yield Entry(at, op, path, offset, length, data[data_at:end])
            at = end + (op == b'R')

    def _replay(self, entries):
        files = {path: bytearray((self.before / path).read_bytes())
                 for path in self._paths(self.before)}
        for entry in entries:
            if entry.op == b'U':
                files.pop(entry.path, None)
            elif entry.op == b'R':
                if entry.path in files:
                    files[entry.data.decode()] = files.pop(entry.path)
            elif entry.op != b'S':
                change(files.setdefault(entry.path, bytearray()), entry)
        return files

    def _lay(self, files):
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        for path, content in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(content)

    @staticmethod
    def _paths(folder):
        return [str(path.relative_to(folder)) for path in folder.rglob('*')
                if path.is_file() and not path.name.endswith('-shm')]


def synced_by(entry):
    """The path whose sync makes this change last: of an unlink or a rename, its folder."""
    return os.path.dirname(entry.path) if entry.op in (b'U', b'R') else entry.path


def change(content, entry):
    end = entry.length if entry.op in (b'T', b'A') else entry.offset + entry.length
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if entry.op == b'T':
        del content[entry.length:]
    elif entry.op == b'W':
        content[entry.offset:end] = entry.data


def left_by_chance(entry, share):
    """What remains of a change that was not synced."""
    if random.random() >= share:
        return None
    if entry.op == b'W' and entry.length > 512 and random.random() < 0.2:
        length = random.randrange(512, entry.length, 512)
        return entry._replace(length=length, data=entry.data[:length])
    return entry
