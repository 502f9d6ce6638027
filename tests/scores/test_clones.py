"""Clones: what is found, what is not, and where a group stands among unrelated pairs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.cli.app import run
from tellapart.corpus.code.languages import LANGUAGES
from tellapart.corpus.code.normalised import normalised_tokens
from tellapart.engine import Index
from tellapart.errors import TellapartError
from tellapart.scores.clones import FUNCTIONAL, NEAR, Clones, find_clones
from tellapart.scores.shingles import ShingleSets

ORIGINAL = '''
def total_price(items, rate):
    """Add up what the items cost, taxes included."""
    total = 0.0
    count = len(items)
    seen = set()
    for item in items:
        if item.name in seen:
            continue
        seen.add(item.name)
        total += item.price * (1 + rate)
    if count > 10:
        total = total * 0.9
    return round(total, 2)
'''
RENAMED = """
def gross_amount(positions, tax):
    # what a customer pays
    amount = 1.5
    size = len(positions)
    known = set()
    for position in positions:
        if position.key in known:
            continue
        known.add(position.key)
        amount += position.cost * (2 + tax)
    if size > 99:
        amount = amount * 0.1
    return round(amount, 4)
"""
REORDERED = """
def order_value(goods, share):
    chosen = set()
    number = len(goods)
    result = 0.0
    for good in goods:
        if good.title in chosen:
            continue
        chosen.add(good.title)
        result += good.value * (1 + share)
    if number > 5:
        result = result * 0.8
    return round(result, 2)
"""
OTHERS = (
    """
def read_settings(path):
    with open(path, encoding="utf-8") as stream:
        lines = [line.strip() for line in stream if not line.startswith("#")]
    pairs = dict(line.split("=", 1) for line in lines if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs.items()}
""",
    """
class Queue:
    def take(self, timeout=None):
        deadline = None if timeout is None else self.clock() + timeout
        while not self.waiting:
            try:
                self.condition.wait(deadline)
            except InterruptedError as error:
                raise QueueClosed(str(self)) from error
        return self.waiting.popleft()
""",
    """
def shortest_path(graph, start, goal):
    distances, heap = {start: 0}, [(0, start)]
    while heap:
        distance, node = heappop(heap)
        if node == goal:
            return distance
        for other, weight in graph[node].items():
            if distance + weight < distances.get(other, inf):
                distances[other] = distance + weight
                heappush(heap, (distances[other], other))
    return None
""",
    """
async def download(session, url, *, attempts=3):
    for attempt in range(attempts):
        async with session.get(url) as answer:
            if answer.status == 200:
                return await answer.read()
            await sleep(2**attempt)
    raise DownloadError(f"{url} failed {attempts} times")
""",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "tests").mkdir(parents=True)
    for number, text in enumerate(OTHERS):
        (folder / f"other_{number}.py").write_text(text)
    (folder / "prices.py").write_text(ORIGINAL)
    return folder


def found_in(folder: Path, **wishes: str) -> Clones:
    encoders = (wishes["encoder"],) if wishes else ()
    index = Index.build([folder], folder.parent / "index", encoders=encoders)
    try:
        return find_clones(index, **wishes)
    finally:
        index.close()


def places(clones: Clones) -> list[list[str]]:
    return [[each.document for each in group.functions] for group in clones.groups]


def test_code_without_copies_has_no_clones(project):
    clones = found_in(project)
    assert clones.groups == ()
    assert clones.functions == 5


@pytest.mark.parametrize("copy", [ORIGINAL, RENAMED, REORDERED], ids=["copied", "renamed", "reordered"])
def test_a_copy_in_the_tests_is_found_whatever_its_names_and_order(project, copy):
    (project / "tests" / "test_prices.py").write_text(copy)
    clones = found_in(project)
    assert places(clones) == [["prices.py", "tests/test_prices.py"]]
    (group,) = clones.groups
    assert group.kind == NEAR
    assert group.similarity == 1 or copy is REORDERED
    assert group.percentile is not None
    assert group.percentile > 0.9


def test_all_copies_are_one_group(project):
    for name, text in (("a.py", RENAMED), ("b.py", REORDERED), ("c.py", ORIGINAL)):
        (project / name).write_text(text)
    clones = found_in(project)
    assert places(clones) == [["a.py", "b.py", "c.py", "prices.py"]]
    assert clones.groups[0].repeated >= 3 * 30


def test_copies_inside_one_file_count_and_have_no_percentile_without_other_files(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "one.py").write_text(ORIGINAL + RENAMED)
    (group,) = found_in(folder).groups
    assert [each.label for each in group.functions] == ["total_price", "gross_amount"]
    assert group.percentile is None


def test_short_functions_are_no_clones(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("a.py", "b.py"):
        (folder / name).write_text("def size(self):\n    return self.count\n")
    assert found_in(folder).functions == 0


def test_vectors_pair_what_is_written_differently(project):
    loop = 'def invoice_sum(invoice):\n    """Sum of the invoice lines, tax added."""\n'
    (project / "invoice.py").write_text(
        f"{loop}    invoice_sum = 0\n    for line in invoice.lines:\n"
        "        invoice_sum += line.quantity * line.unit_price * (1 + line.tax)\n    return invoice_sum\n"
    )
    (project / "billing.py").write_text(
        f"{loop}    lines = invoice.lines\n"
        "    return sum(map(lambda line: line.quantity * line.unit_price * (1 + line.tax), lines))\n"
    )
    clones = found_in(project, encoder="lsa")
    assert clones.encoder == "lsa"
    pairs = [
        set(place)
        for place, group in zip(places(clones), clones.groups, strict=True)
        if group.kind == FUNCTIONAL
    ]
    assert pairs == [{"billing.py", "invoice.py"}]


def test_names_texts_numbers_and_comments_do_not_count():
    python = LANGUAGES["python"]
    assert normalised_tokens(ORIGINAL, python)[0] == normalised_tokens(RENAMED, python)[0]
    assert normalised_tokens(ORIGINAL, python)[0] != normalised_tokens(REORDERED, python)[0]


def test_tokens_start_where_they_stand():
    text = 'x = "é" + äb  # ü\ny = x\n'
    tokens, starts = normalised_tokens(text, LANGUAGES["python"])
    assert [text[start] for start in starts] == ["x", "=", '"', "+", "ä", "y", "=", "x"]
    assert tokens[2] == "text"


@given(st.lists(st.sets(st.integers(0, 40), min_size=1), min_size=2, max_size=8))
def test_similarities_are_jaccard(sets):
    together = ShingleSets.of([np.array(sorted(each), np.uint64) for each in sets])
    pairs = np.stack(np.triu_indices(len(sets), 1), axis=1)
    expected = [len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in pairs.tolist()]
    assert together.similarities(pairs) == pytest.approx(expected)


def test_hashing_finds_the_pairs_it_promises():
    random = np.random.default_rng(0)
    sets = []
    for _ in range(200):  # pairs of Jaccard similarity .6
        words = random.integers(1, 2**63, 100, dtype=np.uint64)
        sets += [np.sort(words[:80]), np.sort(words[20:])]
    together = ShingleSets.of(sets)
    found = set(map(tuple, together.candidates(np.arange(400)).tolist()))
    assert sum((2 * at, 2 * at + 1) in found for at in range(200)) >= 198
    assert len(found) < 400


def test_the_command_prints_groups_and_documented_json(project, capsys):
    (project / "copy.py").write_text(RENAMED)
    assert run(["clones", str(project)]) == 0
    printed = capsys.readouterr()
    assert "prices.py:2-14  total_price" in printed.out
    assert "unrelated pairs" in printed.out
    assert "no vectors of functions" in printed.err
    assert run(["clones", str(project), "--json", "-k", "0"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["schema"], answer["found"], answer["groups"], answer["encoder"]) == (1, 1, [], None)


def test_what_cannot_be_compared_is_said_in_a_line(tmp_path, capsys):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("# Notes\n\nNo code here.\n")
    with pytest.raises(TellapartError, match="no functions"):
        found_in(tmp_path / "notes")
    assert run(["clones", "--index", str(tmp_path / "index"), "--encoder", "minilm"]) == 2
    assert "minilm" in capsys.readouterr().err
