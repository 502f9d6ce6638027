"""In which natural language a text is written, by its script and its function words."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cache
from operator import itemgetter
from types import MappingProxyType

_WORDS = {
    "english": "the of and to in is that for it was with as on be at by this are or from but not have an they which "
    "you were her she his their we been has had if there can would will its than more what when who out so",
    "german": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden "
    "aus er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor "
    "zur bis mehr durch man sein wurde wenn kann ich",
    "dutch": "de van het een en in is dat op te zijn met voor niet die aan er om ook als dan maar bij nog uit wordt "
    "door naar heeft hij worden ze over deze tot zich ik wat kan dit hebben wel je werd meer geen of mijn deze hun "
    "was ze",
    "french": "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont la avec "
    "ou son aux cette été ces mais comme nous elle leur sa ont être je vous y fait l d qu n s ses était deux même",
    "spanish": "de la que el en y a los del se las por un para con no una su al lo como más pero sus le ya o fue este "
    "ha sí porque esta son entre cuando muy sin sobre también me hasta hay donde han quien desde todo nos era es",
    "portuguese": "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das "
    "tem à seu sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era depois são",
    "catalan": "de la que i el en a les els un per una amb es del al no va com més dels pel són ha o si seva seu les "
    "també aquest aquesta però hi han fins molt sense és on ser l d s entre quan tot pels",
    "italian": "di e il la che in a per un è del non una della i con le da sono si dei nel al come più ma lo gli alla "
    "o anche delle ha dal su se ci stato questo questa nella tra ed era essere suo sua dalla ai degli quando molto l "
    "dell",
    "romanian": "de și în a la cu pe care din un o nu sa se ce că mai pentru este au fost al ale lui prin sunt fi "
    "dar după era până ca sau fără iar ei acest această când unei unui cele foarte ori între",
    "swedish": "och i att det som en på är av för med den till inte har om ett de var jag men så från vid kan "
    "han man när nu eller hon år sig ut ska vi mot under efter finns dem också upp bara hade skulle mycket",
    "danish": "og i at det er en til af på der de for med den som ikke har et om var jeg han fra kan så men vi ved "
    "eller blev være ud sig efter også skal nu over op hun mod hvor efter når hvad havde deres hvis uden sin meget "
    "alle mig",
    "norwegian": "og i det er på som en til av for at med de har den ikke et om var jeg fra han kan så men vi ved "
    "eller ble være ut seg etter også skal nå over opp hun mot hvor når hva hadde deres hvis uten sin mye alle noe "
    "bare",
    "finnish": "ja on ei se että oli hän ovat kun mutta myös joka ole olla mukaan sen niin kuin sekä tai jos vain "
    "hänen vuonna mitä jonka sitä tämä ollut voi siitä mikä ne kanssa jälkeen eli tässä kaikki jo joita olivat",
    "estonian": "ja on ei et see ta kui oli ka mis aga oma või kes ning siis mida selle seda pole veel olid olla "
    "nii välja peale välja üle tema sest nende ma sa juba mille ole üks kuid pärast kus",
    "hungarian": "a az és hogy nem is egy van volt meg csak már ez de ha azt mint el még vagy ki be én sem kell "
    "mert lesz minden nagyon ezt után aki amely szerint azonban között lehet pedig úgy volna őket",
    "polish": "w i na z do się nie to że jest o po jak od za przez był ale są dla które co jego oraz tym tego być "
    "jej też czy już który tylko można może ich była ze ma lub przy bardzo został która pod",
    "czech": "a v se na je že s z do o to i za ve pro jako by byl ale po jsou od jeho které aby při si který bylo "
    "nebo jsem také jen byla už však před ze jejich než bude podle až tak mezi kde není která ještě",
    "serbian": "je i u da se na su za od sa ne kao ili što to bi koji koja koje a iz s po ali ako bio bila do samo "
    "nije kada kako više svoj njegov jer još biti može sve već između godine",
    "serbian cyrillic": "је и у да се на су за од са не као или што то би који која које а из по али ако био "
    "била до само није када како више јер још бити може све већ између године",
    "russian": "и в не на что он с как я это по но они мы из его у за к о так же от бы было для все вы который "
    "были если она или уже только еще при быть до их когда также может ее этого этой этот "
    "чтобы после через где очень были всех свои своей своем должны должен друг есть нет тем том",
    "lithuanian": "ir kad į yra su iš kaip tai buvo bet jis o ar ne už nuo apie po jo dėl per prie tik savo kurie "
    "gali būti jų kuris dar taip pat labai metų ši jos šis arba tarp iki bei jau",
    "turkish": "ve bir bu da de için ile olarak çok daha gibi olan en ne o ama kadar sonra var değil her ki mi "
    "olduğu ise veya ya şey tarafından oldu diye göre olduğunu bunu içinde ancak yıl ilk",
    "indonesian": "yang dan di ini itu dengan untuk dari dalam pada tidak adalah akan ke oleh juga karena sebagai "
    "atau ada mereka telah dapat bisa seperti lebih saya kami kita oleh tersebut secara namun bahwa saat sebuah",
    "irish": "an agus na ar a i go is ag bhí do le tá sé de ach leis sin nach don ní ba raibh mar níos siad bhfuil "
    "seo féin den idir sí atá ina aon chun ó",
    "basque": "eta da ez du bat dira zuen ere dute izan hau zen baina edo bere den dela baino horrek izango "
    "hori arte gabe beste egin ziren duen dago oso batean ondoren",
    "esperanto": "la kaj de en estas al ne ke mi por li ĝi oni kiu sed pri kiel ĉi el estis pli ili ŝi kun aŭ por "
    "tiu sur ĉu ankaŭ nur tio kio jam ni post",
    "sesotho": "ho ya le ea ke hore tse ba ka e tsa sa wa ha ke ne bona o di se bile ena hae mme empa ntho batho "
    "haholo jwalo ebe teng",
    "hindi": "के में है की और का से को पर ने यह कि हैं एक नहीं था इस भी हो कर लिए थे गया वह तो साथ थी या अपने किया जो",
    "nepali": "छ र को मा का गरेको पनि थियो छन् गर्न भएको हो एक यो लागि भने तथा गरेका उनले हुन् हुने नेपाल भन्ने गर्ने "
    "थिए तर यस",
    "arabic": "في من على أن إلى التي عن الذي هذا هذه مع كان ما كما قد لم بين بعد كانت حيث أو ذلك لا و وقد كل هو إن هي",
    "persian": "و در به از که این را با است برای آن یک شد بود تا خود می بر هم نیز ها اما کرد شده یا باید دو پس شود هر",
    "yiddish": "און איז די דער אין פון פֿון צו אַז האָט דאָס נישט ער אויף מיט זיך זי וואָס אַ ניט איך זײַן אָבער",
    # Not among the stemmer's, but near enough to one of its languages to be taken for it:
    "-slovak": "a v sa na je že s z do o to aj za vo pre ako by bol ale po sú od jeho ktoré aby pri si ktorý bolo "
    "alebo som tiež len bola už však pred zo ich než bude podľa až tak medzi kde nie ktorá ešte",
    "-slovenian": "in je v da se na za so ki pa ne z s tudi po od kot bi iz še ga pri ko do bil ali sta bilo lahko "
    "bila samo več kaj zaradi med leta ter",
    "-ukrainian": "і в не на що з як у до та за про він це від його є для але також його були які або вона був при "
    "може після між який її якщо вже",
    "-bulgarian": "на и в да се за от са по не че с е като до при това към или които който той беше има след е може "
    "както са бе но един през",
    "-icelandic": "og í að á er sem til var við um en með hann ekki það af fyrir voru því hún þá eru frá hafa eða "
    "þess þar hefur",
    "-latvian": "un ir ar no par uz ka kas bija ne kā vai tika tas pēc arī pie viņš gada līdz bet kā tās to lai",
    "-afrikaans": "die en van in is het 'n nie dat wat met vir op hy te sy om aan was ook deur ek word as maar hulle "
    "hierdie kan wees",
    "-galician": "de a o que e do da en un para é con non unha os no se na por máis as dos como pero foi ao das seu "
    "súa ou ser tamén xa pola pólo entre era despois son",
    "-welsh": "y yn a i o ar yr ac ei mae am gan wedi oedd ond bod fel hyn ni roedd gyda hefyd",
    "-latin": "et in est non ad ut cum quod qui ex sed de si quae per ab esse aut nec etiam enim hoc autem quam",
    "-vietnamese": "và của là có trong được cho không các với một những này đã khi người để đến từ ra ở năm như cũng",
    "-tagalog": "ang ng sa na mga at ay ito si para hindi siya nang kung ko mo isang may niya",
    "-swahili": "na ya wa kwa ni katika la za kuwa hii cha kama au hiyo yake huo mwaka wake watu",
    "-albanian": "të e në dhe i që për me një nga është u më si ka do nuk por kjo ai se janë",
}
"""Frequent function words of each language, from general knowledge of the languages. `tests/corpus/test_language.py`
holds what they are worth: the first article of the Declaration of Human Rights, and the judged English sets."""

_OF_SCRIPTS = {
    "greek": "και το η ο του της να τα με που για στο στη στην στον τον την οι των από είναι δεν θα ένα μια σε ότι "
    "ως αν αλλά ή όπως πως μας τους αυτό αυτή πιο μου σας τι πολύ μετά πριν όταν ήταν έχει τις στα στις ένας μία",
    "armenian": "և է որ են ի իր մեջ համար այս այդ նա էր որը հետ իսկ կամ բայց եթե նրա մի մասին ինչպես երբ չի եմ "
    "մենք նրանք էին թե նաև պետք ինչ որի որոնք մինչև շատ",
    "tamil": "மற்றும் ஒரு என்று இந்த அந்த இது அது என இருந்து உள்ள போது அவர் என்ற எந்த அல்லது ஆனால் மேலும் கொண்டு பற்றி "
    "மூலம் எப்படி என்ன ஏன் எங்கே தான் இல்லை ஆகும் வேண்டும்",
}
"""Function words of languages that are known by their script."""

FUNCTION_WORDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        language: frozenset(words.split() + _WORDS.get(f"{language} cyrillic", "").split())
        for language, words in (_WORDS | _OF_SCRIPTS).items()
        if language.isalpha()
    }
)
"""Function words by language (PyStemmer's name), lower case: what a keyword index may leave out."""

_SCRIPTS = {
    "GREEK": "greek",
    "ARMENIAN": "armenian",
    "TAMIL": "tamil",
}
"""Scripts that one language of the stemmer's is written in."""

_ASCII_LETTERS = bytes(ord(chr(code).lower()) if chr(code).isalpha() else 32 for code in range(128)) + bytes(
    128
)
"""To the letter itself in lower case, or a space."""
_MARKED_WORD = re.compile(
    r"[^\W\d_][^\W\d_\u0300-\u036f\u0591-\u05c7\u064b-\u0652\u0900-\u0903\u093a-\u094d\u200c\u200d]*"
    r"(?:[\u0300-\u036f\u0591-\u05c7\u064b-\u0652\u0900-\u0903\u093a-\u094d\u200c\u200d]+[^\W\d_]*)*"
)
"""A word with the marks and joiners that Hebrew, Arabic and Devanagari set inside it, which `\\w` leaves out."""
_SAMPLE = 2_000
"""Characters looked at, at the head and again in the middle: some 300 words each, ten times what decides. The
middle is for texts that open with a notice in another language. Not measured: twice only costs
time."""

_LEAST_SHARE = 0.12
"""Share of a text's words that must be function words of its language. Running text has .25 to .5; lists of names,
tables and titles have fewer, and nothing should be stemmed by a guess from those."""

_LEAST_WORDS = 8
"""Words below which a text is too short to say."""

_LEAST_DISTINCT = 3
"""Different function words of more than one letter that must occur: "De Facto" and "I/O" are no French or Polish."""

_MARGIN = 1.15
"""How far the best language must be ahead of the second: near relatives share half of their function words."""

_INTERCHANGEABLE = frozenset({"danish", "norwegian"})
"""Written so alike that either's stems serve the other better than none would."""


def detect_language(text: str) -> str | None:
    """Name the natural language of a text, as PyStemmer names its algorithms (`english`, `german`...).

    Counts function words, the rarer among the languages the heavier (the weight of a word is log of languages over
    languages that have it). None where the text is too short to say, is in a language without a stemmer, or in none
    (tables, names, code). Looks at no more than 4,000 characters.

    Args:
        text: Running text, of a whole document rather than of a sentence.
    """
    sample = text if len(text) <= 2 * _SAMPLE else text[:_SAMPLE] + " " + text[len(text) // 2 :][:_SAMPLE]
    plain = sample.isascii()
    if plain:  # as the expression finds them, several times faster
        words = sample.encode("ascii").translate(_ASCII_LETTERS).decode("ascii").split()
    else:
        words = _MARKED_WORD.findall(unicodedata.normalize("NFC", sample.lower()))
    if len(words) < _LEAST_WORDS:
        return None
    if not plain and (script := _script(words)) in _SCRIPTS:
        return _SCRIPTS[script]
    weights = _weights()
    counts = Counter(filter(weights.__contains__, words))
    scores: defaultdict[str, float] = defaultdict(float)
    for word, count in counts.items():
        for language, weight in weights[word]:
            scores[language] += weight * count
    if not scores:
        return None
    (best, score), (second, behind) = (*sorted(scores.items(), key=itemgetter(1), reverse=True), ("", 0.0))[
        :2
    ]
    if score < _MARGIN * behind and not {best, second} <= _INTERCHANGEABLE:
        return None
    found = counts.keys() & _words_of(best)
    distinct = sum(len(word) > 1 for word in found)
    if best.startswith("-") or distinct < _LEAST_DISTINCT:
        return None
    enough = sum(counts[word] for word in found) >= _LEAST_SHARE * len(words)
    return best.split()[0] if enough else None


@cache
def _words_of(language: str) -> frozenset[str]:
    return frozenset(word for word, among in _weights().items() if language in dict(among))


@cache
def _weights() -> Mapping[str, tuple[tuple[str, float], ...]]:
    """The languages of each function word, with what the word says for them."""
    owners: dict[str, list[str]] = {}
    for language, words in _WORDS.items():
        for word in dict.fromkeys(words.split()):
            owners.setdefault(unicodedata.normalize("NFC", word), []).append(language)
    return {
        word: tuple((language, math.log(len(_WORDS) / len(among))) for language in among)
        for word, among in owners.items()
    }


def _script(words: list[str]) -> str:
    """The script of most words, as Unicode names its letters."""
    scripts = Counter(unicodedata.name(initial, "").split(" ")[0] for initial in map(itemgetter(0), words))
    return scripts.most_common(1)[0][0]
