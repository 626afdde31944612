import sys
from pathlib import Path

TESTS = Path(__file__).parents[2]
sys.path[:0] = [
    str(Path(__file__).parent),
    *(str(TESTS / name) for name in ("adapters/argo", "cluster", "contracts", "turn")),
]
