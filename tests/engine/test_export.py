"""An export holds the units of the index, finds the same neighbours, and a second run brings it up to date."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tellapart import Index, TellapartError, export
from tellapart.corpus.places import place_of
from tellapart.engine.exported import Exported, key_of
from tellapart.engine.results import unit_id

FILE = spec_from_file_location("fake_opensearch", Path(__file__).with_name("fake_opensearch.py"))
fake_opensearch = module_from_spec(FILE)
FILE.loader.exec_module(fake_opensearch)

FORMATS = ("lance", "qdrant", "milvus", "opensearch")
FIELDS = {
    *("id", "document", "path", "title", "label", "context", "text", "granularity", "kind", "language"),
    *("start", "end", "first_line", "last_line", "place", "metadata", "encoder", "fingerprint", "revision"),
}
LIBRARIES = {
    "lance": "lance",
    "qdrant": "qdrant_client",
    "milvus": "milvus_lite",
    "opensearch": "opensearchpy",
}


@dataclass
class Place:
    """Where a test exports to, and what the engine's own library reads there."""

    format: str
    to: str
    read: Callable[[str], list[dict[str, Any]]]
    near: Callable[[str, np.ndarray], list[str]] | None = None

    def units(self, collection: str = "tellapart") -> dict[str, dict[str, Any]]:
        rows = self.read(collection)
        units = {row["id"]: row for row in rows}
        assert len(units) == len(rows)
        return units


def lance_place(folder: Path) -> Place:
    to = str(folder / "deep" / "units.lance")

    def read(_: str) -> list[dict[str, Any]]:
        import lance

        rows = lance.dataset(to).to_table().to_pylist()
        return [{**row, "metadata": json.loads(row["metadata"])} for row in rows]

    def near(_: str, query: np.ndarray) -> list[str]:
        import lance

        asked = {"column": "vector", "q": query, "k": 10, "metric": "dot"}
        return lance.dataset(to).to_table(nearest=asked, columns=["id", "_distance"])["id"].to_pylist()

    return Place("lance", to, read, near)


def qdrant_place(folder: Path) -> Place:
    to = str(folder / "qdrant")

    def asked(what: Callable[[Any], Any]) -> Any:
        from qdrant_client import QdrantClient

        client = QdrantClient(path=to)
        try:
            return what(client)
        finally:
            client.close()

    def read(collection: str) -> list[dict[str, Any]]:
        points, _ = asked(lambda client: client.scroll(collection, limit=10_000, with_vectors=True))
        return [{**point.payload, "vector": point.vector} for point in points]

    def near(collection: str, query: np.ndarray) -> list[str]:
        found = asked(lambda client: client.query_points(collection, query=query.tolist(), limit=10))
        return [point.payload["id"] for point in found.points]

    return Place("qdrant", to, read, near)


def milvus_place(folder: Path) -> Place:
    to = str(folder / "units.db")

    def asked(collection: str, what: Callable[[Any], Any]) -> Any:
        from pymilvus import MilvusClient

        client = MilvusClient(to)
        try:
            client.load_collection(collection)
            return what(client)
        finally:
            client.close()

    def read(collection: str) -> list[dict[str, Any]]:
        fields = [*FIELDS, "vector"]
        found = asked(
            collection,
            lambda client: list(client.query(collection, filter="", limit=9999, output_fields=fields)),
        )
        return [{name: row.get(name) for name in fields} for row in found]

    def near(collection: str, query: np.ndarray) -> list[str]:
        found = asked(
            collection,
            lambda client: client.search(collection, data=[query.tolist()], limit=10, output_fields=["id"]),
        )
        return [hit["entity"]["id"] for hit in found[0]]

    return Place("milvus", to, read, near)


PLACES = {"lance": lance_place, "qdrant": qdrant_place, "milvus": milvus_place}


@pytest.fixture(params=FORMATS)
def place(request, tmp_path) -> Iterator[Place]:
    pytest.importorskip(LIBRARIES[request.param])
    if request.param != "opensearch":
        yield PLACES[request.param](tmp_path)
        return
    with fake_opensearch.serving() as fake:
        yield Place("opensearch", fake.url, lambda name: list(fake.documents[name].values()))


@pytest.fixture
def encoders(word_encoder):
    return {"words": word_encoder}


@pytest.fixture
def index(corpus, tmp_path, encoders):
    with Index.build([corpus], tmp_path / "my.idx", encoders=encoders) as opened:
        yield opened


def ours(index: Index, query: np.ndarray, k: int = 10) -> list[tuple[float, str]]:
    """The exact nearest units of the default granularities."""
    with index.reading() as snapshot:
        found = []
        for level in Exported(index, snapshot, None, None).levels:
            rows, scores = snapshot.vectors("words", level).search(query[None], k, exact=True)
            numbers, ordinals = snapshot.units(level).locate(rows[0][rows[0] >= 0])
            ids = [
                unit_id(index.stored(int(n)), level, int(o)) for n, o in zip(numbers, ordinals, strict=True)
            ]
            found += zip(scores[0].tolist(), ids, strict=False)
    return sorted(found, reverse=True)[:k]


def test_an_engine_has_every_unit_with_its_fields_and_vector(index, place, corpus):
    report = export(index, place.format, place.to)
    units = place.units()
    assert (report.total, report.sent, report.removed) == (len(units), len(units), 0)
    assert {unit["granularity"] for unit in units.values()} == {"paragraph", "function"}
    for identifier, unit in units.items():
        assert unit.keys() - {"vector"} == FIELDS
        hit = index.get(identifier)
        assert (unit["document"], unit["path"], unit["text"]) == (hit.document, hit.path, hit.text)
        assert (unit["start"], unit["end"]) == hit.span
        assert (unit["first_line"], unit["last_line"]) == hit.lines
        assert unit["place"] == hit.place
        assert np.linalg.norm(np.array(unit["vector"], np.float32)) == pytest.approx(1, abs=1e-3)
    assert any(unit["language"] == "python" and unit["kind"] == "code" for unit in units.values())
    assert any(unit["label"] == "retry_with_backoff" for unit in units.values())


def test_it_finds_the_same_neighbours_in_the_same_order(index, place):
    if place.near is None:
        pytest.skip("no engine answers here")
    export(index, place.format, place.to)
    for text in ("roses in winter", "call again after a failure", "moisture of the soil"):
        query = index.encode_queries("words", text)[0]
        expected, found = ours(index, query), place.near("tellapart", query)
        assert found[0] == expected[0][1]
        assert found == [identifier for _, identifier in expected]


def test_a_second_run_sends_what_changed_and_removes_what_is_gone(index, place, corpus):
    first = export(index, place.format, place.to)
    again = export(index, place.format, place.to)
    assert again.total == first.total == len(place.units())
    if place.format != "lance":  # which is written anew
        assert (again.sent, again.removed) == (0, 0)
    (corpus / "notes" / "winter.txt").write_text("Cover the roses with straw.\n")
    (corpus / "src" / "moisture.py").unlink()
    index.update()
    changed = export(index, place.format, place.to)
    units = place.units()
    assert changed.total == len(units)
    assert not [unit for unit in units.values() if "moisture" in unit["document"]]
    assert [unit["text"] for unit in units.values() if unit["document"] == "notes/winter.txt"] == [
        "Cover the roses with straw.\n"
    ]
    if place.format != "lance":
        assert (changed.sent, changed.removed) == (1, 3)


def test_another_granularity_or_collection(index, place):
    if place.format == "lance":
        with pytest.raises(TellapartError, match="leave out the collection"):
            export(index, place.format, place.to, collection="own")
        return
    export(index, place.format, place.to, granularity="sentence", collection="own")
    export(index, place.format, place.to, granularity="file+section", collection="other")
    assert {unit["granularity"] for unit in place.units("own").values()} == {"sentence"}
    assert {unit["granularity"] for unit in place.units("other").values()} == {"file", "section"}


def test_vectors_of_another_encoder_are_not_mixed_in(corpus, tmp_path, encoders, word_encoder, place):
    if place.format == "lance":
        pytest.skip("written anew each time")
    other = type(word_encoder)("others", seed=1)
    with Index.build([corpus], tmp_path / "two.idx", encoders={**encoders, "others": other}) as index:
        export(index, place.format, place.to, encoder="words")
        with pytest.raises(
            TellapartError, match=r"holds vectors of words \(32 dimensions\), not of others"
        ) as refused:
            export(index, place.format, place.to, encoder="others")
    assert "\n" not in str(refused.value)


class Stopped(Exception):
    """Comes in the middle of an export."""


def test_a_run_that_was_stopped_goes_on(index, place, monkeypatch):
    monkeypatch.setattr("tellapart.engine.exported.BATCH_UNITS", 2)
    whole = Exported.batches

    def half(self: Exported) -> Iterator[Any]:
        batches = whole(self)
        yield next(batches)
        yield next(batches)
        raise Stopped

    monkeypatch.setattr(Exported, "batches", half)
    with pytest.raises(Stopped):
        export(index, place.format, place.to)
    monkeypatch.setattr(Exported, "batches", whole)
    report = export(index, place.format, place.to)
    assert report.total == len(place.units())
    if place.format == "lance":
        assert [path.name for path in Path(place.to).parent.iterdir()] == ["units.lance"]
    else:
        assert report.sent == report.total - 4


def test_a_dataset_stays_whole_until_the_new_one_is(index, tmp_path, monkeypatch):
    pytest.importorskip("lance")
    place = lance_place(tmp_path)
    export(index, "lance", place.to)
    before = place.units()
    monkeypatch.setattr(Exported, "batches", lambda self: (_ for _ in ()).throw(Stopped()))
    with pytest.raises(Stopped):
        export(index, "lance", place.to)
    assert place.units() == before


def test_a_link_to_a_dataset_stays_one(index, tmp_path):
    pytest.importorskip("lance")
    place = lance_place(tmp_path)
    link = tmp_path / "link.lance"
    link.parent.joinpath("deep").mkdir()
    link.symlink_to(place.to)
    for _ in range(2):
        report = export(index, "lance", link)
        assert link.is_symlink()
        assert len(place.units()) == report.total


TEXT = st.text(
    alphabet=st.one_of(
        st.sampled_from("'\"\\;-%_$.(){}[]|\0\r\n\t \u2028\ufeff\U0001f600é"),
        st.characters(exclude_categories=["Cs"]),
    ),
    min_size=1,
    max_size=20,
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
RECORD = st.fixed_dictionaries(
    {
        "_id": TEXT,
        "title": TEXT,
        "text": TEXT.filter(str.strip),
        "metadata": st.dictionaries(TEXT, VALUE, max_size=2),
    }
)


def same(kept: object, there: object) -> bool:
    """Whether two JSON values say the same; not-a-number becomes null."""
    return json.dumps(kept, sort_keys=True) == json.dumps(there, sort_keys=True)


@settings(
    max_examples=4,
    deadline=None,
    phases=(
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ),  # an example takes a second: shrinking would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(records=st.lists(RECORD, min_size=3, max_size=12, unique_by=lambda record: record["_id"]))
def test_whatever_stands_in_ids_and_texts_arrives(records, place, tmp_path_factory, encoders):
    folder = tmp_path_factory.mktemp("records")
    (folder / "records.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    with Index.build([folder / "records.jsonl"], folder / "index", encoders=encoders) as index:
        export(index, place.format, place.to, granularity="document")
        units = place.units()
        with index.reading() as snapshot:
            expected = [
                unit
                for batch in Exported(index, snapshot, "document", None).batches()
                for unit in batch.units
            ]
    assert units.keys() == {unit["id"] for unit in expected}
    for unit in expected:
        there = units[unit["id"]]
        assert {name: there[name] for name in FIELDS - {"metadata"}} == {
            name: unit[name] for name in FIELDS - {"metadata"}
        }
        assert same(unit["metadata"], there["metadata"])


@given(TEXT, TEXT)
def test_a_key_stands_for_one_id(one, other):
    assert (key_of(one) == key_of(other)) == (one == other)
    assert len(key_of(one)) == 36


def test_lines_are_those_of_a_search_in_a_long_document(tmp_path, encoders):
    text = "\n\n".join(f"  Paragraph {number}.\nIts second line. And more.\n" for number in range(60))
    (tmp_path / "long.txt").write_text(text)
    with Index.build([tmp_path / "long.txt"], tmp_path / "long.idx", encoders=encoders) as index:
        document = index.stored(1).document
        with index.reading() as snapshot:
            for batch in Exported(index, snapshot, "sentence", None).batches():
                for unit in batch.units:
                    where = place_of(document, unit["start"], unit["end"])
                    assert ((unit["first_line"], unit["last_line"]), unit["place"]) == (
                        where.lines,
                        str(where),
                    )


def test_what_milvus_cannot_hold_is_cut_and_counted(tmp_path, encoders):
    pytest.importorskip("milvus_lite")
    record = {"_id": "1", "text": "é" * 50_000, "metadata": {"note": "x" * 70_000}}
    (tmp_path / "records.jsonl").write_text(json.dumps(record))
    place = milvus_place(tmp_path)
    with Index.build([tmp_path / "records.jsonl"], tmp_path / "index", encoders=encoders) as index:
        assert export(index, "milvus", place.to, granularity="document").shortened == 1
    unit = place.units()["1"]
    assert unit["text"] == "é" * 32_767
    assert unit["metadata"] == {}


def test_units_without_a_vector_are_left_out_and_counted(index, tmp_path, monkeypatch):
    pytest.importorskip("qdrant_client")
    from qdrant_client import QdrantClient

    whole = Exported.batches

    def first_is_zero(self: Exported) -> Iterator[Any]:
        for batch in whole(self):
            batch.vectors[0] = 0
            yield batch

    monkeypatch.setattr(Exported, "batches", first_is_zero)
    client = QdrantClient(":memory:")
    report = export(index, "qdrant", client, granularity="function")
    assert report.left_out == 1
    assert client.count("tellapart").count == report.total == report.sent


def test_points_of_somebody_else_among_ours_stay(index):
    pytest.importorskip("qdrant_client")
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    export(index, "qdrant", client, granularity="paragraph")
    theirs = str(UUID(int=2**128 - 1))
    point = models.PointStruct(id=theirs, vector=[1.0] * 32, payload={"text": "precious"})
    client.upsert("tellapart", [point])
    assert export(index, "qdrant", client, granularity="function").removed > 0
    assert client.retrieve("tellapart", [theirs])[0].payload == {"text": "precious"}


@pytest.fixture
def opensearch() -> Iterator[Any]:
    pytest.importorskip("opensearchpy")
    with fake_opensearch.serving() as fake:
        yield fake


def test_what_opensearch_is_asked(index, opensearch):
    to = opensearch.url.replace("http://", "http://me:secret%21@")
    export(index, "opensearch", to, granularity="function", collection="code")
    assert {authorization for *_, authorization in opensearch.requests} == {"Basic bWU6c2VjcmV0IQ=="}
    definition = opensearch.definitions["code"]
    assert definition["settings"]["index"] == {
        "knn": True,
        "similarity": {
            "prose": {"type": "BM25", "k1": 1.5, "b": 0.75},
            "code": {"type": "BM25", "k1": 1.2, "b": 0.75},
        },
    }
    properties = definition["mappings"]["properties"]
    assert properties["vector"] == {
        "type": "knn_vector",
        "dimension": 32,
        "method": {
            "name": "hnsw",
            "engine": "faiss",
            "space_type": "innerproduct",
            "parameters": {"encoder": {"name": "sq", "parameters": {"type": "fp16"}}},
        },
    }
    assert (
        properties["text"] == properties["context"] == {"type": "text", "index": False, "copy_to": "indexed"}
    )
    assert properties["indexed"]["similarity"] == "prose"
    assert properties["indexed"]["fields"]["code"]["similarity"] == "code"
    assert properties["language"] == {"type": "keyword", "ignore_above": 8191}
    (body,) = opensearch.bulk_requests()
    lines = [json.loads(line) for line in body.decode().removesuffix("\n").split("\n")]
    assert body.endswith(b"\n")
    unit = lines[1]
    assert lines[0] == {"index": {"_id": key_of(unit["id"])}}
    assert unit.keys() == FIELDS | {"vector"}
    assert FIELDS | {"vector", "indexed"} == properties.keys()


def test_what_opensearch_refuses_is_said_in_a_line(index, opensearch, call):
    with index.reading() as snapshot:
        key = next(Exported(index, snapshot, None, None).batches()).keys[0]
    opensearch.refused[key] = "failed to parse field [metadata]\nof type"
    asked = ("export", "--index", index.folder, "--format", "opensearch", "--to", opensearch.url)
    code, _, err = call(*asked)
    assert code == 2
    assert err.splitlines()[-1].endswith(f"refuses unit {key}: failed to parse field [metadata] of type")
    code, _, err = call(*asked, "--collection", "Upper")
    assert code == 2
    assert "must be lowercase" in err
    assert "; mend that and run the command again" in err
    assert err.count("\n") == 1


def test_an_index_of_somebody_else_is_left_alone(index, opensearch):
    opensearch.definitions["tellapart"] = {"mappings": {"properties": {}}}
    opensearch.documents["tellapart"] = {"theirs": {"text": "precious"}}
    with pytest.raises(TellapartError, match="was not made by an export"):
        export(index, "opensearch", opensearch.url)
    assert opensearch.documents["tellapart"] == {"theirs": {"text": "precious"}}


def test_a_collection_or_folder_of_somebody_else_is_left_alone(index, tmp_path):
    pytest.importorskip("lance")
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "file").write_text("mine")
    with pytest.raises(TellapartError, match="no export wrote it"):
        export(index, "lance", folder)
    assert (folder / "file").read_text() == "mine"
    pytest.importorskip("qdrant_client")
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    client.create_collection("tellapart", models.VectorParams(size=32, distance=models.Distance.DOT))
    client.upsert("tellapart", [models.PointStruct(id=1, vector=[0.0] * 32, payload={"text": "precious"})])
    with pytest.raises(TellapartError, match="was not made by an export"):
        export(index, "qdrant", client)
    assert client.count("tellapart").count == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--format", "lance"), "belong together"),
        (("--to", "x"), "belong together"),
        ((), "say where to"),
        (("--output", "o", "--format", "lance", "--to", "x"), "say where to"),
        (("--format", "faiss", "--to", "x"), "choose among lance, qdrant, milvus, opensearch"),
        (("--format", "lance", "--to", "s3://bucket/x"), "is written to a folder"),
        (("--format", "lance", "--to", "x", "--queries", "q.jsonl"), "--queries goes with --output"),
        (("--output", "o", "--collection", "c"), "--collection goes with --format"),
        (("--format", "milvus", "--to", "x"), "ends with .db"),
        (("--format", "milvus", "--to", "absent/x.db"), "check that it is there"),
        (("--format", "opensearch", "--to", "x"), "write https://"),
        (("--format", "opensearch", "--to", "http://me:secret@127.0.0.1:1"), "http://me@127.0.0.1:1"),
        (("--format", "opensearch", "--to", "http://127.0.0.1:1"), "refused); check the address, the"),
        (
            ("--format", "opensearch", "--to", "http://me:secret@127.0.0.1:port"),
            "'http://me...' is no address",
        ),
        (("--format", "qdrant", "--to", "http://127.0.0.1:1"), "Connection refused; check the address, the"),
        (("--format", "qdrant", "--to", "http://me:/secret@127.0.0.1:1"), "'http://me...' is no address"),
        (("--format", "qdrant", "--to", "http://me:secret@["), "special characters of a password as %40"),
        (("--format", "qdrant", "--to", "localhost:6333"), "write http://localhost:6333"),
        (
            ("--format", "milvus", "--to", "http://127.0.0.1:1"),
            "server unavailable)>; check the address, the",
        ),
        (("--format", "qdrant", "--to", "http://["), "is no address"),
        (("--format", "lance", "--to", "x", "--encoder", "nomic"), "no vectors of encoder 'nomic'"),
    ],
)
def test_mistakes_are_one_line(index, call, asked, said, tmp_path, monkeypatch):
    for library in LIBRARIES.values():
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    code, out, err = call("export", "--index", index.folder, *asked)
    assert (code, out) == (2, "")
    assert said in err
    assert "secret" not in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("format", FORMATS)
def test_a_missing_library_names_its_extra(index, format, monkeypatch, tmp_path):
    for module in ("lance", "qdrant_client", "pymilvus", "opensearchpy"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(TellapartError, match=rf"pip install 'tellapart\[{format}\]'"):
        export(index, format, str(tmp_path / "x.db"))


def test_the_verb_says_what_it_did(index, call, tmp_path):
    pytest.importorskip("lance")
    asked = ("export", "--index", index.folder, "--format", "lance", "--to", tmp_path / "u.lance")
    code, out, err = call(*asked)
    assert (code, out) == (0, "")
    assert "units, " in err
    assert "new or changed" not in call(*asked)[2]  # nothing is: the folder is written anew
    code, out, _ = call(*asked, "--json")
    said = json.loads(out)
    assert code == 0
    assert said["total"] == said["sent"] > 5
    code, out, _ = call(
        "export", "--index", index.folder, "--output", tmp_path / "o", "--granularity", "file", "--json"
    )
    assert json.loads(out) == {"schema": 1, "to": str(tmp_path / "o"), "total": 2}
