from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.corpus.language import FUNCTION_WORDS, detect_language

ARTICLE_1 = {
    "english": "All human beings are born free and equal in dignity and rights. They are endowed with reason and "
    "conscience and should act towards one another in a spirit of brotherhood.",
    "german": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen "
    "begabt und sollen einander im Geist der Brüderlichkeit begegnen.",
    "french": "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de "
    "conscience et doivent agir les uns envers les autres dans un esprit de fraternité.",
    "spanish": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y "
    "conciencia, deben comportarse fraternalmente los unos con los otros.",
    "italian": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati di ragione e di "
    "coscienza e devono agire gli uni verso gli altri in spirito di fratellanza.",
    "portuguese": "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de razão e de "
    "consciência, devem agir uns para com os outros em espírito de fraternidade.",
    "dutch": "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn begiftigd met verstand en "
    "geweten, en behoren zich jegens elkander in een geest van broederschap te gedragen.",
    "swedish": "Alla människor är födda fria och lika i värde och rättigheter. De är utrustade med förnuft och samvete "
    "och bör handla gentemot varandra i en anda av broderskap.",
    "polish": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni "
    "rozumem i sumieniem i powinni postępować wobec innych w duchu braterstwa.",
    "finnish": "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan. Heille on annettu järki "
    "ja omatunto, ja heidän on toimittava toisiaan kohtaan veljeyden hengessä.",
    "turkish": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler ve "
    "birbirlerine karşı kardeşlik zihniyeti ile hareket etmelidirler. Bu hak herkes için olduğu gibi daha çok.",
    "russian": "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью "
    "и должны поступать в отношении друг друга в духе братства.",
    "greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "arabic": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا و على هذا كان من الواجب أن "
    "يعامل بعضهم بعضا بروح الإخاء.",
    "persian": "تمام افراد بشر آزاد به دنیا می‌آیند و از لحاظ حیثیت و حقوق با هم برابرند. همه دارای عقل و وجدان هستند و "
    "باید نسبت به یکدیگر با روح برادری رفتار کنند.",
    "hindi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। उन्हें बुद्धि और "
    "अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।",
    "hungarian": "Minden emberi lény szabadon születik és egyenlő méltósága és joga van. Az emberek, ésszel és "
    "lelkiismerettel bírván, egymással szemben testvéri szellemben kell hogy viseltessenek.",
    "romanian": "Toate ființele umane se nasc libere și egale în demnitate și în drepturi. Ele sunt înzestrate cu "
    "rațiune și conștiință și trebuie să se comporte unele față de altele în spiritul fraternității.",
    "czech": "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv. Jsou nadáni rozumem a svědomím a "
    "mají spolu jednat v duchu bratrství, jak to je dáno pro každého a bylo již před tím.",
}


@pytest.mark.parametrize("language", ARTICLE_1)
def test_a_paragraph_is_enough(language):
    assert detect_language(ARTICLE_1[language]) == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Semantic search at scale",
        "De Facto I/O A, B and C",
        "x = 1; y = 2; return x + y; foo(bar, baz); int main(void) { i++; j--; }",
        "Müller Schmidt Weber Wagner Becker Hoffmann Schäfer Koch Bauer Richter",
        "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。",
        "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו בתבונה ובמצפון.",
        "Всі люди народжуються вільними і рівними у своїй гідності та правах. Вони наділені розумом і совістю.",
        "Všetci ľudia sa rodia slobodní a sebe rovní, čo sa týka ich dôstojnosti a práv. Sú obdarení rozumom a majú.",
    ],
)
def test_what_is_short_or_has_no_stemmer_is_left_alone(text):
    assert detect_language(text) is None


def test_composed_and_decomposed_accents_are_one():
    import unicodedata

    assert detect_language(unicodedata.normalize("NFD", ARTICLE_1["french"])) == "french"


@given(st.text(max_size=400))
def test_any_text_gives_a_language_of_the_stemmer_or_none(text):
    import Stemmer

    assert detect_language(text) in {None, *Stemmer.algorithms()}


def test_every_language_is_one_of_the_stemmer_with_lower_case_words():
    import Stemmer

    assert set(FUNCTION_WORDS) <= set(Stemmer.algorithms())
    assert all(word == word.lower() for words in FUNCTION_WORDS.values() for word in words)


@pytest.mark.parametrize("collection", ["scifact", "cisi", "med", "cranfield", "xquad-en"])
def test_english_collections_are_english(data, collection):
    records = map(json.loads, (data / collection / "corpus.jsonl").open())
    found = [detect_language(record["text"]) for record in list(records)[:500]]
    assert set(found) <= {"english", None}
    assert found.count("english") >= 0.97 * len(found)


def test_a_notice_in_another_language_at_the_head_decides_nothing():
    notice = ARTICLE_1["german"] + "\n"
    assert detect_language(notice * 3 + (ARTICLE_1["english"] + "\n") * 40) == "english"
