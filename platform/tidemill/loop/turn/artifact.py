"""A model as a folder that MLflow understands, and its digest: what was registered is what is loaded, or nothing is."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.loop.errors import ArtifactChanged

if TYPE_CHECKING:
    import pandas as pd

_CHUNK = 1 << 20


def digest(folder: str | Path) -> str:
    """`sha256:<hex>` over the sorted relative paths and the bytes of all files in `folder`.

    Names and contents are each preceded by their length, so that no two different folders spell the same bytes.
    Raises FileNotFoundError where there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"There is no model folder at {root}.")
    total = hashlib.sha256()
    for path in files(root):
        name = path.relative_to(root).as_posix().encode()
        total.update(len(name).to_bytes(8, "big") + name)
        total.update(path.stat().st_size.to_bytes(8, "big"))
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                total.update(chunk)
    return f"sha256:{total.hexdigest()}"


def verify(folder: str | Path, expected: str) -> None:
    """Raises ArtifactChanged where the folder is gone or its digest is not `expected`."""
    try:
        found = digest(folder)
    except FileNotFoundError as error:
        raise ArtifactChanged(f"{error} Its digest was {expected}. Restore the folder, or roll back.") from error
    if found != expected:
        raise ArtifactChanged(
            f"The model in {folder} is not what was registered: its digest is {found}, registered was {expected}. "
            "It was not loaded. Restore the folder from a backup, or roll back with `tidemill rollback`."
        )


def files(root: Path) -> list[Path]:
    return sorted((path for path in root.rglob("*") if path.is_file()), key=lambda p: p.relative_to(root).as_posix())


def model_file(folder: Path) -> Path:
    """The pickled estimator in a model folder."""
    return folder / "model.pkl"


def save(folder: Path, pickled: bytes, sample: pd.DataFrame) -> None:
    """An MLflow model folder (sklearn and pyfunc flavours) around a pickled estimator, with its signature.

    MLflow writes the folder; the pickle is then replaced by ours, which carries the user's modules by value.
    """
    import cloudpickle
    from mlflow.models import infer_signature
    from mlflow.sklearn import save_model

    shutil.rmtree(folder, ignore_errors=True)
    model = cloudpickle.loads(pickled)
    save_model(
        model,
        str(folder),
        signature=infer_signature(_nullable(sample), model.predict_proba(sample)[:, 1]),
        serialization_format="cloudpickle",
        pyfunc_predict_fn="predict_proba",
        pip_requirements=["scikit-learn", "cloudpickle", "pandas"],
    )
    model_file(folder).write_bytes(pickled)


def _nullable(sample: pd.DataFrame) -> pd.DataFrame:
    """Integers as floats: a request may lack a value, and then an integer column is one of floats."""
    integers = sample.select_dtypes("integer").columns
    return sample.astype(dict.fromkeys(integers, "float64"))
