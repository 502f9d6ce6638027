"""Searching by examples as a user of the library does."""

from __future__ import annotations

import numpy as np
import pytest

from tellapart.engine import Configuration, Index
from tellapart.engine.examples import FOLDER_UNITS
from tellapart.engine.records import VerdictRecord, corpus_state, examples_record, write_records
from tellapart.errors import TellapartError

TEXTS = {
    "dogs/chihuahua.txt": "small dog barks house owner",
    "dogs/poodle.txt": "curly dog barks house owner",
    "dogs/husky.txt": "strong dog barks snow sledge",
    "wild/wolf.txt": "grey dog howls forest pack hunts",
    "wild/jackal.txt": "lean dog howls desert pack hunts",
    "wild/eagle.txt": "large bird cliffs hunts nest",
    "home/goldfish.txt": "orange fish bowl house owner",
    "home/parrot.txt": "bright bird talks house owner",
    "home/hamster.txt": "little rodent wheel house owner",
    "things/kettle.txt": "boils water tea kitchen steel",
    "things/ladder.txt": "wood steps roof lean wall",
}


@pytest.fixture
def root(tmp_path):
    for name, text in TEXTS.items():
        path = tmp_path / "zoo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return tmp_path / "zoo"


@pytest.fixture
def index(root, tmp_path, encoders):
    opened = Index.build([root], tmp_path / "index", encoders=["words"])
    yield opened
    opened.close()


def found(hits):
    return [hit.document for hit in hits]


RANKERS = ["svm", "ridge", "expanded-ridge", "rocchio"]


EXAMPLES = ["dogs/chihuahua.txt", "home/goldfish.txt", "home/parrot.txt"]


@pytest.mark.parametrize("ranker", [*RANKERS, "knn", "hybrid", "rrf"])
def test_examples_say_what_is_meant(index, ranker):
    hits = index.search(like=EXAMPLES, ranker=ranker, k=2)
    assert set(found(hits)) == {"home/hamster.txt", "dogs/poodle.txt"}


def test_words_that_examples_share_say_what_is_meant(index):
    assert "home/hamster.txt" in found(index.search(like=EXAMPLES, ranker="bm25", k=2))


@pytest.mark.parametrize("ranker", ["svm", "ridge", "expanded-ridge", "rocchio", "hybrid"])
def test_a_counter_example_pushes_its_kind_down(index, ranker):
    def lead(unlike):
        hits = index.search("dog", like=["dogs/husky.txt"], unlike=unlike, ranker=ranker, k=50)
        scores = {hit.document: hit.score for hit in hits}
        return scores["dogs/poodle.txt"] - scores["wild/jackal.txt"]

    assert lead(["wild/wolf.txt"]) > lead([])


def test_an_example_is_a_file_a_line_a_unit_or_a_folder(index, root):
    wanted = found(index.search(like=["home/parrot.txt"]))
    unit = index.search("talks", granularity="paragraph", ranker="bm25")[0].id
    for example in (f"{root}/home/parrot.txt", "home/parrot.txt:1", unit, "parrot.txt"):
        assert found(index.search(like=[example])) == wanted
    below = index.search(like=["dogs/"], k=20)
    assert not any(hit.document.startswith("dogs/") for hit in below)
    assert found(below) == found(index.search(like=[f"{root}/dogs"], k=20))
    assert "dog" in below[0].text


@pytest.mark.parametrize("granularity", [None, "sentence", "paragraph", "document"])
def test_examples_are_never_found(index, granularity):
    result = index.search(
        "dog owner", like=["dogs/poodle.txt:1"], unlike=["wild"], granularity=granularity, k=50
    )
    documents = set(found(result.hits))
    assert "dogs/poodle.txt" not in documents
    assert not any(document.startswith("wild/") for document in documents)
    assert len(documents) == len(TEXTS) - 4
    assert (result.request.query, result.request.like) == ("dog owner", ("dogs/poodle.txt:1",))


def test_what_is_named_by_itself_is_left_out_of_a_folder_on_the_other_side(index):
    hits = index.search(like=["dogs/husky.txt"], unlike=["dogs/"], k=50)
    assert set(found(hits)) == set(TEXTS) - {name for name in TEXTS if name.startswith("dogs/")}
    repeated = index.search(like=["dogs/husky.txt", "dogs/husky.txt:1"], k=50)
    assert repeated.hits == index.search(like=["dogs/husky.txt:1", "dogs/husky.txt"], k=50).hits


def test_words_alone_serve_where_there_are_no_vectors(root, tmp_path):
    opened = Index.build([root], tmp_path / "words", encoders=())
    answer = opened.search(like=["home/parrot.txt"], unlike=["wild/eagle.txt"], k=50)
    assert answer.configuration.ranker == "bm25"
    assert {"home/goldfish.txt", "home/hamster.txt"} < set(found(answer.hits))
    assert found(opened.search("kettle water", like=["home/parrot.txt"]))[0] == "things/kettle.txt"


def test_a_large_folder_is_sampled_and_said_so(tmp_path, encoders):
    folder = tmp_path / "many" / "all"
    folder.mkdir(parents=True)
    for number in range(FOLDER_UNITS + 50):
        (folder / f"{number:04}.txt").write_text(f"number{number} water\n")
    (tmp_path / "many" / "other.txt").write_text("water and wine\n")
    opened = Index.build(
        [tmp_path / "many"], tmp_path / "index", encoders=["words"], granularities=["paragraph"]
    )
    answer = opened.search(like=["all"])
    assert found(answer.hits) == ["other.txt"]
    assert answer.notes == ("all has 250 units: 200 of them, evenly spaced, are the examples",)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda i: i.search(), "nothing to search for"),
        (lambda i: i.search(unlike=["wild"]), "beside what it should be unlike"),
        (lambda i: i.search("dog", ranker="rocchio"), "name some with --like"),
        (lambda i: i.search(like=["dogs/husky.txt"], ranker="best"), "unknown ranker 'best'"),
        (lambda i: i.search(like=["nowhere.txt"]), "no document 'nowhere.txt'"),
        (lambda i: i.search(like=["dogs/husky.txt:7"]), "has no line 7: it has 1$"),
        (lambda i: i.search(like=["dogs/husky.txt#paragraph:0123456789"]), "not in the index any more"),
        (
            lambda i: i.search(like=["dogs/husky.txt"], unlike=["husky.txt"]),
            "dogs/husky.txt:1 .document. is liked and unliked",
        ),
        (lambda i: i.search(like=["dogs", "wild"], unlike=["dogs/"]), "is liked and unliked"),
        (lambda i: i.search(like=["dogs", "wild", "home", "things"]), "every unit is an example"),
        (lambda i: i.search(like=["dogs/husky.txt"], granularity="function"), "the index has no function"),
    ],
)
def test_mistakes_get_one_line(index, call, words):
    with pytest.raises(TellapartError, match=words) as caught:
        call(index)
    assert "\n" not in str(caught.value)


def test_examples_without_a_vector_are_named(index, monkeypatch):
    monkeypatch.setattr("tellapart.engine.asking.vectors_of", lambda *_: np.zeros((1, 32), dtype=np.float32))
    with pytest.raises(TellapartError, match="no example has a vector of words"):
        index.search(like=["dogs/husky.txt"])


def test_copies_of_an_example_are_found_and_harm_nothing(root, tmp_path, encoders):
    for number in range(5):
        (root / f"copy{number}.txt").write_text(TEXTS["home/parrot.txt"] + "\n")
    opened = Index.build([root], tmp_path / "copied", encoders=["words"])
    hits = opened.search(like=["copy0.txt", "copy1.txt"], k=4)
    copies = {each.partition("#")[0] for each in hits[0].copies}
    assert copies | {hits[0].document} == {"copy2.txt", "copy3.txt", "copy4.txt", "home/parrot.txt"}
    assert len(hits) == 4
    assert len({hit.text for hit in hits}) == 4
    assert np.isfinite([hit.score for hit in hits]).all()


def kept_for_examples(index, ranker, **changed):
    with index.reading() as snapshot:
        level = snapshot.granularities[0]
        record = VerdictRecord(
            Configuration("words", (level,), ranker),
            "it was measured so",
            corpus_state(index.store),
            changed.get("fingerprint", snapshot.encoders["words"].fingerprint),
            "2026-01-01T00:00:00+00:00",
            0,
        )
    name = examples_record("words", level)
    write_records(index.store, {name: changed.get("text", record.encode())})


@pytest.mark.parametrize("ranker", ["ridge", "rocchio"])
def test_auto_follows_what_was_measured_here(index, ranker):
    level = "sentence"
    assert (
        index.search(like=["dogs/husky.txt", "dogs/poodle.txt"], granularity=level).configuration.ranker
        == "ridge"
    )
    kept_for_examples(index, ranker)
    chosen = index.search(like=["dogs/husky.txt", "dogs/poodle.txt"], granularity=level)
    assert chosen.configuration.ranker == ranker
    assert "inspect measured rankers of examples on this corpus: it was measured so" in chosen.why
    assert index.search(like=["dogs/husky.txt"], ranker="knn").configuration.ranker == "knn"


def test_what_was_measured_is_not_followed_once_the_corpus_or_the_encoder_is_another(index, root):
    def used():
        chosen = index.search(like=["dogs/husky.txt", "dogs/poodle.txt"], granularity="sentence")
        return chosen.configuration.ranker

    kept_for_examples(index, "rocchio")
    assert used() == "rocchio"
    kept_for_examples(index, "rocchio", fingerprint="another")
    assert used() == "ridge"
    kept_for_examples(index, "rocchio", text="{}")
    assert used() == "ridge"
    kept_for_examples(index, "rocchio")
    for number in range(8):
        (root / f"new{number}.txt").write_text(f"something else {number}\n")
    index.update()
    assert used() == "ridge"


def test_words_that_only_the_example_has_do_not_hide_those_that_it_shares(tmp_path):
    own = " ".join(f"own{n}word" for n in range(200))
    (tmp_path / "a.md").write_text(f"The glacier calves. {own}\n")
    (tmp_path / "b.md").write_text("A glacier moves slowly.\n")
    (tmp_path / "c.md").write_text("The parrot talks.\n")
    with Index.build([tmp_path], tmp_path / "my.idx", encoders=()) as index:
        assert index.related("a.md")[0].document == "b.md"
