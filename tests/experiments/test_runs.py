"""Run files: what is written is what was ranked, for us and for the tools of the field."""

import gzip

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.errors import TellapartError
from tellapart.experiments.measures import Measure, evaluate_run
from tellapart.experiments.qrels import Qrels
from tellapart.experiments.trec import read_run, strictly_decreasing, write_run
from tellapart.rankers.run import RankedDocuments, Run


def ranked(*pairs):
    return RankedDocuments(tuple(d for d, _ in pairs), np.array([s for _, s in pairs], dtype=np.float64))


TIED = Run(
    {
        "q1": ranked(
            ("b", 2.0), ("z", 1.0 + 1e-12), ("a", 1.0), ("c", 1.0), ("m", 0.0), ("n", 0.0), ("k", 0.0)
        ),
        "q2": ranked(("x", -3.0), ("y", -3.0)),
        "empty": ranked(),
    },
    "mine",
)


@given(
    st.lists(
        st.one_of(
            st.floats(-1e300, 1e300),
            st.sampled_from([0.0, -0.0, 1.0, 1e-45, -1e-45, 1e-38, 1e38, -1e38, 0.1]),
        ),
        max_size=40,
    )
)
def test_scores_decrease_strictly_in_single_precision(values):
    scores = np.array(sorted(values, reverse=True), dtype=np.float64)
    single = strictly_decreasing(scores)
    assert single.dtype == np.float32
    assert (np.diff(single) < 0).all()
    assert np.isfinite(single).all()
    assert (np.abs(single[single != 0]) >= np.finfo(np.float32).tiny).all()


def test_distinct_scores_stay_what_they_are():
    scores = np.array([3.5, 1.25, 0.1, 0.0, -7.0])
    assert (strictly_decreasing(scores) == scores.astype(np.float32)).all()


@pytest.mark.parametrize("name", ["run.trec", "run.trec.gz"])
def test_reading_back_keeps_every_order(tmp_path, name):
    write_run(TIED, tmp_path / name)
    again = read_run(tmp_path / name)
    assert again.tag == "mine"
    for query, ranking in again.rankings.items():
        assert ranking.documents == TIED.rankings[query].documents


def test_other_tools_see_the_same_order(tmp_path):
    write_run(TIED, tmp_path / "run.trec")
    qrels = {"q1": {"a": 1, "m": 2}, "q2": {"y": 1}}
    ndcg, rr = ir_measures.parse_measure("nDCG@10"), ir_measures.parse_measure("RR")
    theirs = {
        (str(value.measure), value.query_id): value.value
        for value in ir_measures.iter_calc(
            [ndcg, rr], qrels, ir_measures.read_trec_run(str(tmp_path / "run.trec"))
        )
    }
    ours = evaluate_run(TIED, Qrels(qrels), [Measure.parse("nDCG@10"), Measure.parse("RR")])
    for measure, values in ours.values.items():
        for query, value in zip(ours.queries, values, strict=True):
            assert value == pytest.approx(theirs[str(measure), query], abs=1e-9)


def test_lines_have_six_columns_and_ranks_from_one(tmp_path):
    write_run(TIED, tmp_path / "run.trec")
    lines = [line.split() for line in (tmp_path / "run.trec").read_text().splitlines()]
    assert all(len(line) == 6 and line[1] == "Q0" and line[5] == "mine" for line in lines)
    assert [line[3] for line in lines if line[0] == "q1"] == [str(rank) for rank in range(1, 8)]


def test_the_same_run_gives_the_same_bytes(tmp_path):
    write_run(TIED, tmp_path / "a.gz")
    write_run(TIED, tmp_path / "b.gz")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()).startswith(b"q1 Q0 b 1 2.0 mine\n")


def test_spaces_inside_document_ids_survive_and_are_counted(tmp_path):
    run = Run({"q": ranked(("Geneva Durben", 2.0), ("a  b\u00a0c", 1.0), ("plain", 0.5))})
    assert write_run(run, tmp_path / "run.trec") == 2
    assert read_run(tmp_path / "run.trec").rankings["q"].documents == run.rankings["q"].documents


def test_reads_as_trec_eval_does(tmp_path):
    path = tmp_path / "run.trec"
    path.write_text("q Q0 a 1 1.0 t\nq Q0 b 2 1.00000001 t\n\nq Q0 c 3 5 t\r\n")
    assert read_run(path).rankings["q"].documents == ("c", "b", "a")


@pytest.mark.parametrize("document", ["", " a", "a\nb", "a\r", "\udce9"])
def test_refuses_ids_that_a_line_cannot_hold(tmp_path, document):
    path = tmp_path / "run.trec"
    path.write_text("before")
    with pytest.raises(TellapartError) as refused:
        write_run(Run({"q": ranked((document, 1.0))}), path)
    assert "\n" not in str(refused.value)
    assert path.read_text() == "before"


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "run.trec"
    path.write_text("before")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(TellapartError, match="No space left"):
        write_run(TIED, path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_says_where_it_cannot_write(tmp_path):
    with pytest.raises(TellapartError, match="cannot write"):
        write_run(TIED, tmp_path / "missing" / "run.trec")


@pytest.mark.parametrize(
    ("line", "says"),
    [("q Q0 a 1", "expected"), ("q Q0 a 1 high t", "'high'"), ("q Q0 b 1 1 t", "twice"), ("q", "expected")],
)
def test_names_the_line_that_is_wrong(tmp_path, line, says):
    path = tmp_path / "run.trec"
    path.write_text(f"q Q0 b 1 2.0 t\n{line}\n")
    with pytest.raises(TellapartError, match=rf"run\.trec, line 2: .*{says}"):
        read_run(path)


def test_a_score_that_is_no_number_is_refused(tmp_path):
    path = tmp_path / "run.trec"
    path.write_text("q Q0 a 1 nan t\n")
    with pytest.raises(TellapartError, match="finite"):
        read_run(path)
    with pytest.raises(TellapartError, match="'a'"):
        Run({"q": ranked(("a", float("nan")))})


def test_a_run_refuses_what_is_no_ranking():
    with pytest.raises(ValueError, match="increase"):
        Run({"q": ranked(("a", 1.0), ("b", 2.0))})
    with pytest.raises(TellapartError, match="twice"):
        Run({"q": ranked(("a", 2.0), ("a", 1.0))})
    with pytest.raises(ValueError, match="shape"):
        Run({"q": RankedDocuments(("a",), np.empty(0))})
