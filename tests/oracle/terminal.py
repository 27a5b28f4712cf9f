"""A person at a terminal: starts a command on a pseudo terminal, types lines, each when the prompt has come, and prints
everything that was seen.

PROMPT COMMAND..., the lines as a JSON list on stdin.
"""

import json
import os
import pty
import select
import sys

PATIENCE = 60

prompt, *command = sys.argv[1:]
lines = json.load(sys.stdin)
child, terminal = pty.fork()
if child == 0:
    os.environ["TERM"] = "xterm"
    os.execvp(command[0], command)

seen = b""


def read():
    """More of what is shown; False at the end."""
    global seen
    ready, _, _ = select.select([terminal], [], [], PATIENCE)
    if not ready:
        sys.exit(f"nothing came for {PATIENCE} s after:\n{seen.decode(errors='replace')}")
    try:
        more = os.read(terminal, 65536)
    except OSError:
        more = b""
    seen += more
    return bool(more)


def until_prompted(place):
    while prompt.encode() not in seen[place:]:
        if not read():
            return False
    return True


place = 0
for line in lines:
    until_prompted(place)
    typed = len(seen)
    os.write(terminal, line.encode() + b"\r")
    # The line editor shows the prompt again with every key; the next one comes after a new line.
    while b"\n" not in seen[typed:]:
        if not read():
            break
    place = seen.find(b"\n", typed) + 1
while read():
    pass
_, status = os.waitpid(child, 0)
sys.stdout.write(seen.decode(errors="replace"))
sys.exit(os.waitstatus_to_exitcode(status))
