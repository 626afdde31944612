"""Compiles the pipelines that live here: `python -m tidemill_pipelines.compile`.

Those are the entry points of the group `tidemill.pipelines` that name a module of this package.
"""

from pathlib import Path

from kfp.compiler import Compiler

from .training import training

PIPELINES = {"training": training}


def compile_into(folder: Path) -> list[Path]:
    """Writes one YAML a pipeline; the same source gives the same bytes."""
    written = []
    for name, pipeline in PIPELINES.items():
        path = folder / f"{name}.yaml"
        Compiler().compile(pipeline, str(path))
        written.append(path)
    return written


if __name__ == "__main__":
    for path in compile_into(Path(__file__).parent):
        print(path.name)
