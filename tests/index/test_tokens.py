import time
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.corpus.document import Kind
from tellapart.index.lexical import Analyser, analyse_query
from tellapart.index.lexical import tokens as tokens_module
from tellapart.index.lexical.characters import MAX_WORD
from tellapart.index.lexical.tokens import STOP_WORDS


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The Retries are HANDLED", ["retri", "handl"]),
        ("don't we'll it's the dog's", ["dont", "well", "dog"]),
        ("don’t", ["dont"]),
        ("l'amour O'Neil's", ["l'amour", "l", "amour", "o'neil", "o", "neil"]),
        ("'quoted' rock 'n' roll", ["quot", "rock", "n", "roll"]),
        ("rock'n'roll İstanbul'da", ["rock'n'roll", "rock", "n", "roll", "i̇stanbul'da", "i̇stanbul", "da"]),
        ("O‘Neil O´Neil Hawaiʻi", ["o'neil", "o", "neil"] * 2 + ["hawai'i", "hawai", "i"]),
        ('צה״ל צה"ל', ["צה'ל", "צה", "ל"] * 2),
        ("state-of-the-art T-cell", ["state", "art", "t", "cell"]),
        ("C++ and C# or F#, 1+1, a#b x+y issue#", ["c++", "c#", "f#", "1", "1", "b", "x", "y", "issu"]),
        ("snake_case in prose", ["snake", "case", "prose"]),
        ("我爱北京", ["我爱", "爱北", "北京"]),
        ("東 A株", ["東", "株"]),
        ("カタカナ 한국어", ["カタ", "タカ", "カナ", "한국", "국어"]),
        ("hot👍🏽 🎉🎉 €5", ["hot", "👍", "🎉", "🎉", "€", "5"]),
        ("Ｈｅｌｌｏ ﬁnd x²", ["hello", "find", "x2"]),
        ("Straße STRASSE", ["strass", "strass"]),
        ("soft\u00adhyphen zero\u200bwidth", ["softhyphen", "zero", "width"]),
        ("हिन्दी", ["हिन्दी"]),
        ("", []),
        (" \n\t ... --- ", []),
        ("\u0301 \ufe0f \u200d", []),
        ("lone \ud800 surrogate", ["lone", "surrog"]),
    ],
)
def test_prose(text: str, terms: list[str]) -> None:
    assert analyse_query(text, Kind.PROSE) == terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("parse_json", ["parsejson", "pars", "json"]),
        ("parseJson", ["parsejson", "pars", "json"]),
        ("__init__", ["init"]),
        ("userIDs", ["userid", "user", "id"]),
        ("utf8", ["utf8", "utf", "8"]),
        ("0xFF 1e6 3.14", ["0xff", "1e6", "3", "14"]),
        ("größeMax", ["grössemax", "grösse", "max"]),
        ("a->b(x++)", ["->", "b", "x", "++"]),
        (
            "def find_the_end(self): # Write a function",
            ["def", "findtheend", "find", "end", "self", "write", "function"],
        ),
        ("is not", ["is", "not"]),
        ("if", ["if"]),
        ("the 'café''s'", ["café", "s"]),
        ("___", []),
        ("# 重试 logic 🎉", ["重试", "logic", "🎉"]),
    ],
)
def test_code(text: str, terms: list[str]) -> None:
    assert analyse_query(text, Kind.CODE) == terms


def test_decomposed_text_finds_composed() -> None:
    for word in ("école", "한국어", "ガラス"):
        assert analyse_query(unicodedata.normalize("NFD", word), Kind.PROSE) == analyse_query(
            word, Kind.PROSE
        )


def test_code_keeps_stop_words_when_indexed() -> None:
    assert Analyser().tokens("if x is not None", Kind.CODE).terms == ["if", "x", "is", "not", "none"]


def test_there_are_33_stop_words() -> None:
    assert len(STOP_WORDS) == 33


def test_starts_point_at_the_words() -> None:
    text = "½ Naïve e\u0301cole 我爱北京 ends parseJson"
    tokens = Analyser().tokens(text, Kind.CODE)
    starts = dict(zip(tokens.terms, tokens.starts.tolist(), strict=True))
    assert text[starts["end"] :].startswith("ends")
    assert text[starts["北京"] :].startswith("北京")
    assert text[starts["école"] :].startswith("e\u0301cole")
    assert starts["json"] == starts["pars"] == text.index("parseJson")


TEXTS = st.text(
    st.one_of(
        st.characters(codec="utf-8"), st.sampled_from(" \n'’+#_-.aAbBzZ09éß我爱か한👍\u0301\u00ad\u200d½ﬁ")
    ),
    max_size=60,
)


@given(TEXTS, st.sampled_from(Kind))
def test_any_text_is_analysed(text: str, kind: Kind) -> None:
    tokens = Analyser().tokens(text, kind)
    assert len(tokens.terms) == len(tokens.starts)
    assert all(tokens.terms)
    assert (np.diff(tokens.starts) >= 0).all()
    assert ((tokens.starts >= 0) & (tokens.starts < max(len(text), 1))).all()
    assert not any(character.isspace() for term in tokens.terms for character in term)


@given(st.lists(TEXTS, max_size=6), st.sampled_from(Kind))
def test_joined_texts_give_the_terms_of_each(texts: list[str], kind: Kind) -> None:
    apart = [term for text in texts for term in Analyser().tokens(text, kind).terms]
    assert Analyser().tokens("\n".join(texts), kind).terms == apart


@given(TEXTS)
def test_ascii_and_unicode_paths_agree(text: str) -> None:
    text = text.encode("ascii", "ignore").decode()
    for kind in Kind:
        assert Analyser().tokens(text + " é", kind).terms == [*Analyser().tokens(text, kind).terms, "é"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["word", "don't", "C++", "parse_json", "我爱", " ", "\n", "."]), max_size=60))
def test_blocks_change_nothing_where_there_are_gaps(pieces: list[str]) -> None:
    text = " ".join(pieces)
    before = tokens_module.BLOCK
    whole = {kind: Analyser().tokens(text, kind) for kind in Kind}
    tokens_module.BLOCK = 20
    try:
        for kind, expected in whole.items():
            found = Analyser().tokens(text, kind)
            assert found.terms == expected.terms
            assert found.starts.tolist() == expected.starts.tolist()
    finally:
        tokens_module.BLOCK = before


def test_an_endless_word_is_cut() -> None:
    started = time.perf_counter()
    terms = analyse_query("x" * 1_000_000 + " end", Kind.PROSE)
    assert terms == ["x" * MAX_WORD, "end"]
    assert time.perf_counter() - started < 5


def test_a_query_of_the_same_endless_word_matches() -> None:
    word = "abc123" * 50
    assert analyse_query(word, Kind.PROSE) == [word[:MAX_WORD]]


@pytest.mark.slow
def test_fifty_megabytes_in_one_line() -> None:
    started = time.perf_counter()
    tokens = Analyser().token_ids("some words and more; " * 2_500_000, Kind.PROSE)
    assert len(tokens.ids) == 3 * 2_500_000
    assert time.perf_counter() - started < 60


@pytest.mark.parametrize(
    ("query", "rest"),
    [
        ("how do I roll back an encoder", ["roll", "back", "encod"]),
        ("What is the lift of a wing? Why does it fall?", ["lift", "wing", "fall"]),
        ("Can we rotate keys", ["rotat", "kei"]),
        ("where clause", ["where", "claus"]),
        ("do while loop", ["do", "while", "loop"]),
        ("who is who", ["who"]),
        ("how to", ["how"]),
        ("teach me how", ["teach", "me", "how"]),
    ],
)
def test_the_beginning_of_a_question_is_left_out_and_nothing_else(query, rest):
    assert analyse_query(query, Kind.PROSE) == rest
