"""A document with its chunks in, out how well an index can know it: language, words, cuts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from ingest.base.documents import Health
from ingest.parse.base.media import CODE
from ingest.sentences import SENTENCE_END, ends_sentence

if TYPE_CHECKING:
    from ingest.base.documents import Chunk, Document
    from ingest.base.ports import Embedder

SAMPLE_CHUNKS = 16
SAMPLE_CHARACTERS = 4000
_SLICES = 8
_LEAST_SHARE = 0.1  # Of the words; the right language has 0.25 to 0.5, code and names below this.
_LEAST_HITS = 3
_LEAST_LEAD = 1.2
_WRAPPED = 40  # Characters of a line that was wrapped at least.

_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0900-\u0dff])*")

# Letters of scripts that one language alone is written in, and how many make a word.
_SCRIPTS = {
    "ko": (re.compile(r"[\uac00-\ud7af\u1100-\u11ff]"), 3),
    "th": (re.compile(r"[\u0e01-\u0e7f]"), 5),
    "el": (re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]"), 6),
    "he": (re.compile(r"[\u05d0-\u05ea]"), 5),
    "hy": (re.compile(r"[\u0530-\u058f]"), 6),
    "ka": (re.compile(r"[\u10a0-\u10ff]"), 6),
    "bn": (re.compile(r"[\u0980-\u09ff]"), 5),
    "pa": (re.compile(r"[\u0a00-\u0a7f]"), 5),
    "gu": (re.compile(r"[\u0a80-\u0aff]"), 5),
    "ta": (re.compile(r"[\u0b80-\u0bff]"), 6),
    "te": (re.compile(r"[\u0c00-\u0c7f]"), 6),
    "kn": (re.compile(r"[\u0c80-\u0cff]"), 6),
    "ml": (re.compile(r"[\u0d00-\u0d7f]"), 6),
    "km": (re.compile(r"[\u1780-\u17ff]"), 5),
    "my": (re.compile(r"[\u1000-\u109f]"), 5),
    "lo": (re.compile(r"[\u0e80-\u0eff]"), 5),
    "am": (re.compile(r"[\u1200-\u137f]"), 4),
}
_HAN = re.compile(r"[\u3400-\u9fff]")
_KANA = re.compile(r"[\u3040-\u30ff]")

# The most frequent short words of languages that share a script with others.
_FUNCTION_WORDS = {
    "en": "the of and to in is that for it with as was on be by are this from at or an which not "
    "we you has have can will been were their if may its but they one all more when other",
    "de": "der die und das ist nicht den von zu mit sich des auf für im dem ein eine als auch es "
    "an werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über oder",
    "fr": "le la les de des et un une du est que en dans qui pour pas par sur au avec ce il ne "
    "plus sont se aux cette ou mais d l qu sa son ont été elle",
    "es": "el la los las de y que en un una es por con para no se del al lo como más su pero sus "
    "son fue este ha está muy entre también o",
    "it": "il la di e che un una è per non in con del della sono i le si da al dei nel gli anche "
    "alla più come ma delle lo ha dal questo o degli nella",
    "pt": "o a os as de e que do da em um uma é para não com por no na se dos das mais como ao foi "
    "são pela pelo sua seu ou também está nos",
    "nl": "de het een en van is dat in op te zijn met voor niet aan er die ook als bij om door "
    "naar wordt worden uit heeft maar deze hij over dan of",
    "sv": "och att det som en är av för på med den till inte om har ett de var vid från kan ska "
    "eller men så också efter i denna under när mycket",
    "da": "og at det som en er af for på med den til ikke om har et de var ved fra kan skal eller "
    "men så også efter i denne under når blev meget hvor mellem",
    "no": "og at det som en er av for på med den til ikke om har et de var ved fra kan skal eller "
    "men så også etter i denne under når ble veldig hvor mellom noe",
    "fi": "ja on ei se että oli ovat kun mutta myös tai joka hän sen ole kuin niin jos ne vain "
    "jotka siitä mukaan sekä voi tämä ovat sitä jälkeen kanssa",
    "pl": "i w na z do że się nie to jest o od po za przez jak dla przy ale był są oraz tym jego "
    "tego co a który może być został jej które tylko",
    "cs": "a v na je se že z do s pro o to po jako od za by ale být při jsou které jeho také byl k "
    "ve který podle není jen nebo aby může",
    "sk": "a v na je sa že z do s pre o to po ako od za by ale byť pri sú ktoré jeho tiež bol k vo "
    "ktorý podľa nie len alebo aby môže",
    "hu": "a az és hogy nem is egy ez volt meg csak de van el ha vagy mint ki azt már lehet "
    "után között amely által minden még kell ezt volt",
    "ro": "de și în a la cu nu pe care un o este din să pentru că mai ca sau sunt fost prin dar "
    "lui au al se după între cele această",
    "tr": "ve bir bu için ile da de olarak daha çok en gibi ne olan sonra kadar ancak değil var "
    "her ya o ise göre tarafından oldu olduğu veya",
    "id": "yang dan di untuk dengan dari ini itu tidak pada adalah dalam akan ke oleh sebagai juga "
    "atau ada telah bisa karena dapat lebih mereka",
    "vi": "và của là có không được cho trong một các với những người để này đã khi từ như trên "
    "đến cũng ra vào về nhiều hơn",
    "ca": "el la els les de i que en un una és per amb no del al més com dels ha són però també "
    "aquest seva va ser l d als seu o",
    "ru": "и в не на что с по как это из к но для он от его за а так о бы же до или все был быть "
    "при также может должен которые она они только у если",
    "uk": "і в не на що з по як це із до але для він від його за та про або був бути при також "
    "може має які вона вони тільки у якщо й є",
    "bg": "и в не на че с по като това от за но да се е са при или беше той му към до които може "
    "също през който ще има след във със",
    "sr": "и у не на да се је са за од као то из а су по који или био може би али што које након",
    "ar": "في من على أن إلى عن هذا التي هذه الذي لا كان ما مع أو قد كل بعد ذلك و بين لم كانت يتم "
    "يجب إن هو هي",
    "fa": "و در به از که این را با است برای آن یک تا می بر های شده خود هم بود یا ها شود کرد اند",
    "ur": "کے کی میں ہے اور سے کا کو اس پر نے ہیں کہ یہ بھی ایک جو تھا نہیں لیے",
    "hi": "के में की है और से का को हैं पर ने यह कि इस एक भी लिए कर तो था नहीं जो किया गया",
    "mr": "आहे आणि या च्या हे ते की व आहेत होते तर एक मध्ये नाही केली असे होता करण्यात",
}


@cache
def _languages() -> Mapping[str, list[str]]:
    """Return the languages of which each of the words is one."""
    languages: dict[str, list[str]] = {}
    for language, words in _FUNCTION_WORDS.items():
        for word in set(words.split()):
            languages.setdefault(word, []).append(language)
    return languages


def examine(document: Document, chunks: Sequence[Chunk], embedder: Embedder) -> Health:
    """Return what a person should know of a document, from samples of it."""
    step = max(1, -(-len(chunks) // SAMPLE_CHUNKS))
    is_code = document.source.media_type == CODE
    return Health(
        language="" if is_code else find_language(document.text),
        unknown_share=embedder.unknown_share([chunk.text for chunk in chunks[::step]]),
        split_chunks=count_split(document, chunks),
    )


def find_language(text: str) -> str:
    """Return the language of a text as a code of ISO 639-1, "" when it is not clear.

    Scripts that one language is written in are counted; else the most frequent words of
    languages are, each less where it is a word of several.
    """
    sample = _sample(text).casefold()
    words = _WORD.findall(sample)
    if sample.isascii():
        return _by_function_words(words)
    amounts = {code: len(find.findall(sample)) / size for code, (find, size) in _SCRIPTS.items()}
    kana, han = len(_KANA.findall(sample)), len(_HAN.findall(sample))
    is_japanese = kana * 10 > han
    amounts["ja" if is_japanese else "zh"] = (kana + han) / 2
    best = max(amounts, key=lambda code: amounts[code])
    spaced = sum(not _is_of_a_script(word) for word in words)
    if amounts[best] > spaced:
        return best if amounts[best] >= _LEAST_HITS else ""
    return _by_function_words(words)


def _is_of_a_script(word: str) -> bool:
    char = word[0]
    return (
        "\u0980" <= char <= "\u137f"
        or "\u3040" <= char <= "\ud7af"
        or ("\u0370" <= char <= "\u03ff" or "\u0530" <= char <= "\u05ff")
    )


def _by_function_words(words: Sequence[str]) -> str:
    hits: Counter[str] = Counter()
    scores: Counter[str] = Counter()
    for word, times in Counter(words).items():
        languages = _languages().get(word, [])
        for language in languages:
            hits[language] += times
            scores[language] += times * 12 // len(languages)
    (best, score), (_, second) = [*scores.most_common(2), ("", 0), ("", 0)][:2]
    enough = hits[best] >= max(_LEAST_HITS, _LEAST_SHARE * len(words))
    return best if enough and score >= _LEAST_LEAD * second else ""


def _sample(text: str) -> str:
    """Return slices spread evenly over a text, the whole of a short one."""
    if len(text) <= SAMPLE_CHARACTERS:
        return text
    size = SAMPLE_CHARACTERS // _SLICES
    step = (len(text) - size) // (_SLICES - 1)
    return " ".join(text[n * step : n * step + size] for n in range(_SLICES))


def count_split(document: Document, chunks: Sequence[Chunk]) -> int:
    """Count the chunks that end inside a sentence or row."""
    return sum(_are_split(document, chunks))


def _are_split(document: Document, chunks: Sequence[Chunk]) -> Iterator[bool]:
    text, is_code = document.text, document.source.media_type == CODE
    tables = iter(document.tables)
    table = next(tables, None)
    for chunk, following in pairwise(chunks):
        end, start = chunk.end, following.start
        if start < end:  # it repeats the end of this one
            start = following.end - len(text[end : following.end].lstrip())
        while table and table.end <= end:
            table = next(tables, None)
        in_table = table is not None and table.start < end
        if "\n" in text[end:start]:
            yield not (is_code or in_table) and _goes_on(text, end, start)
        else:
            yield is_code or in_table or not _is_sentence_end(text, chunk.start, start)


def _goes_on(text: str, end: int, start: int) -> bool:
    """Tell a sentence that goes on in the next line from lines that stand for themselves."""
    last = text[end - 1]
    is_long = "\n" not in text[max(0, end - _WRAPPED) : end] and end >= _WRAPPED
    goes_on = (last.isalpha() or last == ",") and text[start].islower()
    return is_long and goes_on and text[end:start] == "\n"


def _is_sentence_end(text: str, low: int, place: int) -> bool:
    window = SENTENCE_END.finditer(text, max(low, place - 64), place + 1)
    return any(found.end() == place and ends_sentence(text, found) for found in window)
