"""A small mixed corpus with queries and random judgements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tellapart.engine import Index
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import QuerySet

WORDS = [
    f"{head}{tail}" for head in ("ro", "wa", "sun", "te", "val", "gar") for tail in ("se", "den", "mi", "tor")
]


def write_mixed(root: Path, seed: int = 0, prose: int = 30, code: int = 8) -> None:
    """Write texts of several paragraphs and modules of several functions from a small vocabulary."""
    random = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    for number in range(prose):
        paragraphs = [" ".join(random.choice(WORDS, 12)) + "." for _ in range(int(random.integers(1, 4)))]
        (root / f"text{number:02d}.txt").write_text("\n\n".join(paragraphs) + "\n")
    for number in range(code):
        functions = []
        for i in range(int(random.integers(1, 4))):
            name, words = "_".join(random.choice(WORDS, 2)), " ".join(random.choice(WORDS, 6))
            functions.append(f"def {name}_{i}(value):\n    return value  # {words}\n")
        (root / f"module{number}.py").write_text("\n\n".join(functions))


@pytest.fixture
def mixed(tmp_path, encoders):
    """An index of the mixed corpus, some documents of it deleted again."""
    write_mixed(tmp_path / "mixed", prose=36)
    opened = Index.build([tmp_path / "mixed"], tmp_path / "my.idx", encoders=["words", "lsa"])
    for number in range(30, 36):
        (tmp_path / "mixed" / f"text{number}.txt").unlink()
    opened.update()
    yield opened
    opened.close()


@pytest.fixture
def gold(mixed):
    """Forty queries of random words, each with some graded documents."""
    random = np.random.default_rng(1)
    names = sorted(mixed.store.identifiers().values())
    queries = {f"q{number}": " ".join(random.choice(WORDS, 3)) for number in range(40)}
    grades = {
        query: {str(name): int(random.integers(0, 3)) for name in random.choice(names, 5, replace=False)}
        for query in queries
    }
    return QuerySet(queries, Qrels(grades))
