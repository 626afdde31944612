import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "turn"), str(Path(__file__).parent)]
