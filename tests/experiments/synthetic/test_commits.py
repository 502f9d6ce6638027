from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tellapart.engine import Index
from tellapart.experiments.synthetic import QuerySource, generate, leaks

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")

FIRST = """def gather(samples, weights):
    total = 0
    for sample, weight in zip(samples, weights):
        total += sample * weight
    return total, samples, weights


def scatter(total, parts, weights):
    share = total / parts
    shares = [share * weight for weight in weights]
    return shares, total, parts
"""
SECOND = """

def smooth(samples, width, weights):
    window = samples[:width]
    mean = sum(window) / width
    return [mean for sample in samples], weights
"""


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, "-C", str(folder), *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q")
    for name in "abcd":
        (root / f"{name}.py").write_text(f"{name} = 1\n")
    (root / "signal.py").write_text(FIRST)
    git(root, "add", ".")
    git(root, "commit", "-qm", "Import everything from the earlier prototype")
    (root / "signal.py").write_text(FIRST + SECOND)
    (root / "CHANGES.txt").write_text(
        "What is new in this release of the program, for those who know the last one.\n\n"
        "Average neighbouring samples against flicker in the display. More follows.\n"
    )
    git(root, "add", ".")
    git(root, "commit", "-qm", "feat(signal): average neighbouring samples against flicker (#12)")
    (root / "signal.py").write_text(
        (FIRST + SECOND).replace("share = total / parts", "share = total / max(parts, 1)")
    )
    git(root, "commit", "-qam", "Guard against a division by zero parts")
    return root


def test_a_message_asks_for_the_function_that_its_commit_wrote(repository, tmp_path):
    index = Index.build([repository], tmp_path / "index", encoders=[])
    generated = generate(index, sources=[QuerySource.COMMIT])
    (query,) = generated.query_set.queries
    assert generated.query_set.queries[query] == "average neighbouring samples against flicker"
    (span,) = generated.query_set.spans[query]
    text = index.store.document(span.document).document.text
    assert text[span.start : span.end].startswith("def smooth")
    assert {blank.document for blank in generated.blanks[query]} == {"CHANGES.txt"}
    with generated.masked_index() as masked:
        assert leaks(generated, masked, index) == ()


def test_a_file_that_changed_since_counts_where_its_lines_are_the_same(repository, tmp_path):
    index = Index.build([repository], tmp_path / "index", encoders=[])
    (repository / "signal.py").write_text(
        (FIRST + SECOND).replace("samples[:width]", "0").replace("sum(window) / width", "0")
    )
    assert not generate(index, sources=[QuerySource.COMMIT]).query_set.queries


def test_without_repository_or_sources_there_are_no_such_queries(repository, tmp_path):
    index = Index.build([repository], tmp_path / "index", encoders=[])
    shutil.rmtree(repository / ".git")
    assert "commit" in " ".join(generate(index, sources=[QuerySource.COMMIT]).query_set.notes)
    shutil.rmtree(repository)
    assert not generate(index, sources=[QuerySource.COMMIT]).query_set.queries
