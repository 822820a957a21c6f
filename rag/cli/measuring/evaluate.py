"""`rag evaluate`: a file of labelled questions in, how well they are answered out."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ingest.base.errors import SettingsError
from ingest.discover.plan import real_folder
from rag.batch.run import HOPELESS, choose_preparation
from rag.cli.commands.ingest import ingest_with_progress
from rag.cli.console import Terminal
from rag.cli.measuring.asking import asking, choose_measures
from rag.cli.measuring.figures import (
    list_measures,
    show_figures,
    warn_of_cases,
    warn_of_evidence,
)
from rag.cli.measuring.judging import hold_against_people, judging
from rag.cli.options import load_settings, warn_of_remote, with_server
from rag.cli.show import show_json
from rag.evaluation.base.cases import CaseSet
from rag.evaluation.base.errors import RunUnusable
from rag.evaluation.base.rows import Manifest, Report, Row
from rag.evaluation.judge.judge import Judge
from rag.evaluation.pipeline import evaluate
from rag.evaluation.reading.documents import write_documents
from rag.evaluation.reading.ragas import write_ragas
from rag.evaluation.reading.read import read_cases
from rag.evaluation.reading.trec import write_trec
from rag.evaluation.report.write import write_report
from rag.evaluation.runs.folder import (
    DOCUMENTS,
    INDEX,
    RUN,
    check_folder,
    count_done,
    set_aside,
)
from rag.evaluation.runs.manifest import describe, make_manifest
from rag.history.kept import TELLING_SETTINGS
from rag.history.records import plain
from rag.models.base.errors import ModelUnavailable
from rag.pipeline import Pipeline
from rag.settings import Settings

EXIT_SOME_FAILED = 2
RUNS = "runs"
_SHARE_OF_NAME = 40  # characters of the file's name in that of its run
_SECRET = re.compile(r"(?i)([_-](?:key|passwords)\s*=).*|(?<=//)[^/@]*(?=@)", re.DOTALL)
_ANEW = "name another folder with --run, or measure anew with --again"


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Measure all cases that were not measured yet, and show what they amount to."""
    if options.list_measures:
        return list_measures(terminal, as_json=options.json)
    _check(options)
    settings = load_settings(options, keep_answers=False)
    cases = _read(options, terminal)
    wanted = choose_measures(options)

    def action(chosen: Settings) -> int:
        return _evaluate(chosen, cases, wanted, options, terminal)

    return with_server(settings, terminal, action)


def _check(options: argparse.Namespace) -> None:
    """Raise SettingsError for words that do not go together."""
    options.judge = options.judge or bool(options.judge_model)
    if not options.cases:
        raise SettingsError("no file of cases is named", "rag evaluate cases.jsonl")
    if options.judge and options.retrieval_only:
        raise SettingsError(
            "--retrieval-only leaves no answers to judge", "leave --judge or --retrieval-only out"
        )


def _read(options: argparse.Namespace, terminal: Terminal) -> CaseSet:
    """Return the cases to ask; what is none in the file is told of."""
    cases = read_cases(options.cases, read_columns(options.columns), options.split)
    for problem in cases.problems[:5]:
        terminal.warn(f"{problem.place} is no case: {problem.message}")
    if (more := len(cases.problems) - 5) > 0:
        terminal.warn(f"{more} more lines are no case")
    return replace(cases, cases=cases.cases[: options.limit])


def read_columns(pairs: list[str]) -> Mapping[str, str]:
    """Return the columns by the part of a case they hold; raises SettingsError."""
    columns = dict(pair.partition("=")[::2] for pair in pairs)
    if bad := next((part for part, column in columns.items() if not column), ""):
        raise SettingsError(f"--columns {bad}: no column", "write --columns question=prompt")
    return columns


def _evaluate(
    settings: Settings,
    cases: CaseSet,
    wanted: tuple[str, ...],
    options: argparse.Namespace,
    terminal: Terminal,
) -> int:
    """Make the index where it is for this run alone, then measure."""
    folder = Path(options.run) if options.run else None
    if options.docs or (cases.documents and not options.index_dir):
        folder = folder or _folder_of_documents(settings, cases, wanted, options)
        settings = _index(settings, folder, cases, options, terminal)
    with Pipeline(settings, terminal.on_wait) as pipeline:
        pipeline.check_index()
        _check_models(pipeline, options, terminal)
        with judging(pipeline, options, wanted) as judge:
            ask = pipeline.passages if options.retrieval_only else pipeline.ask
            made = describe(ask, cases, wanted, judge.name if judge else "")
            folder = folder or _folder(settings, made)
            made = replace(made, name=folder.name, command=tell_command(options.words))
            report = _measure(pipeline, cases, made, judge, folder, options, terminal)
            told = hold_against_people(judge, cases, folder, terminal)
            report = replace(report, notes=(*report.notes, *told))
    _write(folder, report, cases)
    return _show(folder, report, options, terminal)


def tell_command(words: Sequence[str]) -> str:
    """Return the words of a command as they are typed into a shell, what is secret left out."""
    return shlex.join(["rag", *(_SECRET.sub(r"\1(hidden)", word) for word in words)])


def _folder(settings: Settings, made: Manifest) -> Path:
    stem = re.sub(r"[^\w.-]+", "-", made.cases_name.rpartition(".")[0] or made.cases_name)
    return settings.index_dir / RUNS / f"{stem[:_SHARE_OF_NAME]}-{made.fingerprint[:8]}"


def _folder_of_documents(
    settings: Settings, cases: CaseSet, wanted: tuple[str, ...], options: argparse.Namespace
) -> Path:
    """Return the folder of a run whose index is not there yet, named by what makes that."""
    asked = (*TELLING_SETTINGS, "embedding_model", "chat_model", "embeddings_at", "chat_at",
             "chunk_tokens", "chunk_overlap", "document_prefix")  # fmt: skip
    told = {name: plain(getattr(settings, name)) for name in asked}
    docs = str(Path(options.docs).resolve()) if options.docs else ""
    judged = f"{options.judge_model} {options.judge_repeats}" if options.judge else ""
    system = "passages" if options.retrieval_only else "ask"
    return _folder(settings, make_manifest(system, cases, wanted, told, {"docs": docs}, judged))


def _index(
    settings: Settings,
    folder: Path,
    cases: CaseSet,
    options: argparse.Namespace,
    terminal: Terminal,
) -> Settings:
    """Index the documents of the run into its folder; return settings with that index."""
    inside = settings.model_copy(update={"index_dir": folder / INDEX})
    docs = options.docs or str(folder / DOCUMENTS)
    with Pipeline(inside) as pipeline:
        if options.docs:
            pipeline.check_folder(docs)
        check_folder(folder)
        if not options.docs:
            write_documents(folder / DOCUMENTS, cases.documents)
        if (folder / RUN).exists():
            _check_documents(pipeline, docs, folder, options)
    report = ingest_with_progress(inside, docs, terminal, remove_many=True)
    counts = f"{len(report.ingested)} indexed, {report.unchanged} unchanged"
    terminal.note(f"{docs}: {counts}, {len(report.skipped)} skipped")
    for failure in report.skipped[:5]:
        terminal.warn(f"skipped: {failure.source_id}: {failure.message}")
    return inside


def _check_documents(
    pipeline: Pipeline, docs: str, folder: Path, options: argparse.Namespace
) -> None:
    """Raise RunUnusable before the index of a run is made another than its rows are about."""
    known = [name for name in pipeline.folders() if name != real_folder(Path(docs))]
    if known:
        told = f"the run in {folder} searched {known[0]}, another folder"
        raise RunUnusable(told, "name another folder for this run: --run DIR")
    plan = pipeline.plan(docs)
    found = {"new": plan.new, "changed": plan.changed, "moved": plan.moved, "gone": plan.vanished}
    told = ", ".join(f"{len(those)} {word}" for word, those in found.items() if those)
    if told and not options.again:
        raise RunUnusable(f"{docs} is not what was indexed for the run in {folder}: {told}", _ANEW)


def _check_models(pipeline: Pipeline, options: argparse.Namespace, terminal: Terminal) -> None:
    """Say which models are asked; raises ModelUnavailable, with what can be done without one."""
    servers = pipeline.models.servers
    warn_of_remote(servers.embedding_choice, terminal)
    if options.retrieval_only:
        return
    try:
        choice = servers.chat_choice
    except ModelUnavailable as error:
        without = "without one: --retrieval-only measures what is found"
        raise ModelUnavailable(error.message, f"{error.hint}; {without}") from error
    warn_of_remote(choice, terminal)
    terminal.note(f"answers by {choice.model.id} ({choice.reason})")


def _measure(
    pipeline: Pipeline,
    cases: CaseSet,
    made: Manifest,
    judge: Judge | None,
    folder: Path,
    options: argparse.Namespace,
    terminal: Terminal,
) -> Report:
    """Ask what is left; where the server goes in the middle, tell what is kept."""
    if options.again and (aside := set_aside(folder)):
        terminal.note(f"the run that was there is kept: {aside}")
    done = count_done(folder, made, cases.cases)
    warn_of_evidence(cases, pipeline.index, terminal)
    warn_of_cases(Path(options.cases), pipeline.index, terminal)
    alone, models = options.retrieval_only, pipeline.models
    if done:
        told = f"{done} of {len(cases.cases)} cases were measured before"
        terminal.note(f"{told}; --again measures all anew")
    failed = asked = 0
    with terminal.batch_bar(len(cases.cases) - done) as advance:

        def on_row(row: Row) -> None:
            nonlocal failed, asked
            failed, asked = failed + (row.failure is not None), asked + 1
            advance(failed)

        try:
            with asking(pipeline, options, len(cases.cases) - done) as (ask, jobs):
                return evaluate(
                    ask,
                    cases,
                    judge=judge,
                    run=folder,
                    manifest=made,
                    jobs=jobs,
                    on_row=on_row,
                    prepare=(lambda _: None) if alone else choose_preparation(models),
                )
        except HOPELESS as error:
            kept = f"{done + asked - failed} of {len(cases.cases)} cases are measured and kept"
            hint = f"{error.hint}; {kept}, the same command goes on"
            raise RunUnusable(error.message, hint) from error


def _write(folder: Path, report: Report, cases: CaseSet) -> None:
    """Write the report, and what other tools go on with."""
    write_report(folder, report)
    found = [row for row in report.rows if row.response and row.response.ranked is not None]
    if found:
        write_trec(folder / "run.trec", folder / "qrels.trec", found, folder.name, cases.names)
    write_ragas(folder / "ragas.jsonl", report.rows)


def _show(folder: Path, report: Report, options: argparse.Namespace, terminal: Terminal) -> int:
    """Show the figures and what failed; return the exit code."""
    failures = {row.case.id: row.failure for row in report.rows if row.failure}
    if options.json:
        show_json(
            terminal,
            {
                "folder": str(folder),
                "manifest": plain(report.manifest),
                "counts": dict(report.counts),
                "notes": report.notes,
                "figures": plain(report.figures),
                "failures": plain(failures),
            },
        )
    else:
        show_figures(terminal, report)
    terminal.note(f"run: {folder}")
    terminal.note(f"page: {folder / 'report.html'}; next: rag compare A B for two runs")
    return EXIT_SOME_FAILED if failures else 0
