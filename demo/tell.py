# SPDX-License-Identifier: ISC
"""
How the demonstration is told: acts with the time, what was seen beside what
had to be seen, and an end that says whether all of it was so.

Never here: what is shown.
Invariant: told() gives 0 only if every claim was as it had to be.
"""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for beside in ("servers", "daemon", "farm"):
    sys.path.insert(0, os.path.join(HERE, "..", "tests", beside))

from farm import FarmError                      # noqa: E402, as above
from stekd import STEK, STEKD                   # noqa: E402

BOLD, GREEN, RED, DIM, PLAIN = (
    ("\033[1m", "\033[32m", "\033[31m", "\033[2m", "\033[0m")
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    else ("", "", "", "", ""))

_wrong = []
_begin = time.monotonic()


def act(title):
    print(f"\n{BOLD}[{time.monotonic() - _begin:4.0f} s] {title}{PLAIN}",
          flush=True)


def say(text=""):
    print(f"  {text}" if text else "", flush=True)


def quote(text):
    """What a program or a file says, word for word."""
    for line in text.splitlines():
        say(DIM + line + PLAIN)


def _judge(what, seen, good):
    mark = f"{GREEN}ok{PLAIN}" if good else f"{RED}WRONG{PLAIN}"
    print(f"  {what:<58} {seen:<10} {mark}", flush=True)
    if not good:
        _wrong.append(what)


def claim(what, seen, of, expected=None):
    """One line of the story, which must be so."""
    expected = of if expected is None else expected
    _judge(what, f"{seen:3} of {of}", seen == expected and of > 0)


def took(what, since, limit):
    """How long until now; with a limit that only a fault exceeds."""
    seconds = time.monotonic() - since
    _judge(what, f"{seconds:5.1f} s", seconds < limit)


def _end():
    print()
    if _wrong:
        print(f"{RED}What was claimed was not seen:{PLAIN}")
        for what in _wrong:
            print(f"  {what}")
        return 1
    print(f"{GREEN}All of this was seen, in "
          f"{time.monotonic() - _begin:.0f} seconds.{PLAIN} "
          "Next: README.md, \"Into production\".")
    return 0


def told(story, again, needs="starts servers", why_not=None):
    """
    Tell it.  `again` is what to type if it could not be, `needs` what only
    root may do.  An exit code.
    """
    for program in (STEK, STEKD):
        if not os.access(program, os.X_OK):
            print(f"{program} is not built; type: {again}", file=sys.stderr)
            return 1
    if os.geteuid() != 0:
        print(f"the demonstration {needs}, which takes root; "
              f"type: sudo {again}", file=sys.stderr)
        return 1
    reason = why_not() if why_not is not None else None
    if reason is not None:
        print(f"the demonstration {needs}, which it cannot here: {reason}",
              file=sys.stderr)
        return 1
    try:
        story()
    except (FarmError, AssertionError, OSError) as error:
        print(f"\n{RED}The demonstration broke off:{PLAIN}\n{error}")
        return 1
    except KeyboardInterrupt:
        print(f"\n{RED}The demonstration was ended.{PLAIN}")
        return 130
    return _end()
