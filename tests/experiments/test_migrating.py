"""Another encoder: searches never stop, a kill loses nothing, and there is a way back."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.conftest import WordEncoder

from tellapart.cli.app import run
from tellapart.engine import Index
from tellapart.engine.status import index_status, verify_index
from tellapart.errors import TellapartError
from tellapart.experiments.evaluation import evaluate
from tellapart.experiments.migrating import finish, go_back, migrate
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import QuerySet

WORDS = """rose tomato water frost straw soil sun seed root leaf bee pole march winter valve river stone cloud paper
lamp bridge engine harbour kettle ladder mirror needle orchard pepper quarry""".split()  # noqa: SIM905


class DeafEncoder(WordEncoder):
    """Says nothing about a text but how long it is."""

    def _one(self, text):
        return super()._one(f"{len(text)}")


@pytest.fixture
def corpus(tmp_path):
    rng = random.Random(0)
    (tmp_path / "docs").mkdir()
    for number in range(60):
        text = " ".join(" ".join(rng.choices(WORDS, k=9)).capitalize() + "." for _ in range(3))
        (tmp_path / "docs" / f"{number}.txt").write_text(f"{text}\n")
    return tmp_path / "docs"


@pytest.fixture
def encoders(monkeypatch):
    """Two encoders under names that the engine opens: one that reads, one that does not."""
    made = {"words": WordEncoder("words"), "deaf": DeafEncoder("deaf", seed=1)}
    load = lambda name, **_: made[name]  # noqa: E731
    for module in ("engine.building", "index.latent"):
        monkeypatch.setattr(f"tellapart.{module}.load_encoder", load)
    return made


@pytest.fixture
def index(corpus, tmp_path, encoders):
    return Index.build(corpus, tmp_path / "index", encoders=["deaf"])


@pytest.fixture
def judged(index):
    rng = random.Random(1)
    documents = {number: index.stored(number).document for number in index.store.identifiers()}
    asked = {
        number: rng.sample(each.text.lower().replace(".", "").split(), 4)
        for number, each in documents.items()
    }
    return QuerySet(
        {f"q{number}": " ".join(words) for number, words in asked.items()},
        Qrels({f"q{number}": {each.id: 1} for number, each in documents.items()}),
    )


def used(index: Index) -> str | None:
    return index.search("rose soil", k=1).configuration.encoder


def test_a_better_encoder_is_put_to_use_and_a_worse_one_is_not(index, judged):
    evaluate(index, judged, granularities="paragraph", rankers=("knn",), keep=True)
    assert used(index) is None or used(index) == "deaf"
    before = index.plan()
    done = migrate(index, "words", judged)
    assert (done.old, done.new) == ("deaf", "words")
    assert done.verdict.findings[0].configuration.encoder == "deaf"
    if done.switched:
        assert used(index) == "words"
        assert "better than the default" in index.plan().why
        assert go_back(index).old == "deaf"
    assert index.plan() == before
    with pytest.raises(TellapartError, match="uses deaf already"):
        go_back(index)
    assert migrate(index, "words", judged, anyway=True).switched
    back = migrate(index, "deaf", judged)
    assert not back.switched
    assert used(index) == "words"


def test_both_are_kept_up_to_date_until_the_change_is_finished(index, judged, corpus):
    first = index.search("rose soil", ranker="knn", k=5).to_dicts()
    migrate(index, "words", judged, anyway=True)
    assert {each.name for each in index_status(index).encoders} == {"deaf", "words"}
    assert index_status(index).in_use == "words"
    (corpus / "0.txt").write_text("Kettle ladder kettle ladder.\n")
    index.update()
    assert index.search("kettle ladder", ranker="knn", k=1).hits[0].document == "0.txt"
    go_back(index)
    assert used(index) == "deaf"
    assert len(index.search("rose soil", ranker="knn", k=5).to_dicts()) == len(first)
    migrate(index, "words", judged, anyway=True)
    assert finish(index) == "deaf"
    assert [each.name for each in index_status(index).encoders] == ["words"]
    assert index.settings.encoders == ("words",)
    assert used(index) == "words"
    with pytest.raises(TellapartError, match="no change"):
        finish(index)
    with pytest.raises(TellapartError, match="no change of encoder to take back"):
        go_back(index)


def test_a_change_that_was_declined_leaves_what_was_there(index, judged):
    index.add_encoder("lsa")
    migrate(index, "lsa", judged)
    go_back(index) if used(index) == "lsa" else None
    assert finish(index) is None  # lsa was there before
    assert {each.name for each in index_status(index).encoders} == {"deaf", "lsa"}


def test_the_next_migration_finishes_the_one_before(index, judged):
    migrate(index, "words", judged, anyway=True)
    done = migrate(index, "lsa", judged, anyway=True)
    assert done.dropped == "deaf"
    assert {each.name for each in index_status(index).encoders} == {"lsa", "words"}
    assert used(index) == "lsa"


def test_compressed_indexes_stay_compressed(corpus, tmp_path, encoders, judged):
    index = Index.build(corpus, tmp_path / "small", encoders=["deaf"], compress="16-int8")
    migrate(index, "words", judged, anyway=True)
    assert index_status(index).compressed == {"deaf": "16-int8", "words": "16-int8"}


def test_searches_go_on_all_the_time(index, judged):
    seen, errors, stop = [], [], threading.Event()

    def search() -> None:
        with Index.open(index.folder) as reader:
            while not stop.is_set():
                try:
                    seen.append(reader.search("rose soil water", k=3).configuration.encoder)
                except Exception as error:
                    errors.append(error)

    thread = threading.Thread(target=search)
    thread.start()
    migrate(index, "words", judged, anyway=True)
    go_back(index)
    migrate(index, "words", judged, anyway=True)
    finish(index)
    time.sleep(0.3)
    stop.set()
    thread.join()
    assert not errors
    assert {"deaf", "words"} <= set(seen)


KILLED = """
import sys
from tests.conftest import WordEncoder
from tests.experiments.test_migrating import DeafEncoder
from tellapart.engine import Index
from tellapart.experiments.migrating import finish, migrate
made = {"deaf": DeafEncoder("deaf", seed=1), "words": WordEncoder("words")}
index = Index.open(sys.argv[1], encoders=made)
print("ready", flush=True)
for _ in range(100):
    migrate(index, "lsa", anyway=True)
    finish(index)
    migrate(index, "deaf", anyway=True)
    finish(index)
"""


def test_killed_at_any_moment_nothing_is_lost(corpus, tmp_path):
    made = {"deaf": DeafEncoder("deaf", seed=1)}
    folder = tmp_path / "index"
    Index.build(corpus, folder, encoders=made).close()
    rng = random.Random(0)
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, folder], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE
        )
        process.stdout.readline()
        time.sleep(rng.uniform(0.05, 1.2))
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        with Index.open(folder, encoders=made) as index:
            assert len(index.search("rose soil", k=5).hits) == 5
            assert used(index) in ("deaf", "lsa")
            assert len(index) == 60
            verify_index(index)
    with Index.open(folder, encoders=made) as index:
        if used(index) != "lsa":
            assert migrate(index, "lsa", anyway=True).switched
        assert used(index) == "lsa"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give one of --to"),
        (["--to", "lsa", "--rollback"], "give one of --to"),
        (["--to", "deaf"], "uses deaf already"),
        (["--to", "nothing:x"], "unknown encoder"),
        (["--to", "pixels"], "encodes images"),
        (["--rollback"], "no change of encoder"),
        (["--finish"], "no change of encoder"),
        (["--to", "lsa", "--qrels", "x"], "--queries"),
    ],
)
def test_what_is_wrong_is_one_line(index, arguments, said, capsys, encoders, monkeypatch):
    from tellapart.encoders.load import load_encoder

    for module in ("engine.building", "index.latent"):
        monkeypatch.setattr(
            f"tellapart.{module}.load_encoder",
            lambda name, **more: encoders[name] if name in encoders else load_encoder(name, **more),
        )
    assert run(["migrate", "--index", str(index.folder), *arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert said in error
    assert used(index) == "deaf"


def test_an_encoder_that_cannot_be_opened_leaves_the_way_back(index, judged):
    migrate(index, "lsa", judged, anyway=True)
    with pytest.raises(KeyError):  # as the fixture's encoders say it
        migrate(index, "nope", judged)
    assert go_back(index).old == "deaf"
    assert used(index) == "deaf"


def test_words_alone_have_nothing_to_migrate(corpus, tmp_path, capsys):
    Index.build(corpus, tmp_path / "plain", encoders=[]).close()
    assert run(["migrate", "--index", str(tmp_path / "plain"), "--to", "lsa"]) == 2
    assert "no vectors to migrate from" in capsys.readouterr().err


def test_the_verb(index, capsys):
    folder = str(index.folder)
    index.close()
    assert run(["migrate", "--index", folder, "--to", "lsa"]) in (0, 1)
    assert run(["migrate", "--index", folder, "--to", "lsa", "--anyway"]) in (0, 2)
    assert run(["migrate", "--index", folder, "--rollback", "--json"]) == 0
    assert '"in_use": "deaf"' in capsys.readouterr().out
    assert run(["migrate", "--index", folder, "--finish"]) == 0
    assert "lsa is dropped" in capsys.readouterr().err
