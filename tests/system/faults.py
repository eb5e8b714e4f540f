"""Faults of the disk below a gateway's data directory, switched while it runs (tests/tools/fail_io.c)."""
import errno
import os
import re
from pathlib import Path

from harness import compile_preload


class FaultyDisk:
    """Use `variables` for the gateway. A plan is lines of `write NAME ERRNO`, `sync NAME ERRNO`,
    `open NAME ERRNO`, `slow NAME MS`; NAME is the end of a file's name, or *."""

    def __init__(self, env, folder):
        self.plan = env.folder / 'faults.plan'
        self.variables = {'LD_PRELOAD': str(compile_preload(env, 'fail_io.c')),
                          'FAIL_IO_DIR': str(folder), 'FAIL_IO_PLAN': str(self.plan)}

    def set(self, *lines):
        text = '\n'.join(re.sub(r'\bE[A-Z]+$', lambda m: str(getattr(errno, m.group())), line)
                         for line in lines)
        fresh = self.plan.with_suffix('.new')
        fresh.write_text(text + '\n')
        fresh.rename(self.plan)

    def clear(self):
        self.plan.unlink(missing_ok=True)


def cpu_seconds(pid):
    fields = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
