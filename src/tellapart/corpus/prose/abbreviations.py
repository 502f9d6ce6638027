"""Words that end in a full stop without ending a sentence, and words that open one."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TITLES = _words(
    # Before a name: the full stop after one of these never ends a sentence.
    "dr mr mrs ms mx prof rev fr sr hon gen col maj capt cmdr lt sgt adm gov sen rep pres messrs mme mlle "
    "hr frau dipl ing sra srta dra don st ste mt ft"
)

POINTERS = _words(
    # Before what they point at or explain (a number, a name, an example): never final either.
    "fig figs eq eqs eqn eqns ref refs sect secs chap vol vols pp pg art nos nr tab tabl cf viz vs v e.g eg i.e "
    "ie ca approx resp incl excl esp suppl app par para ed eds trans et bzw z.b d.h u.a vgl s.o s.u p.ex "
    "ej p.ej cit op ibid abs"
)

BEFORE_NUMBERS = _words(
    # Words of their own as well ("say no. The ..."): a full stop is theirs only before a number.
    "no p sec art min max fig n num nº line ch jan feb mar apr jun jul aug sep sept oct nov dec"
)

FINAL_TOO = _words(
    # At the end of a phrase, so often at the end of a sentence as well: what follows decides.
    "al etc inc ltd co corp bros jr sr llc plc dept univ assoc ave blvd rd a.m p.m am pm u.s u.k u.n e.u u.s.a "
    "ph.d m.d b.a m.a b.sc m.sc ph.d d.c usw usf etc sp spp subsp var str est jan feb mar apr jun jul aug sep "
    "sept oct nov dec mon tue wed thu fri sat sun wt vol no assn intl natl"
)

OPENERS = _words(
    # Capitalised function words: after an abbreviation or an initial they say that a sentence begins.
    "The This These Those That There Then Thus Therefore Though Through To Together Under Until Upon Using "
    "In It Its If Is Into Instead Indeed I We Our Here However Hence He She They His Her Him Their At An A As "
    "After Although And Also Additionally All Among Another Any Are Both But Because Before Between By Can Compared "
    "Conversely Consistent Could Despite Did Do Does During Each Even Every Finally First For From Further "
    "Furthermore Given Has Have How Importantly Interestingly Let Like Many May More Moreover Most My Nevertheless "
    "No None Nor Not Now Of On Once One Only Or Other Overall Results Conclusions Methods Recent Recently Second "
    "Several Similarly Since So Some Still Subsequently Such Surprisingly Taken Two Three Unlike Was Were What When "
    "Whereas Where Whether Which While Who Why Will With Within Without Would Yet You Your Yes "
    "Der Die Das Dem Den Des Ein Eine Einen Es Er Sie Wir Ich Ihr Im Auf Aus Bei Bis Für Nach Mit Von Vor Zu Zum "
    "Und Aber Als Wenn Wie Was Wer Dies Diese Dieser Dabei Damit Dann Auch "
    "Le La Les Un Une Il Elle Ils Elles Nous Vous Ce Cette Ces En Dans Mais Et Pour Par Sur Avec Au Aux Si "
    "El Los Las Una Unos Ella Ellos Esto Este Esta Pero Y Con Por Para Al Se No Lo "
    "Gli Uno Questo Questa Nel Nella Ma O Os As Um Uma Ele Ela Mas Não Het De Een Wij Zij Dit Dat Maar"
)

MONTHS = _words(
    # "am 3. Oktober", "3. oktober": an ordinal before a month is no sentence's end.
    "januar jänner februar märz april mai juni juli august september oktober november dezember "
    "januari februari maart mei augustus december marts maj desember tammikuuta"
)

BEFORE_NAMES = _words(
    # Lower-case words that stand before a person's initial: "by J. Smith" goes on, "vitamin C. Trials" does not.
    "by and of from with to see with in for as or the per against via de von van der und et y e di da le la "
    "author authors editor president senator judge"
)
