"""Any encoding becomes text, nothing raises, binary content is recognised."""

import codecs
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.corpus.decode import decode, is_binary

JAPANESE = "検索エンジンは文書の中から必要な情報を見つけます。これは試験のための短い文章です。"
CHINESE = "搜索引擎在大量的文档中找到我们需要的信息。这是一个用来测试的短文,不是很长。"
TRADITIONAL = "搜尋引擎在大量的文件中找到我們需要的資訊。這是一個用來測試的短文,不是很長。"
KOREAN = "검색 엔진은 많은 문서에서 필요한 정보를 찾는다. 이것은 시험을 위한 짧은 글이다."
RUSSIAN = "Поисковая система находит нужные сведения в большом собрании документов."
FRENCH = "L’été dernier, les élèves ont étudié où se trouve l’œuvre – ça a coûté 5 €."
GERMAN = "Größe und Übermaß: die Straße führt über Brücken, schön für alle Gäste."
POLISH = "Zażółć gęślą jaźń; wyszukiwarka znajduje potrzebne informacje w dużych zbiorach, później też."
GREEK = "Η μηχανή αναζήτησης βρίσκει τις πληροφορίες που χρειαζόμαστε μέσα στα έγγραφα."

OLD = [
    (JAPANESE, "shift_jis"),
    (JAPANESE, "euc_jp"),
    (JAPANESE, "iso2022_jp"),
    (CHINESE, "gb18030"),
    (CHINESE, "gbk"),
    (TRADITIONAL, "big5"),
    (KOREAN, "euc_kr"),
    (RUSSIAN, "cp1251"),
    (RUSSIAN, "koi8_r"),
    (FRENCH, "cp1252"),
    (GERMAN, "latin-1"),
    (GERMAN, "cp1252"),
    (POLISH, "cp1250"),
    (GREEK, "cp1253"),
]


@pytest.mark.parametrize(("text", "encoding"), OLD)
def test_old_encodings_are_told_apart(text, encoding):
    assert decode(text.encode(encoding)).text == text
    code = f"# {text}\r\ndef f():\r\n    return 1\r\n" * 3
    assert decode(code.encode(encoding)).text == code


@pytest.mark.parametrize("late", [0, 300_000])
def test_a_late_comment_still_decides(late):
    text = "x = 1\n" * late + f"# {JAPANESE}\n"
    assert decode(text.encode("shift_jis")).text == text


def test_one_accent_in_ascii_is_western():
    assert decode(b"caf\xe9").text == "café"
    assert decode(b"na\xefve r\xe9sum\xe9").text == "naïve résumé"
    assert decode(b"\x81\x8d").encoding == "latin-1" or decode(b"\x81\x8d").text


@pytest.mark.parametrize("text", [FRENCH, CHINESE, "emoji 😀 \r\n and \r line ends\n", ""])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_byte_order_marks(text, mark, encoding):
    content = mark + text.encode(encoding)
    assert decode(content) == (text, encoding)
    assert not is_binary(content)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark(encoding):
    text = "def main():\n    return 'naïve'\n"
    assert decode(text.encode(encoding)).text == text
    assert not is_binary(text.encode(encoding))


def test_damaged_utf8_stays_utf8():
    content = (FRENCH * 3).encode()
    damaged = content[:40] + b"\xff" + content[40:]
    decoded = decode(damaged)
    assert decoded.encoding == "utf-8"
    assert "\ufffd" in decoded.text
    assert "élèves" in decoded.text


@pytest.mark.parametrize(
    "head",
    [
        "# -*- coding: {} -*-\n",
        '<?xml version="1.0" encoding="{}"?>\n',
        '<meta charset="{}">',
        "# vim: fileencoding={}\n",
    ],
)
def test_what_a_file_declares_is_believed(head):
    for encoding in ("iso-8859-5", "koi8-r", "cp866"):
        text = head.format(encoding) + "Поиск"
        assert decode(text.encode(encoding)).text == text


@pytest.mark.parametrize("name", ["unicode_escape", "rot13", "hex", "zlib", "nonsense", "utf-7", "idna"])
def test_a_declared_codec_that_is_no_encoding_is_not_used(name):
    content = f"# coding: {name}\n".encode() + b"caf\xe9 \\u0041"
    assert decode(content).text.endswith("café \\u0041")


@settings(deadline=None)  # the first call imports charset-normalizer
@given(st.binary(max_size=400))
def test_nothing_raises(content):
    text = decode(content).text
    text.encode("utf-8")
    assert isinstance(is_binary(content), bool)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\x1b\ufeff"), max_size=200))
def test_utf8_is_exact(text):
    decoded = decode(text.encode())
    assert decoded.text == (text if "\n" in text else text.replace("\r", "\n"))


def test_binary_content():
    noise = random.Random(7)
    assert is_binary(bytes(noise.randrange(1, 256) for _ in range(5_000)))
    assert is_binary(b"\x7fELF\x01\x01")
    assert is_binary(b"text and then \0 a zero")
    assert is_binary(b"a long text, " * 100 + b"\0\0\0")
    assert is_binary(b"a long text, " * 100 + b"\x01\0")
    assert is_binary(b"\x1f\x8b\x08")
    assert not is_binary(b"plain\n")
    assert not is_binary(b"\x1b[31mcolour\x1b[0m\f\n")
    for text, encoding in OLD:
        assert not is_binary(text.encode(encoding))


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1255", "הספרייה פתוחה בכל יום מהבוקר עד הערב, ואפשר לשאול בה ספרים בעברית ובשפות אחרות."),
        ("iso8859_8", "הספרייה פתוחה בכל יום מהבוקר עד הערב"),
        ("cp1256", "المكتبة مفتوحة كل يوم من الصباح حتى المساء، ويمكن للزوار استعارة الكتب منها."),
        ("iso8859_6", "المكتبة مفتوحة كل يوم من الصباح حتى المساء"),
        ("cp874", "ห้องสมุดเปิดทุกวันตั้งแต่เช้าจนถึงเย็น และผู้อ่านสามารถยืมหนังสือกลับบ้านได้"),
        (
            "cp1257",
            "Biblioteka atidaryta kiekvieną dieną nuo ryto iki vakaro, čia galima skaityti žurnalus.",
        ),
        (
            "cp866",
            "Библиотека открыта каждый день с утра до вечера, здесь можно читать и брать книги на дом.",
        ),
        ("cp1251", "Библиотеката е отворена всеки ден от сутрин до вечер и тук може да се четат книги."),
    ],
)
def test_encodings_of_other_alphabets(encoding, text):
    assert decode(text.encode(encoding)).text == text


@pytest.mark.parametrize("label", ["iso-8859-1", "ISO-8859-1", "latin1", "us-ascii", "windows-1252"])
def test_latin_1_is_windows_1252_as_browsers_read_it(label):
    page = f'<meta charset="{label}"><p>\x93curly\x94 \x80 5 caf\xe9 \x81</p>'.encode("latin-1")
    assert "“curly” € 5 café \x81" in decode(page).text


def test_undeclared_western_text_with_an_undefined_byte_keeps_its_quotes():
    assert decode(b"\x93quoted\x94 caf\xe9 \x8d").text == "“quoted” café \x8d"


def test_a_zero_that_slipped_into_a_table_costs_no_more_than_its_place():
    table = "".join(f"{n},a name and a note\n" for n in range(20)).encode()
    assert not is_binary(table + b"20,with a\0zero\n")
    assert decode(table + b"20,with a\0zero\n").text.endswith("20,with a zero\n")


def test_lines_that_end_in_a_carriage_return_alone_are_lines():
    assert decode(b"one\rtwo\r\rthree\r").text == "one\ntwo\n\nthree\n"
    assert decode("eins\rzwei".encode("utf-16")).text == "eins\nzwei"
    for kept in ("one\r\ntwo\r\n", "a progress bar\rthat goes on\n"):
        assert decode(kept.encode()).text == kept
