"""Stands in for `python`: hands its command line to the nursery and ends as the forked process ends.

Run as a script by a bare interpreter (`python -I -S`), so it imports next to nothing and knows nothing of Tidemill.
Where there is no nursery (any more), it becomes an ordinary interpreter.
"""

import array
import json
import os
import socket
import sys

TYPE_CHECKING = False  # as typing has it, whose import takes longer than all else here
if TYPE_CHECKING:
    from typing import TextIO


def ask(path: str, arguments: list[str], group: int) -> "tuple[TextIO, int]":
    """The connection to a nursery that has forked for us, and the fork's pid."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    request = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd(), "group": group}
    message = json.dumps(request).encode() + b"\n"
    descriptors = array.array("i", [0, 1, 2])
    sent = connection.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
    connection.sendall(message[sent:])
    lines = connection.makefile()
    return lines, int(lines.readline())


def main() -> None:
    python = os.environ["TIDEMILL_PYTHON"]
    try:
        lines, _pid = ask(os.environ["TIDEMILL_NURSERY"], sys.argv[1:], os.getpgid(0))
    except (OSError, ValueError):
        os.execv(python, [python, *sys.argv[1:]])
    answer = lines.readline()
    code = int(answer) if answer.strip() else 1
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
