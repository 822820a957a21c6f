"""Measure the check of citations on true and corrupted answers made from a folder of documents.

    python tests/benchmarks/citations.py [FOLDER CASES]

FOLDER and CASES are the sample data unless given.  Sentences and dated lines of the documents become
true answers (quoted, shortened, said in other words or other forms, merged) and wrong ones: a value
changed for one from elsewhere, for another of the very passage cited, or for one near it; a unit
changed, a "not" put in, the mark moved, halves mixed, a sentence invented.  What is changed is found
by the patterns here, not by those of the check.  Everything follows from the seed; constants were
chosen on the half with an even SHA-256, the bars are those of the odd half.
"""

from __future__ import annotations

import json
import random
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from ingest import ParseError
from ingest.base.documents import Chunk, Place, Source
from ingest.chunk import chunk_document
from ingest.parse.base.media import media_type_of
from ingest.parse.base.reading import Reading
from ingest.parse.read import read_document
from ingest.sentences import sentence_spans
from ingest.tokens import estimate_tokens
from rag.query.base.hits import Hit
from rag.query.verify.check import check_answer

SAMPLES = Path(__file__).parents[2] / "data"
SEED, PASSAGES, CHUNK_TOKENS, LONG_TOKENS = 5, 10, 200, 2000
MOST_SENTENCES, LINES_PER_FILE = 1500, 12
HARD = ("number anywhere", "number near", "date anywhere", "date near", "name anywhere")
"""Kinds of corruption that the bar is set for: 0.95 marked, at most 0.02 of what is true."""

_SYNONYMS = r"""
\bmust\b=has to|\bmay be\b=can be|\bEveryone\b=Everybody|\bat least\b=a minimum of|\bbecause\b=since|
\bneeds\b=requires|\bpaid\b=reimbursed|\bbefore\b=prior to|\bIt\b=This|\bare\b=were|\bbig\b=large|
\bbought\b=purchased|\bwohnen\b=leben|\bhöchstens\b=maximal|\bmuss\b=hat zu|需要=须|可以=能"""
_NOT = r"""
\bmust\b=must not|\bmay\b=may not|\bcan\b=cannot|\bis\b=is not|\bare\b=are not|\bwas\b=was not|
\bwere\b=were not|\bhas\b=does not have|\bist\b=ist nicht|\bwird\b=wird nicht|\bwar\b=war nicht|
\bwerden\b=werden nicht|\bsind\b=sind nicht|\bwurde\b=wurde nicht|需要=不需要|可以=不可以|(?<!不)是=不是"""
_FORMS = r"""
(?<![\d.,])(\d{1,3}),(\d{3})(?![\d,])=\1\2|\b(\d+) percent\b=\1 %|\b(\d+) euro\b=€\1|\bkilometres\b=km"""
_UNITS = """
days=weeks day=week weeks=months week=month months=years years=weeks hours=minutes minutes=hours
seconds=hours euro=dollars dollars=euro percent=euro degrees=percent km=miles miles=metres mm=cm cm=mm
kilometres=miles metres=kilometres kg=g litres=kilograms volts=amperes Nm=bar V=A Euro=Dollar
Tage=Wochen Wochen=Monate Monate=Jahre Jahre=Wochen Stunden=Minuten Minuten=Stunden Meter=Kilometer
Kilometer=Meter Grad=Prozent Prozent=Grad Kilogramm=Gramm 天=周 个工作日=个月 元=美元 个月=年 公里=米"""
_ENGLISH = str.split("""
January February March April May June July August September October November December""")
_GERMAN = str.split("""
Januar Februar März April Mai Juni Juli August September Oktober November Dezember""")
_MONTHS = {
    m[:n]: i for names in (_ENGLISH, _GERMAN) for i, m in enumerate(names, 1) for n in (3, 9)
}
_WORDS = str.split("""
zero one two three four five six seven eight nine ten eleven twelve""")
_ZAHLEN = str.split("""
null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf""")
_SPELT = {word: i for words in (_WORDS, _ZAHLEN) for i, word in enumerate(words) if i > 1}
_M = "|".join(sorted(_MONTHS, key=len, reverse=True))
_YEAR = str.split("""
in im since seit until bis of from nach after before vor by Jahr Jahre year""")
_YEAR_AFTER = "|".join(rf"(?<=\b{word} )" for word in _YEAR)
_DATE = re.compile(
    r"(?<![\w-])(?P<y1>\d{4})-(?P<m1>\d\d)-(?P<d1>\d\d)(?![\d-])"
    rf"|(?<![\w.])(?P<d2>\d{{1,2}})(?:\.|st|nd|rd|th)? (?P<m2>{_M})\b\.?(?: (?P<y2>\d{{4}})\b)?"
    rf"|\b(?P<m3>{_M})\.? (?P<d3>\d{{1,2}})(?!\d)(?:, (?P<y3>\d{{4}})\b)?"
    rf"|\b(?P<m4>{_M}) (?P<y4>\d{{4}})\b"
    r"|(?<![\w.])(?P<d5>\d{1,2})\.(?P<m5>\d{1,2})\.(?P<y5>\d{4})(?!\d)"
    r"|(?<![\w/])(?P<d6>\d{1,2})/(?P<m6>\d{1,2})/(?P<y6>\d{4})(?![\w/])"
    r"|(?:(?P<y7>\d{4}) ?年 ?)?(?P<m7>\d{1,2}) ?月 ?(?P<d7>\d{1,2}) ?日|(?P<y8>\d{4}) ?年"
    rf"|(?:{_YEAR_AFTER})(?P<y9>1\d{{3}}|20\d\d)"
    r"(?![\w-]|[.,]\d| ?(?:[%€$]|[Ee]uro|[Mm]eter|km|m|kg|people|Menschen)\b)"
)  # fmt: skip
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.,:/§#-])\d+(?:[.,]\d+)?(?![A-Za-z0-9_:/]|-\d|[.,]\d)"
    rf"|\b(?:{'|'.join(_SPELT)})\b"
)
_NAME = re.compile(r"(?<![\w-])[A-ZÄÖÜ][^\W\d_-]+(?:[ -][A-ZÄÖÜ][^\W\d_-]+)*(?![\w-])")
_IS_GERMAN = re.compile(r"\b(?:der|und|das|ist|eine?|im|wird|den|nach|bei|für|zu|mit|die)\b")
_UNUSUAL = re.compile(r'[{}<>"=\[\]]|[.!?] +[A-ZÄÖÜ]|。.')
_NO_NAME = {word.casefold() for word in _MONTHS}
_NO_NAME |= {"the", "section", "table", "figure", "chapter", "page", "appendix"}
_NO_NAME |= {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
_NO_NAME |= {"montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag"}


@dataclass(frozen=True)
class Value:
    """A value as it is written at `start:end`; two that share a reading say the same."""

    kind: str
    written: str
    start: int
    end: int
    readings: frozenset[str]

    def agrees(self, other: Value) -> bool:
        if self.kind != "date" or other.kind != "date":
            return self.kind == other.kind and bool(self.readings & other.readings)
        mine, its = (dict(one.split() for one in value.readings) for value in (self, other))
        shared = mine.keys() & its.keys()
        return bool(shared) and all(mine[part] == its[part] for part in shared)


@dataclass(frozen=True)
class Item:
    """A sentence of a chunk, or a line with a date that is none."""

    text: str
    chunk: Chunk
    is_line: bool = False

    @property
    def order(self) -> bytes:
        return sha256(f"{self.chunk.document_id}\n{self.text}".encode()).digest()

    @property
    def parts(self) -> list[str]:
        """What the passage says, in sentences and lines."""
        return [*sentences_of(self.chunk), *self.chunk.text.splitlines()]


@dataclass(frozen=True)
class Sample:
    kind: str
    text: str
    context: tuple[Hit, ...]
    is_true: bool
    number: int
    is_odd: bool


def find_values(text: str, lower: frozenset[str]) -> list[Value]:
    """Dates, then numbers outside of them, then names; `lower` are words that are no names."""
    found = []
    for m in _DATE.finditer(text):
        parts = {key[0]: one for key, one in m.groupdict().items() if one}
        said = frozenset(f"{key} {_MONTHS.get(one) or int(one)}" for key, one in parts.items())
        found.append(Value("date", m[0], *m.span(), said))
    text = _DATE.sub(lambda m: "\0" * len(m[0]), text)
    for m in _NUMBER.finditer(text):
        plain = [m[0].replace(",", ""), m[0].replace(".", "").replace(",", ".")]
        said = frozenset(f"{float(_SPELT.get(m[0], one))}" for one in plain)
        found.append(Value("number", m[0], *m.span(), said))
    for m in _NAME.finditer(text):
        said = frozenset(re.split("[ -]", m[0].casefold()))
        begins = not re.search(r"[^\W_][,;]? ?\Z|[)%€] \Z", text[: m.start()])
        # German begins nouns with a capital: one alone, or the first words, may be no name.
        german = not m[0].isupper() and bool(_IS_GERMAN.search(text))
        unclear = (begins and german) or (len(said) == 1 and (begins or german))
        if not said & (lower | _NO_NAME) and len(m[0]) > 2 and not unclear:
            found.append(Value("name", m[0], *m.span(), said))
    return found


def swap(text: str, pairs: str, *, first: bool = False) -> str:
    """Change what the pairs name, each once; with `first` only the first that occurs."""
    for pattern, other in (pair.strip().split("=") for pair in pairs.split("|") if "=" in pair):
        changed = re.sub(pattern, other, text, count=1)
        if first and changed != text:
            return changed
        text = changed
    return text


def place_at(chunk: Chunk, _offset: int) -> Place:
    return Place(chunk.page, chunk.place)


def count(texts: Sequence[str]) -> list[int]:
    return list(map(estimate_tokens, texts))


def read_chunks(folder: Path) -> list[Chunk]:
    chunks: list[Chunk] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        source = Source(name, str(folder), path, media_type_of(path.name), path.stat().st_size, 1)
        try:
            document = read_document(source, Reading(ocr=False))
        except ParseError:
            continue
        chunks += chunk_document(document, CHUNK_TOKENS, count, "benchmark")
    return chunks


def read_items(chunks: Sequence[Chunk], cases: Path, most: int) -> list[Item]:
    """Sentences that could be said in an answer, those with evidence of a case first, then lines."""
    excerpts: dict[str, list[str]] = defaultdict(list)
    for case in map(json.loads, cases.read_text(encoding="utf-8").splitlines()):
        for evidence in case["evidence"]:
            excerpts[evidence["doc"]].append(evidence.get("excerpt") or "\0")
    sentences: list[Item] = []
    lines: dict[str, list[Item]] = defaultdict(list)
    for chunk in chunks:
        said = [text for text in sentences_of(chunk) if _is_sentence(text)]
        sentences += [Item(text, chunk) for text in said]
        for line in chunk.text.splitlines():
            line = " ".join(re.sub(r"\s*[|\t]\s*", "; ", line.strip("|#*-• \t")).split())
            usual = 8 <= len(line) <= 220 and not _UNUSUAL.search(line)
            words = usual and _DATE.search(line) and re.search(r"[^\W\d_]{3}", _DATE.sub("", line))
            if words and not any(line in text for text in said):
                lines[chunk.document_id].append(Item(line, chunk, is_line=True))
    sentences.sort(key=lambda one: (
        not any(part in one.text for part in excerpts[one.chunk.document_id]), one.order))  # fmt: skip
    few: list[Item] = []
    for some in lines.values():
        few += sorted(some, key=lambda one: one.order)[:LINES_PER_FILE]
    few.sort(key=lambda one: one.order)
    return sentences[:most] + few[: most // 3]


def sentences_of(chunk: Chunk) -> list[str]:
    return [" ".join(chunk.text[a:b].split()) for a, b in sentence_spans(chunk.text)]


def _is_sentence(text: str) -> bool:
    plain = not re.search(r"[|{}<>=\[\]\"]|^#|^\s*[-*–]\s|^\d|\d\.$", text)
    signs, words = re.findall(r"[\u4e00-\u9fff]", text), re.findall(r"[^\W\d_]+", text)
    long = len(signs) >= 10 or 6 <= len(words) <= 40
    return plain and long and text.endswith((".", "!", "。", "！"))


class Maker:
    """Makes samples of the items; every choice follows from the seed."""

    def __init__(self, chunks: Sequence[Chunk], items: Sequence[Item]) -> None:
        self.chunks, self.items = list(chunks), list(items)
        self.lower = frozenset(
            word for c in chunks for word in re.findall(r"\b[a-zäöüß]\w+", c.text)
        )
        whole = {c.id: f"{c.text}\n{c.heading}\n{c.columns}" for c in chunks}
        self.values = {key: find_values(text, self.lower) for key, text in whole.items()}
        pool = {v.written: v for c in chunks for v in find_values(c.text, self.lower)}
        self.pool = sorted(pool.values(), key=lambda value: value.written)

    def samples(self) -> Iterator[Sample]:
        for i, item in enumerate(self.items):
            choose = random.Random(f"{SEED} {i} {item.text}")
            context, n = self._context(item, choose)
            is_odd = item.order[0] % 2 == 1
            for kind, text in self._true(item, n, context, choose):
                yield Sample(kind, text, context, True, n, is_odd)
            shown = [" ".join(hit.chunk.text.split()) for hit in context]
            for kind, text in self._wrong(item, context, choose):
                if text != item.text and not any(text in one for one in shown):
                    yield Sample(kind, cite(text, n), context, False, n, is_odd)
            if not item.is_line:
                other = choose.choice([k for k in range(1, len(context) + 1) if k != n])
                yield Sample("moved", cite(item.text, other), context, False, n, is_odd)

    def _context(self, item: Item, choose: random.Random) -> tuple[tuple[Hit, ...], int]:
        mine = item.chunk.document_id
        same = [c for c in self.chunks if c.document_id == mine and c.id != item.chunk.id]
        others = [c for c in self.chunks if c.document_id != mine]
        chosen = [item.chunk, *choose.sample(same, min(3, len(same)))]
        chosen += choose.sample(others, min(PASSAGES - len(chosen), len(others)))
        choose.shuffle(chosen)
        hits = tuple(Hit(c, 1.0, rank, {}) for rank, c in enumerate(chosen, start=1))
        return hits, chosen.index(item.chunk) + 1

    def _true(self, item: Item, n: int, context: Sequence[Hit], choose: random.Random) -> Iterator[tuple[str, str]]:  # fmt: skip
        text = item.text
        if item.is_line:
            yield "line", f"{text} [{n}]"
            return
        yield "quoted", f'"{text}" [{n}]'
        yield "copied", choose.choice([cite(text, n), f"{text} [{n}]"])
        for kind, change in _CHANGES.items():
            changed = change(text, choose)
            if changed and changed != text:
                yield kind, cite(changed, n)
        yield "lead-in", choose.choice([
            f"According to [{n}], {text}", f"Here is what the documents say:\n\n- {cite(text, n)}",
            f"**Answer:** {cite(text, n)}"])  # fmt: skip
        seconds = [(t, hit.rank) for hit in context for t in sentences_of(hit.chunk)
                   if hit.rank != n and _is_sentence(t)]  # fmt: skip
        if seconds:
            second, number = choose.choice(seconds)
            yield "merged", f"{text.rstrip('.。')} [{n}], and {second.rstrip('.。')} [{number}]."

    def _wrong(self, item: Item, context: Sequence[Hit], choose: random.Random) -> Iterator[tuple[str, str]]:  # fmt: skip
        text, mine = item.text, find_values(item.text, self.lower)
        for value in mine:
            if item.is_line and value.kind != "date":
                continue
            pool = [v for v in self.pool if v.kind == value.kind]
            pool = choose.sample(pool, min(len(pool), 50))
            held = [v for v in self.values[item.chunk.id] if v.kind == value.kind]
            strange = [v for v in pool if not any(v.agrees(one) for one in held)]
            here = [v for v in held if v.end <= len(item.chunk.text)]
            for row, others in (("anywhere", strange), ("same passage", here)):
                others = [v for v in others if not any(v.agrees(one) for one in mine)]
                choose.shuffle(others)
                texts = (text[: value.start] + v.written + text[value.end :] for v in others)
                changed = next((one for one in texts if not stays_true(one, item)), None)
                if changed:
                    yield f"{value.kind} {row}", changed
            near = shift(value.written, choose) if value.kind != "name" else value.written
            if near != value.written and not any(near == v.written for v in held):
                yield f"{value.kind} near", text[: value.start] + near + text[value.end :]
        if item.is_line:
            return
        amount = rf"((?:\d|\b(?:{'|'.join(_SPELT)})\b) ?(?:working |calendar )?)"
        units = [re.sub(rf"{amount}{unit}(?![a-zäöü])", rf"\g<1>{other}", text, count=1)
                 for unit, other in (pair.split("=") for pair in _UNITS.split())]  # fmt: skip
        yield "unit", choose.choice([changed for changed in units if changed != text] or [text])
        yield "negation", put_not(text)
        shown = {hit.chunk.document_id for hit in context}
        others = [
            one.text for one in self.items if not one.is_line and one.chunk.document_id not in shown
        ]
        if others:
            yield "invented", choose.choice(others)
            words, tail = text.split(), choose.choice(others).split()
            if len(words) >= 6 and len(tail) >= 6:
                yield "mixed", " ".join([*words[: len(words) // 2], *tail[len(tail) // 2 :]])


def cite(text: str, n: int) -> str:
    end = text[-1] if text[-1] in ".。!！" else ""
    return f"{text.removesuffix(end)} [{n}]{end or '.'}"


def stays_true(changed: str, item: Item) -> bool:
    """Say whether a sentence or line of the passage has all words of the changed one."""
    words = {*re.findall(r"\w+", changed)}
    return any(words <= {*re.findall(r"\w+", part)} for part in item.parts)


def shift(written: str, choose: random.Random) -> str:
    """Another value that looks much the same: a few more or less, digits swapped, another month."""
    if written in _SPELT:
        words = _WORDS if written in _WORDS else _ZAHLEN
        return choose.choice([word for word in words[2:] if word != written])
    run = choose.choice(list(re.finditer(rf"\d+|{_M}", written)))
    if run[0] in _MONTHS:
        names = _ENGLISH if run[0] in {m[:n] for m in _ENGLISH for n in (3, 9)} else _GERMAN
        new = choose.choice([name for name in names if _MONTHS[name] != _MONTHS[run[0]]])
    elif len(run[0]) < 3 and _DATE.fullmatch(written):
        new = str(int(run[0]) % 12 + 1)
    else:
        value, few, i = int(run[0]), choose.randint(1, 9), choose.randrange(len(run[0]))
        swapped = run[0][:i] + run[0][i : i + 2][::-1] + run[0][i + 2 :]
        new = choose.choice([str(value + few), str(abs(value - few)), swapped])
    return written[: run.start()] + new.zfill(len(run[0])) + written[run.end() :]


def shorten(text: str, _choose: random.Random) -> str | None:
    parts = re.split(r"(?<=\w), (?=\w)|; |，", text.rstrip(".。"))
    long = len(parts[0].split()) >= 5 or len(re.findall(r"[\u4e00-\u9fff]", parts[0])) >= 8
    return parts[0] + "." if len(parts) > 1 and long else None


def reorder(text: str, _choose: random.Random) -> str | None:
    found = re.fullmatch(r"(If|When|After|Before|Since|Where|Wenn|Sobald) ([^,]+), ([^,]+)\.", text)
    return f"{found[3][0].upper()}{found[3][1:]} {found[1].lower()} {found[2]}." if found else None


def reform_number(text: str, _choose: random.Random) -> str:
    text = swap(text, _FORMS)
    for word in _WORDS[2:]:
        pattern = rf"(?<![-\w]){word}(?= (?!of)\w)(?! (?:and|to) )"
        text = re.sub(pattern, str(_SPELT[word]), text)
    return text


def reform_date(text: str, choose: random.Random) -> str:
    german = bool(_IS_GERMAN.search(text))
    spelt = "{d}. {name} {y}" if german else "{name} {d}, {y}"
    form = choose.choice(["{y}-{m:02d}-{d:02d}", spelt, "{d:02d}.{m:02d}.{y}"])

    def rewrite(found: re.Match[str]) -> str:
        said = {key[0]: one for key, one in found.groupdict().items() if one}
        if len(said) < 3:
            return found[0]
        year, month, day = int(said["y"]), _MONTHS.get(said["m"]) or int(said["m"]), int(said["d"])
        return form.format(
            y=year, m=month, d=day, name=(_GERMAN if german else _ENGLISH)[month - 1]
        )

    return _DATE.sub(rewrite, text)


_CHANGES: Mapping[str, Callable[[str, random.Random], str | None]] = {
    "shortened": shorten,
    "reordered": reorder,
    "synonyms": lambda text, _choose: swap(text, _SYNONYMS),
    "number form": reform_number,
    "date form": reform_date,
}


def put_not(text: str) -> str:
    if re.search(r"\b(?:not|never|no|nicht|kein\w*|none|without|nothing)\b|不|没", text):
        return re.sub(r"\b(?:not|never|nicht) |不", "", text, count=1)
    return swap(text, _NOT, first=True)


def is_marked(sample: Sample) -> bool:
    """Say whether the check marks the answer, or mends a mark that was moved."""
    checked = check_answer(sample.text, sample.context, place_at)
    mended = {number for statement in checked.statements for number in statement.numbers}
    return (any(not statement.supported for statement in checked.statements)
            or (sample.kind == "moved" and mended == {sample.number}))  # fmt: skip


def make_samples(folder: Path, cases: Path, most: int = MOST_SENTENCES) -> list[Sample]:
    chunks = read_chunks(folder)
    return list(Maker(chunks, read_items(chunks, cases, most)).samples())


def rate(samples: Sequence[Sample], kinds: Sequence[str], *, is_true: bool) -> float:
    """Return the share of samples of these kinds that were marked; of all kinds without."""
    chosen = [s for s in samples if s.is_true == is_true and (not kinds or s.kind in kinds)]
    return sum(map(is_marked, chosen)) / (len(chosen) or 1)


def join(chunks: Sequence[Chunk]) -> list[Hit]:
    """Return one passage of the first chunks, as long as a whole context may be."""
    texts, tokens = [], 0
    for chunk in dict.fromkeys(chunks):
        texts, tokens = [*texts, chunk.text], tokens + estimate_tokens(chunk.text)
        if tokens >= LONG_TOKENS:
            break
    text = "\n\n".join(texts)
    return [Hit(replace(chunks[0], text=text, start=0, end=len(text), tokens=tokens), 1.0, 1, {})]


def print_times(samples: Sequence[Sample]) -> None:
    """Print milliseconds of processor time for an answer of five sentences, on average and at most."""
    chunks = list(dict.fromkeys(hit.chunk for sample in samples for hit in sample.context))
    dense = sorted(chunks, key=lambda c: -len(re.findall(r"\d+", c.text)) / len(c.text))
    rows: tuple[tuple[str, str, str], ...] = (
        ("right marks", "copied", ""), ("wrong marks", "copied", "wrong"), ("no marks", "copied", "none"),
        ("wrong numbers", "number near", ""), ("right, one passage of 2,000 tokens", "copied", "long"),
        ("wrong numbers, the same", "number near", "long"),
        ("wrong numbers, one passage full of numbers", "number near", "dense"))  # fmt: skip
    print("\nan answer of five sentences takes (ms)   mean   most")
    for name, kind, way in rows:
        chosen, taken = [sample for sample in samples if sample.kind == kind], []
        for five in [chosen[i : i + 5] for i in range(0, min(len(chosen) - 4, 200), 5)]:
            hits = [sample.context[sample.number - 1] for sample in five]
            hits += [hit for hit in five[0].context if hit not in hits][:5]
            if way in ("long", "dense"):
                hits = join(
                    [*(hit.chunk for hit in hits[:5]), *(dense if way == "dense" else chunks)]
                )
            shown = {"": [1, 2, 3, 4, 5], "wrong": [2, 3, 4, 5, 1], "none": []}.get(way, [1] * 5)
            marks = [f"[{n}]" for n in shown] or [""] * 5
            # Said a little otherwise, so that no sentence is simply found as it is written.
            text = " ".join(re.sub(r"\[\d+\]", m, s.text) for s, m in zip(five, marks, strict=True))
            text = text.replace(" were ", " had been ").replace(" is ", " has been ")
            started = time.process_time()
            check_answer(text, hits, place_at)
            taken.append((time.process_time() - started) * 1000)
        if taken:
            print(f"  {name:<42} {sum(taken) / len(taken):6.1f} {max(taken):6.1f}")


def main(arguments: Sequence[str]) -> None:
    paths = [Path(one) for one in arguments if one != "-v"]
    folder, cases = paths or [SAMPLES / "documents", SAMPLES / "cases.jsonl"]
    samples = make_samples(folder, cases)
    total: Counter[tuple[bool, str, bool]] = Counter()
    marked: Counter[tuple[bool, str, bool]] = Counter()
    for sample in samples:
        caught = is_marked(sample)
        for kind in (sample.kind, "all", *(["the bar's kinds"] if sample.kind in HARD else [])):
            total[sample.is_true, kind, sample.is_odd] += 1
            marked[sample.is_true, kind, sample.is_odd] += caught
        if "-v" in arguments and caught == sample.is_true and not sample.is_odd:
            print(f"? {sample.kind}: {sample.text[:220]!r}")
    print(f"{len(samples)} answers; marked:             even half            odd half")
    for is_true, kind in sorted({(key[0], key[1]) for key in total}, reverse=True):
        cells = [f"{marked[key]:>5} of {total[key]:<5} {marked[key] / (total[key] or 1):.3f}"
                 for key in ((is_true, kind, False), (is_true, kind, True))]  # fmt: skip
        print(f"  {'true ' if is_true else 'wrong'} {kind:<20} {'    '.join(cells)}")
    print_times(samples)


if __name__ == "__main__":
    main(sys.argv[1:])
