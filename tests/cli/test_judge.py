"""`judge` as a person at a terminal, or a script, meets it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tellapart.cli.app import run
from tellapart.engine import Index
from tellapart.experiments.judging.leaders import default_leaders
from tellapart.experiments.qrels import read_qrels

pty = pytest.importorskip("pty")
ANSWERED = "answer"
SPEAKERS = ("--configuration", "paragraph+function/bm25", "--configuration", "lsa/paragraph+function/knn")


@pytest.fixture
def place(corpus, tmp_path, capsys) -> Path:
    """A folder with an index and queries."""
    assert run(["index", str(corpus), "--index", str(tmp_path / "my.idx"), "--encoder", "lsa"]) == 0
    texts = (
        "retry with backoff",
        "cover roses in winter",
        "soil moisture",
        "tomatoes need poles",
        "cut roses",
    )
    lines = [json.dumps({"_id": f"q{n}", "text": text}) for n, text in enumerate(texts)]
    (tmp_path / "queries.jsonl").write_text("\n".join(lines) + "\n")
    capsys.readouterr()
    return tmp_path


def arguments(place: Path, *more: str) -> list[str]:
    return [
        "judge", "--index", str(place / "my.idx"), "--queries", str(place / "queries.jsonl"),
        "--qrels", str(place / "qrels.tsv"), *more,
    ]  # fmt: skip


class Person:
    """Someone at a terminal: reads what is shown, presses keys."""

    def __init__(self, place: Path, *more: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tellapart", *arguments(place, *more)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "NO_COLOR": "1"},
            start_new_session=True,
        )
        os.close(slave)
        self.shown = ""

    def wait_for(self, text: str, times: int = 1) -> None:
        deadline = time.monotonic() + 60
        while self.shown.count(text) < times:
            assert time.monotonic() < deadline, f"no {text!r} in {self.shown!r}"
            try:
                self.shown += os.read(self.master, 4096).decode()
            except OSError:
                break
        assert self.shown.count(text) >= times, self.shown

    def press(self, key: str) -> None:
        """Press a key once a question waits for it, and drop what was shown before."""
        self.wait_for("? ", 1 + self.shown.count("answer?"))
        self.shown = ""
        os.write(self.master, key.encode())

    def leave(self) -> int:
        with contextlib.suppress(OSError):
            while piece := os.read(self.master, 4096):
                self.shown += piece.decode()
        code = self.process.wait(timeout=60)
        os.close(self.master)
        return code


@pytest.fixture
def people() -> Iterator[list[Person]]:
    present: list[Person] = []
    yield present
    for person in present:
        if person.process.poll() is None:
            person.process.kill()


def answers(place: Path) -> list[dict[str, object]]:
    lines = (place / "qrels.tsv.session.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if "answer" in event]


def test_answer_undo_quit_resume_and_finish(place, people):
    people.append(person := Person(place, *SPEAKERS))
    person.press("y")
    person.wait_for("1 answer;")
    person.press("n")
    person.wait_for("2 answers;")
    person.press("u")
    person.press("2")
    person.wait_for("2 answers;")
    person.press("q")
    assert person.leave() == 0
    assert "The same command goes on" in person.shown
    assert [event["grade"] for event in answers(place)] == [1, 0, 2]

    people.append(again := Person(place))
    again.wait_for("going on with")
    for _ in range(60):
        try:
            again.press("n")
        except AssertionError:
            break
    assert again.leave() == 0
    assert "tellapart evaluate" in again.shown
    kept = read_qrels(place / "qrels.tsv")
    assert sum(len(grades) for grades in kept.grades.values()) == len(answers(place)) - 1
    assert {grade for grades in kept.grades.values() for grade in grades.values()} == {0, 1, 2}


def test_a_killed_session_loses_nothing_that_was_answered(place, people):
    people.append(person := Person(place, *SPEAKERS))
    for number in range(1, 4):
        person.press("y")
        person.wait_for(f"{number} answer")
    os.kill(person.process.pid, signal.SIGKILL)
    person.leave()
    assert len(answers(place)) == 3
    people.append(again := Person(place))
    again.press("n")
    again.wait_for("4 answers")
    again.press("q")
    assert again.leave() == 0


def typed(place: Path, text: str, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tellapart", *arguments(place, *more)],
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_without_a_terminal_answers_are_lines(place):
    done = typed(place, "y\nhm\ns\nx\n", "--json", *SPEAKERS)
    assert done.returncode == 0, done.stderr
    standing = json.loads(done.stdout)
    assert standing["schema"] == 1
    assert standing["status"] == "open"
    assert standing["queries"]["complete"] >= 1
    assert {"first", "second", "difference", "error", "better"} == set(standing["pairs"][0])
    assert "keys: y yes" in done.stderr
    assert [event["grade"] for event in answers(place)][:2] == [1, None]
    assert "\033" not in done.stderr


def test_complete_judges_a_pool_to_its_end(place):
    typed(place, "n\n" * 7, "--complete", *SPEAKERS)
    begun = list(dict.fromkeys(event["answer"] for event in answers(place)))
    assert list(read_qrels(place / "qrels.tsv").grades) == begun[: len(begun) - 1] or len(begun) == 1


def call(capsys, place: Path, *more: str) -> tuple[int, str]:
    code = run(arguments(place, *more))
    return code, capsys.readouterr().err


def test_mistakes_are_one_line(place, capsys, monkeypatch):
    code, err = call(capsys, place, "--qrels", str(place / "missing" / "qrels.tsv"), *SPEAKERS)
    assert (code, err.count("\n")) == (2, 1)
    assert "cannot write" in err
    code, err = call(capsys, place, *SPEAKERS[:2])
    assert code == 2
    assert "give 2 to 4" in err
    code, err = call(capsys, place, *SPEAKERS, *SPEAKERS[:2])
    assert "named twice" in err
    (place / "none.jsonl").write_text("")
    code, err = call(capsys, place, "--queries", str(place / "none.jsonl"))
    assert code == 2
    assert "holds no query" in err
    (place / "blank.jsonl").write_text('{"_id": "1", "text": " "}\n')
    code, err = call(capsys, place, "--queries", str(place / "blank.jsonl"), *SPEAKERS)
    assert code == 2
    assert "'1' is empty" in err
    code = run(["judge", "--index", str(place / "my.idx"), "--qrels", str(place / "new.tsv")])
    assert code == 2
    assert "give a file with --queries" in capsys.readouterr().err
    (place / "gold.tsv").write_text("q1\t0\td\t1\n")
    code, err = call(capsys, place, "--qrels", str(place / "gold.tsv"))
    assert code == 2
    assert "not from a session" in err
    assert (place / "gold.tsv").read_text() == "q1\t0\td\t1\n"


def test_an_index_without_vectors_has_nothing_to_compare(corpus, place, capsys):
    run(["search", "roses", str(corpus), "--index", str(place / "words.idx")])
    capsys.readouterr()
    code, err = call(capsys, place, "--index", str(place / "words.idx"))
    assert code == 2
    assert "holds no vectors" in err
    (place / "empty").mkdir()
    run(["index", str(place / "empty"), "--index", str(place / "empty.idx"), "--encoder", "lsa"])
    capsys.readouterr()
    code, err = call(capsys, place, "--index", str(place / "empty.idx"))
    assert code == 2
    assert "holds no documents" in err


def test_the_leaders_of_a_kept_verdict_are_compared(place, capsys):
    documents = ("src/client.py", "notes/winter.txt", "src/moisture.py", "README.md", "README.md")
    gold = [f"q{n}\t0\t{document}\t1" for n, document in enumerate(documents)]
    (place / "gold.tsv").write_text("\n".join(gold) + "\n")
    index = ["--index", str(place / "my.idx")]
    asked = ["--queries", str(place / "queries.jsonl"), "--qrels", str(place / "gold.tsv"), "--json"]
    assert run(["evaluate", *index, *asked]) == 0
    shape = json.loads(capsys.readouterr().out)
    leaders = [each.described for each in default_leaders(Index.open(place / "my.idx"))]
    assert len(set(leaders)) == len(leaders) == 3
    contenders = [each["name"] for each in shape["contenders"]]
    assert contenders[0] == shape["default"]
    assert shape["choice"] in contenders
    assert {shape["default"]} < set(leaders)
    done = typed(place, "y\n")
    assert done.returncode == 0, done.stderr
    assert "Comparing:\n  {}\n  {}\n  {}\n".format(*leaders) in done.stdout


def test_without_a_verdict_other_collections_name_the_leaders(place):
    leaders = default_leaders(Index.open(place / "my.idx"))
    assert len({each.described for each in leaders}) == len(leaders) == 3
    assert "lsa/paragraph+function/hybrid" in {each.described for each in leaders}


def test_another_session_is_not_mixed_in(place, capsys):
    typed(place, "y\n", *SPEAKERS)
    code, err = call(
        capsys, place, "--configuration", "paragraph/bm25", "--configuration", "lsa/paragraph/knn"
    )
    assert code == 2
    assert "leave out --configuration" in err
    (place / "queries.jsonl").write_text('{"_id": "1", "text": "something else"}\n')
    code, err = call(capsys, place)
    assert code == 2
    assert "other queries" in err
