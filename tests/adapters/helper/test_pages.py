"""What a helper leaves in the file cache is given back."""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tidemill.adapters.helper.pages import give_back, mapped

PAGES = 64


def cached(path: Path) -> int:
    """How many of the file's first pages are in memory."""
    libc = ctypes.CDLL(None, use_errno=True)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), PAGES * mmap.PAGESIZE) as view:
        seen = (ctypes.c_ubyte * PAGES)()
        address = ctypes.addressof(ctypes.c_char.from_buffer(view))
        assert libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(len(view)), seen) == 0, ctypes.get_errno()
        return sum(page & 1 for page in seen)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="as Linux keeps its file cache")
def test_a_library_that_nobody_has_mapped_leaves_the_cache(tmp_path: Path) -> None:
    if subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, check=False).stdout == b"tmpfs\n":
        pytest.skip("its files are nowhere but in memory")
    library = tmp_path / "lib.so.1"
    library.write_bytes(b"x" * PAGES * mmap.PAGESIZE)
    with library.open("rb") as file:
        os.fsync(file.fileno())
    assert cached(library) == PAGES
    give_back({str(library), str(tmp_path / "gone.so")})
    assert cached(library) == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="as Linux tells it")
def test_the_libraries_of_a_process_are_found_until_it_is_gone() -> None:
    program = "import sys; print('here', flush=True); sys.stdin.read()"
    with subprocess.Popen([shutil.which("python3") or sys.executable, "-c", program],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:  # fmt: skip
        assert other.stdout is not None
        other.stdout.readline()
        found = mapped(other.pid)
        assert any("libc" in Path(name).name for name in found)
        assert all(Path(name).is_absolute() for name in found)
        other.kill()
    assert mapped(other.pid) == set()
