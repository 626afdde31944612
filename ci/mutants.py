"""Do the tests of decisions/ and stats/ notice when the code is wrong? A random sample of mutants, each tested.

    python ci/mutants.py [--seed 1] [--sample 60] [--only accept repair] [--minutes 30] [--workers 2]

cosmic-ray finds and applies the mutations (another operator, comparison, number, ...). The sample is drawn place by
place: a place in the code, then one of its mutations, so that an operator that has ten others does not count ten times.
Annotations, caches and assertions are left out: no test can notice them. Each mutant is tested by tests/test_frozen.py
and by the test file that mirrors its module. A module without such a file, as `rollout_case`, is tested by the file of
its first word (test_rollout.py), or else by all tests of its folder. A mutant that takes SLOWER times as long as the
code without it does not end, and counts as killed.
Works on copies; prints a line a mutant as it goes and the survivors at the end; exits with 1 where fewer than nine in
ten were killed.
"""

from __future__ import annotations

import argparse
import ast
import random
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from queue import SimpleQueue

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from cosmic_ray.testing import run_tests
from cosmic_ray.work_item import TestOutcome

ROOT = Path(__file__).parents[1]
SOURCE, FOLDERS = "platform/tidemill", ("decisions", "stats")
ENOUGH = 0.9
SLOWER, LEAST_SECONDS, MOST_SECONDS = 5, 30, 180

Place = tuple[str, tuple[int, int]]
Mutation = tuple[str, int]  # operator, occurrence


def modules(only: list[str]) -> list[str]:
    found = [path for folder in FOLDERS for path in sorted((ROOT / SOURCE / folder).glob("*.py"))]
    names = [str(path.relative_to(ROOT)) for path in found if path.stem != "__init__"]
    return [name for name in names if not only or Path(name).stem in only]


def places(module: str) -> dict[Place, list[Mutation]]:
    """Every place of a module that can be mutated, with the mutations that it has."""
    text = (ROOT / module).read_text()
    tree, quiet = get_ast(text), list(_silent(text))
    found: dict[Place, list[Mutation]] = defaultdict(list)
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments():
            continue
        positions = (at for node in ast_nodes(tree) for at in operator().mutation_positions(node))
        for occurrence, (start, _end) in enumerate(positions):
            if name != "core/NoOp" and not any(a <= start < b for a, b in quiet):
                found[module, start].append((name, occurrence))
    return found


def _silent(text: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Where each part begins and ends that changes no answer."""
    for node in ast.walk(ast.parse(text)):
        parts = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        parts += [each for each in getattr(node, "decorator_list", []) if "lru_cache" in ast.unparse(each)]
        parts += [node] if isinstance(node, ast.Assert) else []  # it narrows a type
        for part in parts:
            if isinstance(part, (ast.expr, ast.stmt)):
                assert part.end_lineno is not None and part.end_col_offset is not None
                before = 1 if part in getattr(node, "decorator_list", []) else 0  # the @
                yield (part.lineno, part.col_offset - before), (part.end_lineno, part.end_col_offset)


def sample(seed: int, size: int, only: list[str]) -> list[tuple[Place, Mutation]]:
    everywhere = {at: mutations for module in modules(only) for at, mutations in places(module).items()}
    rng = random.Random(seed)
    chosen = rng.sample(sorted(everywhere), min(size, len(everywhere)))
    return [(at, rng.choice(everywhere[at])) for at in chosen]


@cache  # what is there when the run begins: that is what was copied
def tests_of(module: str) -> str:
    folder, stem = Path(module).parts[-2], Path(module).stem
    mirrors = (f"tests/{folder}/test_{name}.py" for name in (stem, stem.split("_")[0]))
    return next((mirror for mirror in mirrors if (ROOT / mirror).exists()), f"tests/{folder}")


def copy(folder: Path) -> Path:
    for name in ("platform", "tests", "bench"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def survives(folder: Path, at: Place, mutation: Mutation, seconds: float) -> tuple[bool, str]:
    """Whether all tests pass on the mutant, and the line that it changes."""
    module, (line, _) = at
    name, occurrence = mutation
    path = folder / module
    before = path.read_text()
    after = mutate_code(before, get_operator(name)(), occurrence)
    assert after is not None, f"{name} finds its place no more"
    path.write_text(after)
    try:
        outcome, _ = run_tests(_command(folder, tests_of(module)), seconds)
    finally:
        path.write_text(before)
    was, now = before.splitlines()[line - 1].strip(), after.splitlines()[line - 1].strip()
    return outcome is TestOutcome.SURVIVED, f"{was}  ->  {now}"


def _command(folder: Path, tests: str) -> str:
    pytest = f"{sys.executable} -m pytest -q -x -n 0 -p no:cacheprovider --hypothesis-seed=0 --rootdir={folder}"
    paths = f"-c {folder}/pyproject.toml {folder}/tests/test_frozen.py {folder}/{tests}"
    return f"env PYTHONPATH={folder}/platform HYPOTHESIS_PROFILE=mutants {pytest} {paths}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--only", nargs="*", default=[], help="modules, by name")
    parser.add_argument("--minutes", type=float, default=30, help="what was not tried by then is left out, and counted")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    chosen = sample(options.seed, options.sample, options.only)
    free: SimpleQueue[Path] = SimpleQueue()
    limits: dict[str, float] = {}
    survivors: list[str] = []
    tried = 0

    def judge(at: Place, mutation: Mutation) -> tuple[bool, str] | None:
        if time.monotonic() > until:
            return None
        folder = free.get()
        try:
            return survives(folder, at, mutation, limits[tests_of(at[0])])
        finally:
            free.put(folder)

    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(options.workers) as pool:
        for worker in range(options.workers):
            free.put(copy(Path(scratch) / str(worker)))
        for tests in sorted({tests_of(module) for (module, _), _ in chosen}):
            # Each by itself, as on a mutant: one that needs another file's tests would kill every mutant.
            began = time.monotonic()
            outcome, output = run_tests(_command(Path(scratch) / "0", tests), 2 * MOST_SECONDS)
            if outcome is not TestOutcome.SURVIVED:
                sys.exit(f"{tests} fails without any mutant:\n{output}")
            limits[tests] = min(max(SLOWER * (time.monotonic() - began), LEAST_SECONDS), MOST_SECONDS)
        until = time.monotonic() + 60 * options.minutes
        waiting = {pool.submit(judge, at, mutation): (at, mutation) for at, mutation in chosen}
        for done in as_completed(waiting):
            found, ((module, (line, column)), (name, _)) = done.result(), waiting[done]
            if found is None:
                continue
            tried += 1
            survived, change = found
            told = f"{module}:{line}:{column} {name.removeprefix('core/')}: {change}"
            survivors += [told] if survived else []
            print(f"{'SURVIVED' if survived else 'killed  '} {told}", flush=True)
    killed = tried - len(survivors)
    left = len(chosen) - tried
    print(f"\nseed {options.seed}: {killed} of {tried} killed ({killed / max(tried, 1):.0%}), {left} not tried")
    print("\n".join(["survivors:", *sorted(survivors)]) if survivors else "no survivors")
    return 0 if tried and killed >= ENOUGH * tried else 1


if __name__ == "__main__":
    sys.exit(main())
