# SPDX-License-Identifier: ISC
"""
The file by which shift.c sets the clock of one process.

Never here: the process.
"""
import os
import struct
import time


class Clock:
    """What stekd takes the time to be."""

    def __init__(self, path):
        self.path = path
        self.shift = None
        self.changes = 0
        self.slept = 0
        self.set(0)

    def set(self, shift, trap=0):
        """
        This many seconds beside the machine's, and then, when stekd next
        sets its timer, set ahead by `trap` in that moment.  self.slept
        seconds more have passed since boot.
        """
        self.changes += self.shift != shift
        self.shift = shift
        mode = "r+b" if os.path.exists(self.path) else "w+b"
        with open(self.path, mode) as file:
            file.write(struct.pack("=qQqq", shift, self.changes, trap,
                                   self.slept))
        self.shift += trap

    def now(self):
        return time.time() + self.shift
