"""Which profile a verb takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tidemill.cli.main import cli

PODS = "{image: registry/tidemill:1}"
CONTROLLERS = {
    "storage": "s3://bucket/folder",
    "pipelines": f"{{kubeflow: {{endpoint: 'http://ml-pipeline.kubeflow:8888', steps: {PODS}}}}}",
    "serving": f"{{deployments: {PODS}}}",
    "names": "policy",
}
ACTING = (("run", "--once"), ("plan",), ("serve",), ("server",), ("replay", "--world", "a:B", "--out", "out"))
ABOUT_IT = (("status",), ("history",), ("train",))


def with_profile(spec: str, *verb: str) -> Result:
    Path("profile.yaml").write_text(f"kind: Profile\nspec:\n  {spec}\n")
    return CliRunner().invoke(cli, [*verb, "--profile", "profile.yaml"])


@pytest.mark.parametrize("field", CONTROLLERS)
@pytest.mark.parametrize("verb", ACTING + ABOUT_IT, ids=lambda verb: str(verb[0]))
def test_what_only_a_controller_reads_is_refused_by_its_name(shop: Path, verb: tuple[str, ...], field: str) -> None:
    result = with_profile(f"{field}: {CONTROLLERS[field]}", *verb)
    assert result.exit_code == 2
    assert f"profile.yaml:3: spec.{field}: only the controller of a cluster reads this" in result.stderr
    assert "Apply the ModelLoop on that cluster, or take this out." in result.stderr


def test_an_empty_field_says_nothing_and_is_taken(shop: Path) -> None:
    assert with_profile("pipelines: {}", "status").exit_code == 0


def test_a_profile_that_names_a_server_may_say_them_where_that_is_asked(shop: Path) -> None:
    result = with_profile("server: {url: 'http://127.0.0.1:1'}\n  storage: s3://bucket/folder", "status")
    assert "does not answer" in result.stderr
