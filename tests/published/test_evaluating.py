"""What is measured at a published index, kept there, and used by its searches."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.experiments.conftest import WORDS, write_mixed

from tellapart import Index, TellapartError, evaluate, publish
from tellapart.engine.records import VerdictRecord, corpus_state, generation_with, write_records
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.query_set import QuerySet
from tellapart.index.lock import writer_lock
from tellapart.index.postgres.address import Address
from tellapart.scores.calibrating import calibrate
from tellapart.scores.relating import learn_relation, search_relation

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def judged_alone(monkeypatch):
    """Let forty judged queries be many, which halves the time."""
    monkeypatch.setattr("tellapart.experiments.evaluation.FEW_JUDGED", 2)


@pytest.fixture
def index(tmp_path, encoders):
    """An index of two segments, one with dead documents."""
    write_mixed(tmp_path / "mixed", prose=36)
    opened = Index.build([tmp_path / "mixed"], tmp_path / "my.idx", encoders=["words"])
    for number in range(30, 33):
        (tmp_path / "mixed" / f"text{number}.txt").unlink()
    (tmp_path / "mixed" / "text00.txt").write_text("rose garden\n\nsunse valden\n")
    opened.update()
    yield opened
    opened.close()


@pytest.fixture
def gold(index):
    """Forty queries of random words; BM25's first document answers each."""
    random = np.random.default_rng(1)
    queries = {f"q{number}": " ".join(random.choice(WORDS, 3)) for number in range(40)}
    run = index.run(queries, ranker="bm25", granularity="document", depth=1)
    return QuerySet(queries, Qrels({query: {run.rankings[query].documents[0]: 1} for query in queries}))


def measured(verdict):
    """What a verdict says, but for what a clock said, and the last bits of a mean over all scores."""
    found = verdict.to_json()
    found.pop("entropy")
    for each in found["configurations"]:
        each["cost"] = None
    return found


def keep(index, **wishes):
    """Keep a verdict as `evaluate` does; gives what it chose."""
    with index.reading():
        chosen = index.plan(**wishes).configuration
        record = VerdictRecord(
            chosen, "measured", corpus_state(index.store), None, "2026-01-01", generation_with(index.store)
        )
    write_records(index.store, {"verdict": record.encode()})
    return chosen


def test_the_verdict_is_the_folders_and_is_followed_there(index, published, address, gold):
    asked = {"granularities": ("paragraph+function", "document"), "rankers": ("bm25", "knn", "hybrid")}
    with Index.open(address) as another:
        assert another.plan().configuration.ranker == "hybrid"
        verdict = evaluate(published, gold, **asked, keep=True)
        assert measured(verdict) == measured(evaluate(index, gold, **asked))
        assert verdict.chosen.configuration.ranker == "bm25"
        for opened in (published, another):
            answer = opened.search("rose garden")
            assert answer.configuration == verdict.chosen.configuration
            assert verdict.reason in answer.why
    assert index.plan().configuration.ranker == "hybrid"
    assert not list(published.folder.glob("copy-*"))


def test_queries_made_from_the_corpus_are_the_folders(index, published):
    asked = {"granularities": "paragraph", "rankers": ("bm25", "knn")}
    assert measured(evaluate(published, **asked)) == measured(evaluate(index, **asked))


def test_what_was_kept_there_stays_until_the_folder_has_something_newer(index, published, address, tmp_path):
    chosen = keep(published, ranker="bm25", granularity="section")
    (tmp_path / "mixed" / "text01.txt").write_text("another text\n")
    index.update()
    assert publish(index, address).forgotten == ()
    assert published.plan().configuration == chosen
    newer = keep(index, ranker="bm25", granularity="document")
    publish(index, address)
    assert published.plan().configuration == newer
    chosen = keep(published, ranker="bm25", granularity="section")
    publish(index, address)
    assert published.plan().configuration == chosen


def test_tables_that_an_earlier_version_made(index, published, address, administrator):
    records = f"{Address.needed(address).schema}.records"
    chosen = keep(index, ranker="bm25", granularity="document")
    publish(index, address)
    administrator.execute(f"ALTER TABLE {records} DROP COLUMN sent")
    assert published.plan().configuration == chosen
    publish(index, address)
    assert published.plan().configuration == chosen
    administrator.execute(f"DELETE FROM {records}")
    administrator.execute(f"ALTER TABLE {records} DROP COLUMN sent")
    write_records(published.store, {"relation next": "{}"})
    publish(index, address)
    assert published.plan().configuration == chosen
    assert published.store.records("relation") == {"relation next": "{}"}


def test_a_verdict_about_another_index_is_forgotten(published, address, tmp_path, call):
    keep(published, ranker="bm25", granularity="section")
    write_mixed(tmp_path / "other", seed=5, prose=36)
    Index.build([tmp_path / "other"], tmp_path / "other.idx", encoders=["words"]).close()
    code, _, err = call("publish", "--index", tmp_path / "other.idx", "--to", address)
    assert code == 0
    assert "verdict" in err
    assert published.plan().configuration.ranker == "hybrid"


def test_calibrations(index, published, gold):
    calibrations = [calibrate(of, gold).calibration for of in (index, published)]
    assert calibrations[0].relevance == calibrations[1].relevance
    hits = [of.search("rose garden sunmi")[0] for of in (index, published)]
    assert hits[0].probability is not None
    assert (hits[0].id, hits[0].probability) == (hits[1].id, pytest.approx(hits[1].probability))


def test_relations(index, published):
    pairs = [(f"text{n:02d}.txt", f"text{n + 1:02d}.txt") for n in range(1, 12)]
    for of in (index, published):
        learn_relation(of, "next", pairs, granularity="document")
    here, there = (search_relation(of, "text20.txt", "next") for of in (index, published))
    assert [hit.id for hit in here] == [hit.id for hit in there]
    write_records(published.store, {"o'; DROP TABLE records; --\0\ud800": "{}"})
    assert published.store.records("o'")


def test_who_may_not_write_is_told_so(published, gold, administrator, address):
    schema = Address.needed(address).schema
    administrator.execute("DROP ROLE IF EXISTS judge")
    administrator.execute("CREATE ROLE judge LOGIN")
    administrator.execute(f"GRANT USAGE ON SCHEMA {schema} TO judge")
    administrator.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO judge")
    try:
        with Index.open(address.replace("postgres:@", "judge@")) as opened:
            with pytest.raises(TellapartError, match="permission denied for table records; grant the role"):
                keep(opened, ranker="bm25")
            administrator.execute(f"GRANT INSERT, UPDATE ON {schema}.records TO judge")
            assert opened.plan().configuration != keep(opened, ranker="bm25") == opened.plan().configuration
    finally:
        administrator.execute("DROP OWNED BY judge")
        administrator.execute("DROP ROLE judge")


def test_every_verb_that_measures(index, published, address, gold, call, tmp_path):
    queries, qrels = tmp_path / "queries.jsonl", tmp_path / "qrels.tsv"
    queries.write_text("".join(json.dumps({"_id": q, "text": t}) + "\n" for q, t in gold.queries.items()))
    judgements = [f"{query}\t{name}\t1\n" for query, of in gold.qrels.grades.items() for name in of]
    qrels.write_text("query-id\tcorpus-id\tscore\n" + "".join(judgements))
    judged, report = ("--queries", queries, "--qrels", qrels), tmp_path / "report.html"
    verbs = (
        (
            "evaluate",
            *judged,
            "--ranker",
            "bm25",
            "--no-keep",
            "--report",
            report,
            "--runs",
            tmp_path / "runs",
        ),
        ("inspect", *judged),
        ("clones",),
    )
    for verb in verbs:
        answers = []
        for place in (index.folder, address):
            code, out, err = call(*verb, "--index", place)
            assert code == 0, err
            assert "copy-" not in out + err
            answers.append(out)
        if verb[0] != "evaluate":  # which says how long it took
            assert answers[0] == answers[1]
    assert f"<title>{Address.needed(address).schema}: " in report.read_text()


def test_a_copy_left_by_a_killed_process_is_removed(published, gold):
    left = published.folder / "copy-left"
    left.mkdir(parents=True)
    with writer_lock(left):
        evaluate(published, gold, rankers=("bm25",))
        assert left.is_dir(), "somebody is at it"
    evaluate(published, gold, rankers=("bm25",))
    assert not left.exists()
