"""`rag tune`: find settings under which labelled questions are answered better."""

from __future__ import annotations

import argparse
import re
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from ingest.base.errors import SettingsError
from rag.cli.console import Terminal
from rag.cli.measuring.bench import Bench
from rag.cli.measuring.env_file import check_writable, write_settings
from rag.cli.measuring.figures import warn_of_cases, warn_of_evidence
from rag.cli.options import load_settings, with_server
from rag.cli.show import show_json
from rag.evaluation.base.cases import Case, CaseSet
from rag.evaluation.base.errors import RunUnusable
from rag.evaluation.measures.registry import default_measures, find_measure
from rag.evaluation.reading.read import read_cases
from rag.evaluation.tune.decide import told
from rag.evaluation.tune.report import CORRECTED, best_lines, write_tuning
from rag.evaluation.tune.space import CUTTING, Setting, tell, usual_axes
from rag.evaluation.tune.trials import Trial
from rag.evaluation.tune.tune import TuneReport, check, tune
from rag.index.base.errors import IndexMissing
from rag.index.base.lock import Lock
from rag.settings import PREFIX, Settings, given_outside

TUNABLE = (*CUTTING, "fusion", "top_k", "passages_per_file", "passages_tokens", "query_prefix")

_PLACES = ("index_dir", "endpoint", "parse_workers")  # With another model no index is read.
_REFUSAL = ("wrongly-refused", "wrongly-answered")  # Other passages change what is refused.


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Search for better settings, confirm them, write the report, and the settings if wanted."""
    began = time.monotonic()
    settings = load_settings(options)
    wanted = _wanted(options.try_values, settings)
    cases = _read(options)
    check(options.measure, cases.cases[: options.limit])
    if options.write:
        check_writable(Path(options.write))
    if not options.docs and not settings.index_dir.exists():
        raise IndexMissing(
            f"there is no index in {settings.index_dir}", "rag ingest FOLDER, or --docs FOLDER"
        )
    folder = _folder(options, settings)
    seconds = 60 * options.minutes - (time.monotonic() - began)
    with _alone(folder):
        report = with_server(
            settings,
            terminal,
            lambda chosen: _tune(chosen, cases, wanted, seconds, folder, options, terminal),
        )
        path = write_tuning(folder, report)
    if options.json:
        show_json(terminal, report)
    else:
        _show(terminal, report)
    terminal.note(f"written: {path}")
    if report.chosen:
        _write(options, report, settings, terminal)
    elif options.write:
        terminal.note(f"{options.write} stays as it is")
    return 0


def _read(options: argparse.Namespace) -> CaseSet:
    columns = {}
    for pair in options.columns:
        part, equals, column = pair.partition("=")
        if not equals:
            raise SettingsError(f"--columns {pair}: no column", "write --columns PART=COLUMN")
        columns[part] = column
    return read_cases(options.cases, columns or None, options.split)


def _folder(options: argparse.Namespace, settings: Settings) -> Path:
    if options.run:
        return Path(options.run).expanduser()
    name = re.sub(r"[^\w.-]+", "-", Path(options.cases).resolve().stem)
    return settings.index_dir / "runs" / f"tune-{name}"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others from the folder of a run, whose copies each would make anew."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RunUnusable(
            f"{folder} cannot be a run: {error.strerror}", "name another folder: --run DIR"
        ) from error
    lock = Lock(folder, "lock")
    if not lock.try_acquire("rag tune"):
        raise RunUnusable(
            f"another process writes {folder}: {lock.holder()}",
            "wait for it, or name another folder: --run DIR",
        )
    try:
        yield
    finally:
        lock.release()


def _wanted(pairs: list[str], settings: Settings) -> dict[str, tuple[Setting, ...]]:
    """Return the values to try by setting, each checked as a setting of its own."""
    wanted: dict[str, tuple[Setting, ...]] = {}
    for pair in pairs:
        name, _, values = pair.lower().partition("=")
        name = name.strip().removeprefix(PREFIX.lower()).replace("-", "_")
        if name not in TUNABLE or not values:
            raise SettingsError(
                f"--try {pair}: no setting with values",
                f"write NAME=VALUE,VALUE; there are {', '.join(TUNABLE)}",
            )
        flags = {name: f"--try {name}"}
        tried = [Settings.load({name: value.strip()}, flags) for value in values.split(",")]
        wanted[name] = tuple(
            dict.fromkeys((getattr(settings, name), *(getattr(one, name) for one in tried)))
        )
    return wanted


def _tune(
    settings: Settings,
    cases: CaseSet,
    wanted: dict[str, tuple[Setting, ...]],
    seconds: float,
    folder: Path,
    options: argparse.Namespace,
    terminal: Terminal,
) -> TuneReport:
    """Measure on copies of the index, in the folder of the run, and remove them."""
    began = time.monotonic()
    taken = cases.cases[: options.limit]
    usual = default_measures(answers=False, judge=False)
    measures = dict.fromkeys((options.measure, *usual, *_REFUSAL))
    bench = Bench(
        settings,
        folder,
        options.docs,
        tuple(measures),
        [case.question for case in taken],
        terminal.on_wait,
        terminal.note,
    )
    try:
        made_with = bench.prepare()
        warn_of_cases(Path(options.cases), bench.index, terminal)
        warn_of_evidence(replace(cases, cases=taken), bench.index, terminal)
        present: dict[str, Setting] = {name: getattr(settings, name) for name in TUNABLE}
        reading = find_measure(options.measure).needs == "context"
        axes = usual_axes(present, reading=reading, prefix=bench.has_prefix) | wanted
        report = tune(
            bench,
            taken,
            present,
            axes,
            options.measure,
            seconds=seconds - (time.monotonic() - began),
            folder=folder,
            made_with=f"{made_with} {options.measure} {_hash(taken)}",
            on_trial=lambda trial, what: _tell(terminal, options.measure, trial, what),
        )
        bench.remove()
        return report
    finally:
        bench.close()


def _hash(cases: Sequence[Case]) -> str:
    return sha256(repr(cases).encode("utf-8", "surrogatepass")).hexdigest()


def _tell(terminal: Terminal, measure: str, trial: Trial, what: str) -> None:
    value = trial.mean(trial.values)
    told = "-" if value is None else f"{value:.3f}"
    terminal.note(f"{measure} {told} on {len(trial.values)} cases: {what}")


def _show(terminal: Terminal, report: TuneReport) -> None:
    terminal.say(f"{report.measure:>9}  cases  what is changed")
    for line in best_lines(report.tried):
        terminal.say(line)
    terminal.say(f"{report.train} cases chose, {report.test} others confirmed")
    if report.decision.differences:
        terminal.say(CORRECTED, "dim")
    for difference in report.decision.differences[1:]:
        terminal.say(f"  {told(difference)}", "dim")
    for note in (*report.decision.notes, *report.notes):
        terminal.note(note, "yellow")
    terminal.say(report.decision.words, "bold")
    if report.chosen:
        terminal.say(f"change: {tell(report.chosen)}", "bold")


def _write(
    options: argparse.Namespace, report: TuneReport, settings: Settings, terminal: Terminal
) -> None:
    lines = [
        f"{PREFIX}{name.upper()}={'' if value is None else value}"
        for name, value in report.chosen.items()
    ]
    if options.write:
        write_settings(Path(options.write), report.chosen)
        terminal.note(f"written to {options.write}: {', '.join(lines)}")
    else:
        terminal.note(f"to take them over, add --write .env: {', '.join(lines)}")
    _warn_of_others(report, settings, terminal)
    if any(name in CUTTING for name in report.chosen):
        again = f" {shlex.quote(options.docs)}" if options.docs else ""
        terminal.note(f"then read the documents again: rag ingest{again}")


def _warn_of_others(report: TuneReport, settings: Settings, terminal: Terminal) -> None:
    """Warn of what wins over the file, and of what was measured with and is not in it."""
    if winning := given_outside(report.chosen):
        terminal.warn(f"the environment gives {', '.join(winning)}, which wins over any file")
        terminal.note(f"fix: unset {' '.join(winning)}")
    kept = Settings.load()
    flags = [
        name
        for name in Settings.model_fields
        if getattr(settings, name) != getattr(kept, name)
        and name not in report.chosen
        and name not in _PLACES
    ]
    if flags:
        terminal.warn(f"confirmed with {', '.join(flags)} as given with this command only")
        terminal.note("fix: give the same with each command, or write them to the file as well")
