"""A dataset's versions stay as long as somebody may be reading them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tellapart.cluster import dataset
from tellapart.cluster.dataset import CompleteDocuments, Documents, LastRun, Recipe, write_rows

pytest.importorskip("lance", reason="needs Lance: pip install 'tellapart[cluster]'")


def finished(place, name):
    """Begin anew, as `--rebuild` does, and finish with one document."""
    recipe = Recipe()
    made = Documents.create(place, LastRun(recipe, (), (), None), rebuild=True)
    made.commit(write_rows([{"source": "a.txt", "id": name, "text": name, "digest": b"0"}], recipe, place))
    made.complete()


def test_a_rebuild_leaves_the_version_that_is_being_read(tmp_path, monkeypatch):
    """However long ago that version was made."""
    place, began = str(tmp_path / "my.lance"), dataset.time.time()
    finished(place, "first")
    reading = CompleteDocuments.open(place)
    monkeypatch.setattr(dataset, "KEPT_VERSIONS", timedelta(seconds=0))  # as if they were days old by now
    monkeypatch.setattr(dataset.time, "time", lambda: began)
    finished(place, "second")
    assert reading.take([0], ["id", "text"]) == [{"id": "first", "text": "first"}]
    assert CompleteDocuments.open(place).take([0], ["id"]) == [{"id": "second"}]
    monkeypatch.setattr(dataset.time, "time", lambda: began + 2)
    finished(place, "third")
    versions = {each["version"] for each in CompleteDocuments.open(place).dataset.versions()}
    assert reading.dataset.version not in versions, "nobody reads it any more"
    assert CompleteDocuments.open(place).take([0], ["id"]) == [{"id": "third"}]
