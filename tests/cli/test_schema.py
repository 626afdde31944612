from __future__ import annotations

import json

from click.testing import CliRunner
from tidemill.cli.main import cli


def test_the_schema_is_that_of_a_loop_unless_a_profile_is_asked_for() -> None:
    loop = json.loads(CliRunner().invoke(cli, ["schema"]).output)
    profile = json.loads(CliRunner().invoke(cli, ["schema", "--kind", "Profile"]).output)
    assert loop["properties"]["kind"]["const"] == "ModelLoop"
    assert profile["properties"]["kind"]["const"] == "Profile"
    assert loop["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_a_kind_that_is_not_ours_is_refused() -> None:
    result = CliRunner().invoke(cli, ["schema", "--kind", "Deployment"])
    assert result.exit_code == 2
    assert "'ModelLoop', 'Profile'" in result.stderr
