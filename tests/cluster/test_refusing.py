"""What cannot become a dataset is refused before anything is written; no cluster is needed for that."""

from __future__ import annotations

import socket

import pytest

from tellapart.cluster import build_dataset
from tellapart.cluster.dataset import Documents, LastRun, Recipe
from tellapart.cluster.ray import check_answers
from tellapart.corpus.document import Kind
from tellapart.corpus.sources import ScanOptions
from tellapart.errors import TellapartError

pytest.importorskip("lance", reason="needs Lance: pip install 'tellapart[cluster]'")


@pytest.fixture
def begun(corpus, tmp_path):
    """A dataset that a run has begun, of words only."""
    place = str(tmp_path / "my.lance")
    Documents.create(place, LastRun(Recipe(), (str(corpus),), (), None), rebuild=False)
    return place


def test_a_folder_of_other_files_is_no_place_for_a_dataset(corpus):
    before = sorted(corpus.rglob("*"))
    with pytest.raises(TellapartError, match="holds other files: name a folder of its own"):
        build_dataset([str(corpus)], str(corpus), encoders=())
    file = next(path for path in before if path.is_file())
    with pytest.raises(TellapartError, match="is a file: name a folder of its own"):
        build_dataset([str(corpus)], str(file), encoders=())
    assert sorted(corpus.rglob("*")) == before


@pytest.mark.parametrize("rebuild", [False, True])
def test_sources_that_are_not_there_change_nothing(begun, rebuild):
    told, version = (
        LastRun.of(begun),
        Documents.create(begun, LastRun.of(begun), rebuild=False).dataset.version,
    )
    with pytest.raises(TellapartError, match="no such file or folder"):
        build_dataset(["absent"], begun, encoders=(), rebuild=rebuild)
    assert LastRun.of(begun) == told
    assert Documents.create(begun, told, rebuild=False).dataset.version == version


def test_sources_that_are_not_there_leave_no_dataset(tmp_path):
    with pytest.raises(TellapartError, match="no such file or folder"):
        build_dataset(["absent"], str(tmp_path / "new.lance"), encoders=())
    assert not (tmp_path / "new.lance").exists()


def test_other_settings_are_refused(corpus, begun):
    with pytest.raises(TellapartError, match="no encoder, not with minilm"):
        build_dataset([str(corpus)], begun, encoders=["minilm"])
    with pytest.raises(TellapartError, match="kind not given, not code"):
        build_dataset([str(corpus)], begun, encoders=(), options=ScanOptions(kind=Kind.CODE))


@pytest.mark.parametrize("address", ["ray://127.0.0.1:1", "127.0.0.1:1", "[::1]:1", "127.0.0.1:99999"])
def test_a_cluster_that_does_not_answer_is_named_at_once(address):
    with pytest.raises(TellapartError, match="cannot connect") as error:
        check_answers(address)
    assert address in str(error.value)


def test_a_cluster_that_listens_is_asked():
    with socket.create_server(("127.0.0.1", 0)) as head:
        check_answers(f"ray://127.0.0.1:{head.getsockname()[1]}")
    check_answers("local")
    check_answers("auto")
