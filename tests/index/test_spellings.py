"""Words of all languages are found, however they are typed; exact matches first; English stays as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tellapart.corpus.document import LEVELS, ContainmentTree, Document, Kind, Level
from tellapart.corpus.language import FUNCTION_WORDS
from tellapart.engine import Index
from tellapart.index.lexical import Bm25, LexicalSegment, LexicalWriter, analyse_query, merge
from tellapart.index.lexical.tokens import Analyser
from tellapart.index.lexical.variants import without_function_words


def indexed(folder: Path, texts: list[str], kind: Kind = Kind.PROSE) -> Bm25:
    level = LEVELS[kind][-1]
    writer = LexicalWriter((level,))
    for number, text in enumerate(texts):
        tree = ContainmentTree(len(text), kind, {level: Level(np.zeros(1, np.int32), ("",))})
        writer.add(Document(str(number), text, kind), tree)
    writer.write(folder, [level])
    return Bm25([LexicalSegment.open(folder)], level)


def found(bm25: Bm25, query: str, kind: Kind = Kind.PROSE) -> list[int]:
    rows, _ = bm25.top(analyse_query(query, kind), 10, k1=1.2, b=0.75)
    return rows.tolist()


CJK = ["北京大学位于海淀区,交通方便。", "東京都は日本の首都です。", "ค้นหาข้อความภาษาไทยยากมาก"]
CJK += ["서울은 한국의 수도이다", "下海"]
HITS = [("海", [4, 0]), ("区", [0]), ("京", [0, 1]), ("海淀", [0]), ("海淀区", [0]), ("首都", [1])]
HITS += [("ค", [2]), ("수", [3]), ("猫", [])]


@pytest.mark.parametrize(("query", "rows"), HITS)
def test_single_characters_and_pairs(tmp_path, query, rows):
    assert sorted(found(indexed(tmp_path / "s", CJK), query)) == sorted(rows)


PAIRS = [
    ("cafe", "Le café crème."), ("Orleans", "à Orléans"), ("resumes", "deux résumés"), ("lodz", "Łódź leży"),
    ("grosser", "etwas größer"), ("groesser", "etwas größer"), ("Strasse", "die Straße"),
    ("Istanbul", "İstanbul şehri"),
    ("ilik", "ılık bir gün"), ("smorrebrod", "et smørrebrød"), ("κειμενου", "ΚΕΙΜΈΝΟΥ"), ("σωστος", "είναι σωστός"),
    ("العربية", "العَرَبِيَّة لغة"), ("שלום", "שָׁלוֹם"), ("Viet", "tiếng Việt"), ("ежик", "ёжик"), ("कोष", "कोष"),
    ("میخواهم", "من می‌خواهم"), ("خواهم", "من می‌خواهم"), ("كتاب", "کتاب‌های"), ("office", "the ofﬁce"),
    ("10000", "some 10,000 people"), ("10,000", "some 10000 people"), ("1234567", "1,234,567"),
    ("25000", "rund 25.000 Leute"), ("25000", "environ 25 000 personnes"), ("25.000", "some 25,000 people"),
    ("25000", "25\u00a0000"), ("25,000", "25\u202f000"), ("25 000", "some 25000"), ("25000", "Fr. 25'000"),
    ("1500000", "1 500 000 ou plus"), ("1.500.000", "1\u2009500\u2009000"), ("150000", "Rs. 1,50,000"),
    ("obrien", "Mr O'Brien said"), ("O'Brien", "Mr Obrien said"), ("O’Brien", "OBRIEN"), ("oreilly", "O'Reilly's"),
    ("quran", "the Qur'an"), ("brien", "O'Brien"), ("rocknroll", "rock'n'roll"), ("roll", "rock’n’roll"),
    ("cersenbe", "çərşənbə günü"), ("carsanba", "Çərşənbə günü"),
    ("istanbul", "İstanbul'da"), ("été", "l’été"), ("lete", "l'été"), ("hawaii", "Hawaiʻi"), ("обєкт", "об'єкт"),
    ("צהל", "צה״ל"), ("Aalborg", "Ålborg by"), ("smoerrebroed", "smørrebrød"), ("Djordje", "Đorđe"),
    ("colleccio", "col·lecció"), ("αρχη", "ἐν ἀρχῇ"), ("red", "a \x1b[31mred\x1b[0m line"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "written"), PAIRS)
def test_another_spelling_is_found_both_ways(tmp_path, typed, written):
    texts = [written, "something else altogether", f"with {typed} in it"]
    assert set(found(indexed(tmp_path / "a", [written, "something else"]), typed)) == {0}
    both = found(indexed(tmp_path / "b", texts), typed)
    assert 0 in both
    assert 2 in both


@pytest.mark.parametrize("query", ["café", "cafe"])
def test_what_was_typed_comes_first(tmp_path, query):
    texts = ["a long text in which the one word is café among many others", "the cafe"]
    texts += ["a long text in which the one word is cafe among many others", "the café"]
    ranked = [texts[row] for row in found(indexed(tmp_path / "s", texts), query)]
    assert len(ranked) == 4
    assert [query in text for text in ranked] == [True, True, False, False]


GERMAN = "Die Häuser in der Stadt sind alt und die Straßen sind eng."
SPANISH = "Estamos hablando de los libros que no se han leído en la escuela."
RUSSIAN = "Мы читали интересные книги и они были очень большие."


@pytest.mark.parametrize(
    ("language", "texts", "query"),
    [
        ("german", [GERMAN, "Der Hund ist nicht mit dem Auto gekommen."], "Hauses"),
        ("spanish", [SPANISH, "El perro y el gato son de la casa."], "habló"),
        ("russian", [RUSSIAN, "Собака не была на улице, как и кошка."], "книгами"),
    ],
)
def test_stems_of_other_languages(tmp_path, language, texts, query):
    bm25 = indexed(tmp_path / "s", [f"{text} {text}" for text in texts])
    assert LexicalSegment.open(tmp_path / "s").languages == (language,)
    assert found(bm25, query) == [0]


def test_merging_keeps_the_spellings(tmp_path):
    indexed(tmp_path / "a", ["Le café"])
    indexed(tmp_path / "b", [f"{GERMAN} Das ist nicht so."])
    parts = [LexicalSegment.open(tmp_path / name) for name in "ab"]
    merge(parts, [None, None], tmp_path / "m")
    bm25 = Bm25([LexicalSegment.open(tmp_path / "m")], LEVELS[Kind.PROSE][-1])
    assert found(bm25, "cafe") == [0]
    assert found(bm25, "Hauses") == [1]


SIGNS = "== != -> :: && => << >> // ** += || ?? ... === .. -- ++ |> <=>".split()  # noqa: SIM905


@pytest.mark.parametrize("operator", SIGNS)
def test_operators_of_code(tmp_path, operator):
    texts = [f"a {operator} b", "a + b", "f(a, b)", "see http://x.y/../z, c++ and --flag..."]
    assert found(indexed(tmp_path / "s", texts, Kind.CODE), operator, Kind.CODE) == [0]


def test_operators_of_three_characters_are_found_by_two_and_come_first(tmp_path):
    texts = ["a == b", "a === b", "a + b"]
    bm25 = indexed(tmp_path / "s", texts, Kind.CODE)
    assert found(bm25, "===", Kind.CODE) == [1, 0]
    assert sorted(found(bm25, "==", Kind.CODE)) == [0, 1]


def test_numbers_in_code(tmp_path):
    texts = ["limit = 25000", "limit = 25_000", "# at most 25,000 of them", "x = 25"]
    bm25 = indexed(tmp_path / "s", texts, Kind.CODE)
    for query in ("25000", "25,000", "25_000"):
        assert set(found(bm25, query, Kind.CODE)) >= {0, 1, 2}


def test_extra_terms_do_not_make_a_unit_longer(tmp_path):
    plain = indexed(tmp_path / "a", ["return a b", "x y"], Kind.CODE)
    signs = indexed(tmp_path / "b", ["return a == b", "x != y"], Kind.CODE)
    assert plain.average_length == signs.average_length
    assert indexed(tmp_path / "c", ["some 10,000 people"]).average_length == 4


def test_places_of_extra_terms():
    text = "so 10,000 or 1,234,567 not 1,23 nor 1234,567 nor 1,2345 nor 0,125"
    text += " nor a table 100 200 300 400 500 600 700 800 nor 2010 500 here"
    tokens = Analyser().tokens(text, Kind.PROSE)
    extra = [
        (term, int(start)) for term, start in zip(tokens.terms, tokens.starts, strict=True) if "," in term
    ]
    assert extra == [("10,000", 3), ("1,234,567", 13)]
    assert (np.diff(tokens.starts) >= 0).all()


ROSES = "Die Rosen werden im März geschnitten, und danach ist es für die Blumen wichtig, dass sie Wasser bekommen. "


def test_a_query_in_the_language_of_the_documents_loses_its_function_words():
    asked = "Wie werden die Rosen geschnitten?"
    assert without_function_words(asked, ()) == asked
    assert without_function_words(asked, ("german",)) == "Rosen geschnitten?"
    assert without_function_words("war crimes in Bosnia", ("german",)) == "war crimes in Bosnia"
    assert without_function_words("wie werden die", ("german",)) == "wie werden die"
    assert (
        without_function_words("Ποια είναι η πρωτεύουσα της Ελλάδας;", ("greek",))
        == "Ποια πρωτεύουσα Ελλάδας;"
    )
    assert without_function_words("comment tailler les rosiers dans le jardin", ("french", "german")) == (
        "tailler rosiers jardin"
        if "comment" in FUNCTION_WORDS["french"]
        else "comment tailler rosiers jardin"
    )


def test_a_text_that_shares_only_function_words_with_the_query_is_not_found(tmp_path):
    (tmp_path / "docs").mkdir()
    for number in range(12):
        (tmp_path / "docs" / f"{number}.md").write_text(ROSES * 2 + f"Nummer {number}.\n")
    (tmp_path / "docs" / "other.md").write_text(
        "Wie werden die Maschinen geprüft, und wer ist für sie da?\n" * 3
    )
    index = Index.build(tmp_path / "docs", tmp_path / "my.idx", encoders=())
    found = index.search("Wie werden die Rosen geschnitten?", k=20, granularity="document")
    assert len(found) == 12
    assert "other.md" not in {hit.document for hit in found}
    index.close()


def test_every_language_of_the_stemmer_has_function_words():
    import Stemmer

    variants = {"porter", "dutch_porter"}
    assert set(Stemmer.algorithms()) - variants <= set(FUNCTION_WORDS)
