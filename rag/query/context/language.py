"""A question in, the name of the language to answer in out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import cache

from ingest.health import find_language

_NAMES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech",
    "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish",
    "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi",
    "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian", "it": "Italian", "ja": "Japanese",
    "ka": "Georgian", "ko": "Korean", "nl": "Dutch", "no": "Norwegian", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sr": "Serbian",
    "sv": "Swedish", "ta": "Tamil", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian",
    "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip

# Letters that one language alone is written with, the first that is found being the one.
_LETTERS = (
    ("ja", r"[\u3040-\u30ff]"), ("ko", r"[\uac00-\ud7af\u1100-\u11ff]"),
    ("zh", r"[\u3400-\u9fff]"), ("th", r"[\u0e01-\u0e7f]"), ("el", r"[\u0370-\u03ff]"),
    ("he", r"[\u05d0-\u05ea]"), ("hy", r"[\u0530-\u058f]"), ("ka", r"[\u10a0-\u10ff]"),
    ("bn", r"[\u0980-\u09ff]"), ("ta", r"[\u0b80-\u0bff]"),
    ("ur", r"[\u0679\u0688\u0691\u06ba\u06be\u06c1\u06d2]"),
    ("fa", r"[\u067e\u0686\u0698\u06a9\u06af\u06cc]"), ("ar", r"[\u0623\u0625\u0629\u0643]"),
    ("uk", r"[\u0454\u0456\u0457\u0491]"), ("sr", r"[\u0452\u0458\u0459\u045a\u045b\u045f]"),
    ("ru", r"[\u044b\u044d\u0451]|\u044c(?!\u043e)"),
)  # fmt: skip
_SCRIPTS = tuple((code, re.compile(letters)) for code, letters in _LETTERS)
_FOREIGN = re.compile(r"[^\W\d_\u0000-\u024f\u1e00-\u1eff]+")
"""Letters that are not Latin."""
_SIGNS = 2
"""How many signs of a script without spaces make a word."""

# Common words of questions; those of several languages say less about each.
_WORDS = {
    "en": "the of and to in is that for it with as was on be by are this from at or an which not "
    "we you has have can will been were their if may its but they one all more when other a i "
    "what who whom whose how where why does did do any anyone anything there here my our your his "
    "her us me he she am must should would could had get gets many much long old often about than "
    "then into after before between during under over each every some most last first next no "
    "list show tell give name explain describe compare summarize summarise comment find state say "
    "says said mean means use used need needs allowed please employees employee policy company "
    "per die war man so also hat art were only year number type name part case",
    "de": "der die und das ist nicht den von zu mit sich des auf für im dem ein eine als auch es "
    "an werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über oder was wer "
    "wem wen wessen welche welcher welches welchen welchem wann warum wieso weshalb wieviel "
    "wieviele viel viele wo wohin woher habe haben hatte ich wir ihr mein meine meinen meiner "
    "unser unsere man gibt darf dürfen kann können muss müssen soll sollen wurde wurden kostet "
    "hieß wozu wofür womit worin kosten bekomme lange hoch oft viertel in ins zum zur "
    "beim vom kein keine so wenn steht heißt nenne zeige erkläre beschreibe liste alle bitte "
    "war waren einen eines gilt",
    "fr": "le la les de des et un une du est que en dans qui pour pas par sur au avec ce il ne "
    "plus sont se aux cette ou mais d l qu sa son ont été elle je nous vous mon ma mes notre votre "
    "quel quelle quels quelles combien pourquoi quand où comment y a-t-il faut peut peux puis dois "
    "doit avons avez ai as coûte fonctionne quoi on est-ce liste cite explique "
    "leur leurs ses ces sans a j n c s",
    "es": "el la los las de y que en un una es por con para no se del al lo como más su pero sus "
    "son fue este ha está muy entre también o qué cuál cuáles cuándo cuánto cuánta cuántos cuántas "
    "dónde cómo quién quiénes hay puedo puede tengo tiene debo debe mi mis nuestro nuestra yo "
    "días a si sin sobre cuanto cuantos cuando donde quien esta cuesta",
    "it": "il la di e che un una è per non in con del della sono i le si da al dei nel gli anche "
    "alla più come ma delle lo ha dal questo o degli nella quanti quanto quante quanta perché cosa "
    "chi dove quando quali quale qual posso può devo deve ho mio mia mie nostro c'è ci sul sulla "
    "uno dell l un a viene costa",
    "pt": "o a os as de e que do da em um uma é para não com por no na se dos das mais como ao foi "
    "são pela pelo sua seu ou também está nos qual quais quem quando onde quanto quantos quantas "
    "quanta posso pode devo deve tenho tem há meu minha nosso nossa eu ser porque à custa",
    "nl": "de het een en van is dat in op te zijn met voor niet aan er die ook als bij om door "
    "naar wordt worden uit heeft maar deze hij over dan of ik wij we mijn onze ons welke welk "
    "hoeveel waarom wanneer waar wat wie hoe kan kunnen mag moet moeten heb hebben krijg zijn veel "
    "lang vaak kost",
    "sv": "och att det som en är av för på med den till inte om har ett de var vid från kan ska "
    "eller men så också efter i denna under när mycket hur många vad vem vilka vilken vilket "
    "varför får måste jag vi min mitt mina vår finns var länge ofta kostar",
    "da": "og at det som en er af for på med den til ikke om har et de var ved fra kan skal eller "
    "men så også efter i denne under når blev meget hvor mellem hvad hvem hvilke hvilken hvornår "
    "hvorfor hvordan mange må jeg vi min mit mine der får",
    "no": "og at det som en er av for på med den til ikke om har et de var ved fra kan skal eller "
    "men så også etter i denne under når ble veldig hvor mellom noe hva hvem hvilke hvilken "
    "hvorfor hvordan mange mye må jeg vi min mitt mine får",
    "pl": "i w na z do że się nie to jest o od po za przez jak dla przy ale był są oraz tym jego "
    "tego co a który może być został jej które tylko czy ile kto gdzie kiedy dlaczego jaki jaka "
    "jakie mogę można mam ma mój moja mnie ja my nasz muszę musi kosztuje jest",
    "cs": "a v na je se že z do s pro o to po jako od za by ale být při jsou které jeho také byl k "
    "ve který podle není jen nebo aby může kolik kdo kde kdy proč jak jaký jaká jaké mohu mám co "
    "můj má musím",
    "fi": "ja on ei se että oli ovat kun mutta myös tai joka mikä mitä kuka missä milloin miksi "
    "kuinka miten montako paljonko voinko saanko onko minun meidän",
    "tr": "ve bir bu için ile daha çok ne kadar kaç kim nerede nasıl neden hangi var mı mi mu "
    "değil ben benim",
    "hu": "a az és hogy nem is egy ez van el ha mi ki hol mikor miért mennyi hány melyik hogyan "
    "lehet vagy kell",
    "ro": "de și în a la cu nu pe care un o este din să pentru că mai ce cine unde când cât câte "
    "câți cum pot sunt am",
    "ru": "кто что где когда почему сколько какой какая какое какие каков как есть можно нужно",
    "uk": "хто що де коли чому скільки який яка як чи",
    "bg": "кой какво къде кога защо колко как има може",
    "sr": "ко шта где када зашто колико како",
}
# Letters beyond ASCII that speak for languages, as much as a word of theirs alone.
_MARKS = {
    "ß": "de", "¿": "es", "¡": "es", "ñ": "es", "ã": "pt", "õ": "pt", "ł": "pl", "ż": "pl",
    "ę": "pl", "ą": "pl", "ř": "cs", "ě": "cs", "ů": "cs", "ő": "hu", "ű": "hu", "ğ": "tr",
    "ı": "tr", "ș": "ro", "ț": "ro",
}  # fmt: skip
_LEAST, _LEAD = 1.0, 1.5
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_JOINT = re.compile("[-'’]")


def name_language(question: str) -> str:
    """Return the English name of a question's language, "" when it is not sure.

    A wrong name makes a model answer in the wrong language, none leaves it to the model.
    """
    folded = question.lower()
    code = _by_letters(folded) if _is_foreign(folded) else ""
    return _NAMES.get(code or _by_words(folded) or _by_long_text(folded), "")


def _is_foreign(question: str) -> bool:
    """Tell a question in another script from one in Latin letters that has a word in it."""
    words = _WORD.findall(_FOREIGN.sub(" ", question))
    size = sum(max(1.0, len(run) / _SIGNS if _is_dense(run) else 0) for run in
               _FOREIGN.findall(question))  # fmt: skip
    return size > len(words)


def _is_dense(run: str) -> bool:
    return run[0] >= "\u3040"


def _by_letters(question: str) -> str:
    return next((code for code, letters in _SCRIPTS if letters.search(question)), "")


def _by_words(question: str) -> str:
    """Return the language that has clearly more of the words than any other."""
    votes: defaultdict[str, float] = defaultdict(float)
    words = {part for word in _WORD.findall(question) for part in (word, *_JOINT.split(word))}
    for word in words:
        for code, weight in _languages().get(word, {}).items():
            votes[code] += weight
    for code in {_MARKS[letter] for letter in _MARKS.keys() & set(question)}:
        votes[code] += 1.0
    ranked = sorted(votes.items(), key=lambda vote: -vote[1])
    (best, most), (_, second) = [*ranked, ("", 0.0), ("", 0.0)][:2]
    return best if most >= _LEAST and most >= _LEAD * second else ""


def _by_long_text(question: str) -> str:
    """Return one of the languages that are known by their most frequent words only."""
    found = find_language(question)
    return "" if found in _WORDS else found


@cache
def _languages() -> Mapping[str, Mapping[str, float]]:
    """Return what each word says for each language that has it."""
    owners: dict[str, list[str]] = {}
    for code, words in _WORDS.items():
        for word in set(words.split()):
            owners.setdefault(word, []).append(code)
    return {word: dict.fromkeys(codes, 1 / len(codes)) for word, codes in owners.items()}
