"""Steps that kfp.local forks from the run's own process, whose imports are warm, instead of starting an interpreter.

What runs is the same: Kubeflow's executor on the component's source, in a process of its own. A process that has
threads is not forked, and a command that does more (it installs packages first) starts as kfp.local starts it.
"""

from __future__ import annotations

import atexit
import os
import re
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from tidemill.adapters.local.processes import end_children, end_with, leave

# How kfp compiles a lightweight Python component: its source is $0, the executor's arguments follow.
_COMPONENT = re.compile(
    r'program_path=\$\(mktemp -d\)\s+printf "%s" "\$0" > "\$program_path/ephemeral_component\.py"\s+'
    r"_KFP_RUNTIME=true \S+ -m kfp\.dsl\.executor_main\s+"
    r'--component_module_path\s+"\$program_path/ephemeral_component\.py"\s+"\$@"\s*'
)


def install(lock: int) -> None:
    """From now on kfp.local forks. `lock` is a descriptor that no step is to keep open."""
    from kfp.local import subprocess_task_handler as handler

    plain = handler.run_local_subprocess

    def start(full_command: list[str], env_vars: Mapping[str, str] | None = None) -> int:
        if not is_component(full_command) or threading.active_count() > 1:
            return int(plain(full_command, env_vars=env_vars))
        source, arguments = full_command[3], full_command[4:]
        return forked(lambda: _execute(source, arguments, env_vars or {}), lock)

    handler.run_local_subprocess = start


def is_component(command: list[str]) -> bool:
    return command[:2] == ["sh", "-ec"] and len(command) > 3 and _COMPONENT.fullmatch(command[2]) is not None


def forked(step: Callable[[], object], lock: int) -> int:
    """The step's exit code, once it and all that it started are gone: joblib's workers would stay for minutes."""
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(lock)
        _become(parent, step)
    _, status = os.waitpid(pid, 0)
    end_children()
    return os.waitstatus_to_exitcode(status)


def _become(parent: int, step: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        end_with(parent, signal.SIGKILL)
        code = _code_of(step)
        # What an interpreter does at its end: joblib removes there what it shares with its workers.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    finally:
        leave(code)


def _code_of(step: Callable[[], object]) -> int:
    try:
        step()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _execute(source: str, arguments: list[str], environment: Mapping[str, str]) -> None:
    from kfp.dsl.executor_main import executor_main

    os.environ.update({**environment, "_KFP_RUNTIME": "true"})
    with tempfile.TemporaryDirectory() as folder:
        component = Path(folder) / "ephemeral_component.py"
        component.write_text(source)
        sys.argv = ["executor_main", "--component_module_path", str(component), *arguments]
        executor_main()
