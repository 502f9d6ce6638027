"""A gallery in a database answers as the one in its folder, and only that one changes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from tests.identities.crowds import phrases

from tellapart import Gallery, TellapartError
from tellapart.identities.published import publish_gallery, remove_gallery
from tellapart.index.postgres.address import Address

pytestmark = pytest.mark.slow


@pytest.fixture
def word_encoder(word_encoder):
    """In so many dimensions that texts without a common word are far apart."""
    return type(word_encoder)(dim=256)


@pytest.fixture(autouse=True)
def by_name(word_encoder, monkeypatch):
    """Let galleries find the encoder without weights by its name."""
    monkeypatch.setattr("tellapart.identities.opening.load_encoder", lambda name, **_: word_encoder)


@pytest.fixture
def people(tmp_path):
    with Gallery.open(tmp_path / "people.gal", encoder="words") as opened:
        for person in range(12):
            opened.enrol(f"person {person}", phrases(person, 3))
        yield opened


def answers(gallery):
    """Whom it names, how surely, and what it says of pairs and claims."""
    asked = [phrases(3, 1, seed=9)[0], phrases(77, 1, seed=9)[0]]
    found = gallery.identify(asked, fpir=0.2)
    return (
        [each.to_dict() for each in found],
        gallery.verify(*phrases(4, 2, seed=5), far=0.1).to_dict(),
        gallery.verify_claim(asked[0], "person 3", far=0.1).to_dict(),
        gallery.identities(),
        gallery.duplicates(far=0.1),
    )


def names_of(gallery):
    return {each.name for each in gallery.identities()}


def test_it_answers_as_in_its_folder(people, address):
    assert (
        publish_gallery(people.store.folder, address)[0] == "people"
    )  # while it is open, with a log of SQLite's
    log = people.log()
    with Gallery.open(address) as there:
        assert answers(there) == answers(people)
        assert there.log() == log, "what is asked of it is not in the log"
        for change in (
            lambda: there.enrol("somebody", phrases(50, 2)),
            lambda: there.delete("person 3"),
            lambda: there.rename("person 3", "nobody"),
            lambda: there.identify(phrases(3, 1, seed=9), fpir=0.2, grow=True),
        ):
            with pytest.raises(
                TellapartError, match="only asked: change the gallery in its folder, and publish it again"
            ):
                change()
        assert len(there.identities()) == 12


def test_what_changed_is_sent_and_what_was_deleted_is_gone(people, address, administrator, monkeypatch):
    monkeypatch.setattr("tellapart.identities.published.PART", 8192)
    _, first = publish_gallery(people.store.folder, address)
    assert publish_gallery(people.store.folder, address)[1] == 0
    with Gallery.open(address) as before:
        people.rename("person 11", "Ada")
        people.delete("person 3")
        _, sent = publish_gallery(people.store.folder, address)
        assert 0 < sent < first
        assert before.store.outdated()
        assert "person 3" in {each.name for each in before.identities()}, "it is as it was when it was opened"
    with Gallery.open(address) as now:
        assert names_of(now) == names_of(people)
    schema = Address.needed(address).schema
    (kept,) = administrator.execute(
        f"SELECT string_agg(data, '' ORDER BY position) FROM {schema}.gallery_parts"
    ).fetchone()
    assert b'"person 3"' not in kept


def test_several_galleries_and_none(people, address, tmp_path):
    with pytest.raises(TellapartError, match=r"no gallery is published .*it has none"):
        Gallery.open(address)
    publish_gallery(people.store.folder, address)
    publish_gallery(people.store.folder, address, "o'; --\0")
    with pytest.raises(TellapartError, match="several galleries: add gallery=NAME"):
        Gallery.open(address)
    with pytest.raises(TellapartError, match=r"no gallery absent in .*people"):
        Gallery.open(f"{address}&gallery=absent")
    with Gallery.open(f"{address}&gallery=people") as there:
        assert names_of(there) == names_of(people)
    remove_gallery("o'; --\0", address)
    with pytest.raises(TellapartError, match="it has people"):
        remove_gallery("absent", address)
    Gallery.open(address).close()
    with pytest.raises(TellapartError, match="no gallery in"):
        publish_gallery(tmp_path, address)


def test_a_sealed_one_stays_sealed(address, tmp_path, administrator):
    pytest.importorskip("cryptography")
    with Gallery.open(tmp_path / "secret.gal", encoder="words", passphrase="secret") as sealed:
        sealed.enrol("Ada Lovelace", phrases(1, 2))
    publish_gallery(tmp_path / "secret.gal", address)
    with pytest.raises(TellapartError, match="is encrypted: set TELLAPART_GALLERY_KEY"):
        Gallery.open(address)
    with Gallery.open(address, passphrase="secret") as there:
        assert names_of(there) == {"Ada Lovelace"}
    schema = Address.needed(address).schema
    rows = administrator.execute(f"SELECT data FROM {schema}.gallery_parts").fetchall()
    assert not any(b"Lovelace" in row[0] for row in rows)


KILLED = """
import os, sys
import psycopg
from tellapart.identities import published
def dying(cursor, statement, rows):
    for number, row in enumerate(rows):
        if number == int(sys.argv[3]):
            os.kill(os.getpid(), 9)
        cursor.execute(statement, row)
psycopg.Cursor.executemany = dying
published.PART = 4096
published.publish_gallery(sys.argv[1], sys.argv[2])
"""


def test_a_killed_publisher_leaves_the_one_before(people, address):
    publish_gallery(people.store.folder, address)
    names = names_of(people)
    for person in range(12, 16):
        people.enrol(f"person {person}", phrases(person, 3))
    for moment in (0, 2):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(people.store.folder), address, str(moment)],
            env=os.environ,
            capture_output=True,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        with Gallery.open(address) as there:
            assert names_of(there) == names
    publish_gallery(people.store.folder, address)
    with Gallery.open(address) as there:
        assert names_of(there) == names_of(people)


def test_the_verbs(people, index, address, call, tmp_path):
    folder, asked = people.store.folder, tmp_path / "asked.txt"
    asked.write_text(phrases(3, 1, seed=9)[0])
    code, _, err = call("publish", "--index", index.folder, "--to", address, "--gallery", folder)
    assert code == 0, err
    assert "gallery people" in err
    code, _, err = call("search", "roses", "--index", address)
    assert code == 0, err
    for verb in (
        ("identify", asked, "--fpir", "0.2", "--json"),
        ("verify", asked, "--as", "person 3", "--far", "0.1", "--json"),
        ("list", "--json"),
    ):
        found = [call("identity", *verb, "--gallery", place) for place in (folder, address)]
        assert found[0][:2] == found[1][:2], found[1][2]
        assert found[0][0] == 0
    code, _, err = call("identity", "enrol", "ada", asked, "--gallery", address)
    assert code == 2
    assert "only asked" in err
    assert err.count("\n") == 1
    code, _, err = call("publish", "--to", address, "--remove-gallery", "people")
    assert code == 0, err
    assert call("identity", "list", "--gallery", address)[0] == 2


def test_a_gallery_alone_takes_no_index_along(people, corpus, address, call, monkeypatch):
    assert call("index", corpus, "--encoder", "none")[0] == 0
    monkeypatch.chdir(corpus)
    code, _, err = call("publish", "--gallery", people.store.folder, "--to", address)
    assert code == 0, err
    assert call("identity", "list", "--gallery", address)[0] == 0
    assert "no index is published" in call("search", "roses", "--index", address)[2]


def test_http(people, index, address):
    pytest.importorskip("fastapi")
    from fastapi.testclient import TestClient

    from tellapart.serving.http_guard import LOOPBACK, Limits
    from tellapart.serving.http_server import ServeSettings, make_app

    publish_gallery(people.store.folder, address)
    settings = ServeSettings(
        {"here": str(index.folder)},
        LOOPBACK,
        None,
        Limits(),
        {"people": str(people.store.folder), "there": str(Address.packed(address))},
    )
    body = {"items": [{"text": phrases(3, 1, seed=9)[0]}], "fpir": 0.2}
    with TestClient(make_app(settings), base_url="http://127.0.0.1:8765") as client:

        def asked(gallery):
            answer = client.post("/v1/identify", json={**body, "gallery": gallery})
            assert answer.status_code == 200, answer.text
            return json.dumps(answer.json()["found"])

        assert asked("there") == asked("people")
        refused = client.post(
            "/v1/identities", json={"name": "x", "gallery": "there", "items": body["items"]}
        )
        assert refused.status_code == 400, refused.text
        people.rename("person 3", "Ada")
        publish_gallery(people.store.folder, address)
        assert "Ada" in asked("there"), "what is published since is there for the next call"
