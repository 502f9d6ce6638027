"""Telling apart the encodings from before Unicode by what each makes of the bytes.

Two questions in turn. Does a double-byte encoding turn nearly everything into its everyday signs? Western text
read that way gives rare signs or none. If not: of which alphabet are the letters?
"""

from __future__ import annotations

import codecs
import re
from functools import cache

_LEAST_EVERYDAY = 0.85
"""Share of the signs that must be everyday ones for a double-byte encoding (ours; chosen before any was tried)."""

_LEAST_LETTERS = 0.6
"""Share of the signs an alphabet must hold; below, nothing is recognised and western is assumed (ours)."""

_KANA = "".join(map(chr, range(0x3041, 0x30FD))) + "、。「」・"
_SIMPLIFIED = (
    ",。的一是不了在人有我他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么"
    "心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长使件名"
)
_TRADITIONAL = (
    ",。的一是不了在人有我他這中大來上個國到說們為子和你地出道也時年得就那要下以生會自著去之過家學對可她裡後小麼"
    "心多天而能好都然沒日於起還發成事只作當想看文無開手十用主行方又如前所本見經頭面公同三已老從動兩長使件名"
)
_HANGUL = "이다는을의에가고하지한로도사는리기를인서은대어자나정그있시아해일스과부보게라들만수주었니습없"

_DOUBLE_BYTE = (
    # codec, lead bytes of its everyday rows (punctuation, kana, first level), trail bytes, commonest signs
    ("cp932", (*range(0x81, 0x84), *range(0x88, 0x99)), range(0x40, 0xFD), _KANA),
    ("euc_jp", (*range(0xA1, 0xA6), *range(0xB0, 0xD0)), range(0xA1, 0xFF), _KANA),
    ("gb18030", (*range(0xA1, 0xA4), *range(0xB0, 0xD8)), range(0xA1, 0xFF), _SIMPLIFIED),
    ("big5", range(0xA1, 0xC7), range(0x40, 0xFF), _TRADITIONAL),
    ("cp949", (*range(0xA1, 0xA4), *range(0xB0, 0xC9)), range(0xA1, 0xFF), _HANGUL),
)
"""Rows from the character sets' standards (JIS X 0208, GB 2312, Big5, KS X 1001); the commonest signs are common
knowledge and only choose between encodings whose rows coincide."""

_ALPHABETS = tuple(
    (codec, frozenset(letters), codec in ("cp1251", "koi8_r", "cp1253"))
    for codec, letters in (
        ("cp1252", "àâæçéèêëîïôœùûüÿ"),
        ("cp1252", "äöüß"),
        ("cp1252", "áéíóúüñ¿¡ªº"),
        ("cp1252", "àáâãçéêíóôõúü"),
        ("cp1252", "åäöæøé"),
        ("cp1252", "àèéìíòóùç"),
        ("cp1252", "áðéíóúýþæö"),
        ("cp1250", "ąćęłńóśźż"),
        ("cp1250", "áčďéěíňóřšťúůýžäôľĺŕ"),
        ("cp1250", "áéíóöőúüű"),
        ("cp1250", "ăâîşţ"),
        ("cp1250", "čćđšž"),
        ("cp1254", "çğıöşüİâî"),
        ("cp1251", "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґў"),
        ("koi8_r", "абвгдежзийклмнопрстуфхцчшщъыьэюяё"),
        ("cp1253", "αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊϋ"),
    )
)
"""The letters beyond ASCII of languages and the codec they were written in; of equals the first is taken. True:
the whole alphabet is beyond ASCII, so that a letter beside an ASCII letter, as an accented one is, speaks
against it, and one that is alone among ASCII letters speaks for the others."""

_PUNCTUATION = frozenset("’‘“”„‚–—…«»°§€£©®™·•×±²³µ½¼¾\xa0\xad")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def old_encoding(sample: bytes) -> str | None:
    """Name the encoding of bytes that are not UTF-8, or None where nothing speaks for any."""
    return _double_byte(sample) or _single_byte(sample)


@cache
def _everyday(codec: str, leads: tuple[int, ...], trails: range) -> frozenset[str]:
    pairs = (bytes((lead, trail)).decode(codec, "ignore") for lead in leads for trail in trails)
    return frozenset(pair for pair in pairs if len(pair) == 1)


def _double_byte(sample: bytes) -> str | None:
    best, best_share = None, 0.0
    for codec, leads, trails, commonest in _DOUBLE_BYTE:
        try:
            text = codecs.getincrementaldecoder(codec)("strict").decode(sample)
        except UnicodeDecodeError:
            continue
        signs = _BEYOND_ASCII.findall(text)
        everyday = _everyday(codec, tuple(leads), trails)
        if len(signs) < 2 or sum(map(everyday.__contains__, signs)) < _LEAST_EVERYDAY * len(signs):
            continue
        share = sum(map(commonest.__contains__, signs)) / len(signs)
        if share > best_share:
            best, best_share = codec, share
    return best


def _single_byte(sample: bytes) -> str | None:
    best, best_share = None, _LEAST_LETTERS
    for codec, letters, whole in _ALPHABETS:
        text = sample.decode(codec, "replace")
        fitting = total = 0
        for run in re.finditer(r"[^\x00-\x7f]+", text):
            signs = [sign for sign in run[0] if sign not in _PUNCTUATION]
            total += len(signs)
            if whole == _beside_ascii(text, run.start(), run.end()):
                continue
            fitting += sum(sign in letters or (not whole and sign.lower() in letters) for sign in signs)
        share = fitting / total if total else 0.0
        if share > best_share:
            best, best_share = codec, share
    return best


def _beside_ascii(text: str, start: int, end: int) -> bool:
    """Whether a run of signs has an ASCII letter on either side."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return (before.isascii() and before.isalpha()) or (after.isascii() and after.isalpha())
