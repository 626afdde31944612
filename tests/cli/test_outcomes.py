"""Labels by file: what is wrong with the file is the command line's to mend."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from tidemill.cli.init import write_project
from tidemill.cli.main import cli


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
def test_a_file_of_labels_that_is_no_table_is_a_wrong_file(tmp_path: Path, name: str) -> None:
    write_project(tmp_path, "shop", date(2026, 1, 31))
    (tmp_path / name).write_bytes(b"\xff\x00no table")
    result = CliRunner().invoke(cli, ["outcomes", str(tmp_path), "--from", str(tmp_path / name)])
    assert (result.exit_code, f"{name} is no readable" in result.stderr) == (2, True)
