"""Bytes become text: any encoding, never an error, or the verdict that this is no text."""

from __future__ import annotations

import codecs
import re
from functools import cache
from typing import NamedTuple

_HEAD = 8_000
"""Bytes looked at for the marks of binary content; git's own limit (buffer_is_binary)."""

_SAMPLE = 65_536
"""Bytes of lines with non-ASCII signs that decide between old encodings (ours, not measured)."""

_MAGIC = (
    b"\x89PNG", b"\xff\xd8\xff", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"\xfd7zXZ", b"7z\xbc\xaf",
    b"\x28\xb5\x2f\xfd", b"\x7fELF", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe",
    b"\xd0\xcf\x11\xe0", b"%PDF-",
)  # fmt: skip
"""First bytes of well-known binary formats, from their specifications; only such as no text begins with."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MARKS = tuple(mark for mark, _ in _BOMS)
_CONTROLS = bytes({*range(32), 127} - set(b"\t\n\r\f\b\x1b\v\x1a"))
"""Codes that no text has."""

_NOT_TEXT_CODECS = frozenset(
    {"unicode-escape", "raw-unicode-escape", "punycode", "idna", "utf-7", "undefined", "mbcs", "oem"}
)
_MEANT = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949",
}  # fmt: skip
"""Declared encodings as browsers read them (WHATWG Encoding Standard, 4.2): their supersets, which are meant."""

_LEAST_FOR_OPINION = 8
"""Bytes beyond ASCII below which nothing can be said, and windows-1252 is assumed (ours, not measured)."""

_OPINION_SAMPLE = 8_000
"""Bytes shown to charset-normalizer, which takes some 20 ms for them (ours)."""

_DECLARED = re.compile(
    rb"""(?:coding[:=]|charset\s*=\s*["']?|<\?xml[^>]{0,80}encoding\s*=\s*["'])\s*([-\w.]{2,30})""",
    re.IGNORECASE,
)


_FEW, _LEAST_TEXT = 2, 100
"""Zeros at the beginning of a text that are taken for a slip, and the bytes of text for each (ours, not measured)."""


class Decoded(NamedTuple):
    """Text with its line ends but without a byte order mark, and the codec it was read with."""

    text: str
    encoding: str


def is_binary(content: bytes) -> bool:
    """Whether these bytes are no text in any encoding that is known here."""
    if content.startswith(_MARKS):
        return False
    if content.startswith(_MAGIC):
        return True
    head = content[:_HEAD]
    if b"\0" in head and not _slipped_in(head):
        return _unmarked_utf16(head) is None
    controls = len(head) - len(head.translate(None, _CONTROLS))
    # text has none of these, evenly distributed bytes a tenth (25 of 256)
    return controls * 20 > len(head)


def _slipped_in(head: bytes) -> bool:
    """Whether the zeros in a text are a mistake, as in one field of a table: two at the most, the rest plain text."""
    zeros = head.count(b"\0")
    if zeros > _FEW or len(head) < _LEAST_TEXT * zeros:
        return False
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end < len(head):
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\0\t\n\r\f" for character in text)


def decode(content: bytes) -> Decoded:
    """Read bytes as text in the encoding they are most likely in (see `_decoded`).

    Where lines end in a carriage return alone, as on a Macintosh before 2001, each becomes a line feed; offsets stay.
    """
    found = _decoded(content)
    if "\r" in found.text and "\n" not in found.text:
        return Decoded(found.text.replace("\r", "\n"), found.encoding)
    return found


def _decoded(content: bytes) -> Decoded:
    """Read bytes as text in the encoding they are most likely in; what cannot be decoded becomes U+FFFD.

    In this order: byte order mark, UTF-8, UTF-16 by its zeros, ISO-2022-JP by its escapes, UTF-8 with some
    damage, what the file declares (`coding:`, `charset=`, XML), the old encodings by how common their signs
    are, a second opinion (charset-normalizer), windows-1252.
    """
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return Decoded(content[len(mark) :].decode(encoding, "replace"), encoding)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_old(content)
    if "\0" in text[:_HEAD] and (wide := _unmarked_utf16(content[:_HEAD])) is not None:
        return Decoded(content.decode(wide, "replace"), wide)
    if "\x1b$" in text and (japanese := _try(content, "iso2022_jp")) is not None:
        return japanese
    return Decoded(text.replace("\0", " "), "utf-8")


def _decode_old(content: bytes) -> Decoded:
    if b"\0" in content[:_HEAD] and (wide := _unmarked_utf16(content[:_HEAD])) is not None:
        return Decoded(content.decode(wide, "replace"), wide)
    damaged = content.decode("utf-8", "replace")
    bad = damaged.count("\ufffd")
    beyond_ascii = len(damaged) - len(damaged.encode("ascii", "ignore"))
    if beyond_ascii - bad > 4 * bad:
        return Decoded(damaged, "utf-8")
    declared = _DECLARED.search(content[:1024])
    if declared is not None and (found := _try(content, declared[1].decode("ascii"))) is not None:
        return found
    sample = _sample(content)
    encoding = old_encoding(sample) or _second_opinion(sample) or "cp1252"
    return Decoded(content.decode(encoding, _AS_BROWSERS if encoding == "cp1252" else "replace"), encoding)


def _second_opinion(sample: bytes) -> str | None:
    """What charset-normalizer says where no alphabet of ours is convincing, as of DOS and Macintosh texts.

    It is asked second: of 23 encodings of translated messages it read none better that has an alphabet here, and
    most worse (Turkish 24 of 40 texts against 39, French 24 of 38 against 38).
    """
    if len(sample) - len(sample.decode("ascii", "ignore")) < _LEAST_FOR_OPINION:
        return None
    from charset_normalizer import from_bytes

    best = from_bytes(sample[:_OPINION_SAMPLE], preemptive_behaviour=False).best()
    return None if best is None or best.encoding in ("ascii", "utf_8") else best.encoding


def _as_browsers(error: UnicodeError) -> tuple[str, int]:
    """The five bytes that windows-1252 leaves out are control characters (WHATWG Encoding Standard, 9)."""
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("latin-1"), error.end


_AS_BROWSERS = "tellapart-as-browsers"
codecs.register_error(_AS_BROWSERS, _as_browsers)


def _try(content: bytes, encoding: str) -> Decoded | None:
    try:
        name = codecs.lookup(encoding).name
        name = _MEANT.get(name, name)
        if name in _NOT_TEXT_CODECS:
            return None
        return Decoded(content.decode(name, _AS_BROWSERS if name == "cp1252" else "strict"), name)
    except (LookupError, UnicodeError, ValueError):
        return None


def _unmarked_utf16(head: bytes) -> str | None:
    """UTF-16 without a mark, seen by the zeros of its ASCII half; None for other bytes with zeros."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = max(1, len(head) // 2)
    if odd > 0.3 * half and even < 0.02 * half:
        return "utf-16-le"
    if even > 0.3 * half and odd < 0.02 * half:
        return "utf-16-be"
    return None


def _sample(content: bytes) -> bytes:
    """Lines that hold non-ASCII bytes, up to _SAMPLE bytes of them."""
    lines: list[bytes] = []
    size = position = 0
    beyond = re.compile(rb"[\x80-\xff]")
    while size < _SAMPLE and (hit := beyond.search(content, position)) is not None:
        # an unusual line end or none at all must not make the sample the whole file
        start = max(content.rfind(b"\n", 0, hit.start()) + 1, position)
        end = content.find(b"\n", hit.end())
        end = len(content) if end < 0 else end + 1
        line = (
            content[start : min(end, start + _SAMPLE)]
            if hit.start() - start < _SAMPLE
            else content[hit.start() : end]
        )
        lines.append(line[:_SAMPLE])
        size += len(line)
        position = end
    return b"".join(lines)


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

_COMMONEST = {
    "cp1251": "оеаинтсрвлі",
    "koi8_r": "оеаинтсрвл",
    "cp1253": "αοιετσνηυρςάίόέή",
    "cp1255": "יוהלאתרבמש",
    "iso8859_8": "יוהלאתרבמש",
    "cp1256": "اليمنوترهبةأ",
    "iso8859_6": "اليمنوترهبةأ",
    "cp874": "านรอกเงมยล่้ัี",
}
"""The commonest letters of alphabets that lie beyond ASCII as a whole: most bytes are letters in several of these
encodings, but only in the right one are half of them common (general knowledge of the languages)."""

_LEAST_COMMON = 0.45
"""Share of the letters that the commonest must have; .55 to .7 in their own language, .2 to .4 in another's (ours)."""

_USUALLY_COMMON = 0.65
"""What they have in running text; two fifths of an alphabet's mark hang on it (ours)."""

_ARABIC = "".join(map(chr, (*range(0x621, 0x63B), *range(0x640, 0x653)))) + "،؛؟"
_HEBREW = "".join(map(chr, (*range(0x5B0, 0x5C0), *range(0x5D0, 0x5EB))))
_THAI = "".join(map(chr, (*range(0xE01, 0xE3B), *range(0xE3F, 0xE5C))))
_ALPHABETS = tuple(
    (codec, frozenset(letters))
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
        ("cp1257", "ąčęėįšųūž"),
        ("cp1257", "āčēģīķļņšūž"),
        ("cp1251", "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґўјљњћђџ"),
        ("koi8_r", "абвгдежзийклмнопрстуфхцчшщъыьэюяё"),
        ("cp1253", "αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊϋ"),
        ("cp1255", _HEBREW),
        ("iso8859_8", _HEBREW),
        ("cp1256", _ARABIC + "پچژگکیھے"),
        ("iso8859_6", _ARABIC),
        ("cp874", _THAI),
    )
)
"""The letters beyond ASCII of languages and the codec they were written in; of equals the first is taken. Where the
whole alphabet is beyond ASCII, a letter beside an ASCII letter, as an accented one is, speaks against it, and one
that is alone among ASCII letters speaks for the others."""

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
    for codec, letters in _ALPHABETS:
        commonest = _COMMONEST.get(codec)
        text = sample.decode(codec, "replace")
        fitting = total = common = 0
        for run in re.finditer(r"[^\x00-\x7f]+", text):
            signs = [sign for sign in run[0] if sign not in _PUNCTUATION]
            total += len(signs)
            if (commonest is not None) == _beside_ascii(text, run.start(), run.end()):
                continue
            fitting += sum(sign in letters or (not commonest and sign.lower() in letters) for sign in signs)
            common += sum(map(commonest.count, signs)) if commonest else 0
        share = fitting / total if total else 0.0
        if commonest is not None:
            if common < _LEAST_COMMON * fitting:
                continue
            share *= 0.6 + 0.4 * min(1.0, common / (_USUALLY_COMMON * fitting)) if fitting else 0.0
        if share > best_share:
            best, best_share = codec, share
    return best


def _beside_ascii(text: str, start: int, end: int) -> bool:
    """Whether a run of signs has an ASCII letter on either side."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return (before.isascii() and before.isalpha()) or (after.isascii() and after.isalpha())
