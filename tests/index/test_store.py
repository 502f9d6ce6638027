from __future__ import annotations

from dataclasses import replace

from tellapart.corpus.document import Document, Granularity, Kind
from tellapart.corpus.units import split
from tellapart.index.store import Store, digest_of


def test_places_and_blocks_come_back(tmp_path):
    page = Document("a.pdf", "One.\n\nTwo.", Kind.PROSE, path="a.pdf", places={"page": ((0, 1), (6, 2))})
    code = Document("a.py", "import os\n\n\ndef f():\n    pass\n", Kind.CODE, path="a.py")
    store = Store.create(tmp_path)
    with store.transaction():
        for document in (page, code):
            store.add_document("source", document, digest_of(document), split(document))
    kept = store.document("a.pdf")
    assert kept.document == page
    tree = store.document("a.py").tree
    assert [tree.name_of(Granularity.FUNCTION, i) for i in (0, 1)] == ["block", "function"]
    store.close()


def test_another_place_is_another_version():
    one = Document("a", "text", Kind.PROSE, places={"line": ((0, 1),)})
    assert digest_of(one) != digest_of(replace(one, places={"line": ((0, 2),)}))
