"""Tuning: a better setting is found and confirmed, luck is not, time is kept."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from ingest.base.errors import PipelineError
from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.base.rows import Manifest, Report, Row
from rag.evaluation.statistics.summary import summarise
from rag.evaluation.tune.decide import decide, told
from rag.evaluation.tune.halving import OutOfTime, round_sizes
from rag.evaluation.tune.report import write_tuning
from rag.evaluation.tune.space import asking_arms, cutting_arms, tell, usual_axes
from rag.evaluation.tune.split import split_cases
from rag.evaluation.tune.trials import FILE, Trials
from rag.evaluation.tune.tune import check, tune

PRESENT = {"chunk_tokens": 200, "chunk_overlap": 0, "fusion": None, "top_k": 30,
           "passages_per_file": 2, "query_prefix": None}  # fmt: skip
AXES = usual_axes(PRESENT, reading=False, prefix=False)
MEASURE = "nDCG@10"
MANIFEST = Manifest("run", "", "", "", "", {}, {}, (MEASURE, "R@5"), "cases", "")


class Clock:
    """Time that passes only where something takes some."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class System:
    """Answers each case as its hash says, better by what its settings are worth.

    `worth` are settings that make every case better by so much, `recall` the same for R@5.
    Cutting documents takes `cutting` seconds once, a case `asking`.
    """

    def __init__(
        self,
        worth: Mapping[tuple[str, object], float] | None = None,
        noise: float = 0.05,
        recall: float = 0.0,
        seed: int = 9,
        asking: float = 0.01,
        cutting: float = 1.0,
    ) -> None:
        self.worth, self.noise, self.recall, self.seed = worth or {}, noise, recall, seed
        self.asking, self.cutting, self.clock = asking, cutting, Clock()
        self.cut: set[object] = set()
        self.asked: list[tuple[str, str]] = []
        self.broken: object = "nothing"

    def __call__(
        self, settings: Mapping[str, object], cases: Sequence[Case], seconds: float
    ) -> Report:
        if settings["chunk_tokens"] == self.broken:
            raise PipelineError("the disk is full", "make room")
        way = (settings["chunk_tokens"], settings["chunk_overlap"])
        if way not in self.cut:
            if self.cutting > seconds:
                self.clock.now += seconds
                raise OutOfTime("no time is left", "raise --minutes")
            self.cut.add(way)
            self.clock.now += self.cutting
        self.clock.now += self.asking * len(cases)
        name = repr(sorted(settings.items(), key=lambda item: item[0]))
        self.asked += [(name, case.id) for case in cases]
        rows = tuple(Row(case, measures=self.measure(settings, name, case)) for case in cases)
        return Report(MANIFEST, rows, summarise(rows, (MEASURE, "R@5")))

    def measure(self, settings: Mapping[str, object], name: str, case: Case) -> dict[str, float]:
        ease = random.Random(f"{self.seed}{case.id}").uniform(0.3, 0.6)
        luck = random.Random(f"{self.seed}{case.id}{name}").gauss(0, self.noise)
        better = sum(self.worth.get(pair, 0.0) for pair in settings.items())
        recall = ease + self.recall * (better > 0) + luck
        return {MEASURE: ease + better + luck, "R@5": recall}

    def tune(self, cases, seconds=3600, present=PRESENT, axes=AXES, **options):
        return tune(self, cases, present, axes, MEASURE, seconds=seconds, clock=self.clock,
                    **options)  # fmt: skip


def cases(count: int, documents: int = 20) -> list[Case]:
    return [
        Case(f"case-{n}", f"Question {n}?", (Relevant(f"{n % documents}.md"),))
        for n in range(count)
    ]


def test_better_setting_is_found_and_confirmed():
    report = System({("fusion", 0.3): 0.1}).tune(cases(200))
    assert report.chosen == {"fusion": 0.3}
    assert report.decision.is_better
    assert report.decision.differences[0].value == pytest.approx(0.1, abs=0.03)
    assert (report.train, report.test) == (100, 100)


def test_setting_for_which_documents_are_cut_anew_is_found_with_the_way_of_asking():
    worth = {("fusion", 0.5): 0.05, ("chunk_tokens", 400): 0.1, ("chunk_overlap", 100): 0.05}
    report = System(worth, noise=0.05).tune(cases(300))
    assert report.chosen == {"fusion": 0.5, "chunk_tokens": 400, "chunk_overlap": 100}


def test_luck_is_refused():
    """Where all settings are equal, a change is accepted in one of twenty runs at most."""
    accepted = 0
    for seed in range(80):
        report = System(noise=0.3, seed=seed).tune(cases(80))
        accepted += report.decision.is_better
        assert bool(report.chosen) == report.decision.is_better
    assert accepted <= 8, "binomial: more than 8 of 80 at 5 % has a chance of 2 %"


def test_refusal_tells_what_this_set_could_show():
    report = System(noise=0.2).tune(cases(80))
    assert not report.chosen
    assert report.best
    assert "no better settings shown" in report.decision.words
    assert "no difference shown; this set could show 0." in report.decision.words


def test_settings_that_cost_another_measure_are_refused():
    report = System({("fusion", 0.3): 0.1}, recall=-0.2).tune(cases(200))
    assert not report.chosen
    assert report.best == {"fusion": 0.3}
    assert "refused" in report.decision.words
    assert "R@5" in report.decision.words


def test_present_settings_stay_where_nothing_else_is_better():
    good = {("fusion", None): 0.2, ("chunk_tokens", 200): 0.2, ("chunk_overlap", 0): 0.2}
    report = System(good, noise=0.01).tune(cases(80))
    assert not report.best
    assert "the present ones are the best tried" in report.decision.words


def test_cases_that_confirm_had_no_say():
    system = System({("fusion", 0.3): 0.1})
    given = cases(100)
    split = split_cases(given)
    report = system.tune(given)
    asked = {name for name, id in system.asked if id in {case.id for case in split.test}}
    assert len(asked) == 2, "only the present settings and the best were asked them"
    assert report.chosen


def test_combinations_are_given_up_after_few_cases():
    system = System({("fusion", 0.3): 0.2}, noise=0.01)
    report = system.tune(cases(400))
    train = sum(one.cases for one in report.tried)
    assert train < 0.6 * report.train * len(report.tried)
    assert len(set(system.asked)) == len(system.asked), "no case was asked twice"


@pytest.mark.parametrize("seconds", [8, 15, 40])
def test_time_is_kept(seconds):
    system = System({("fusion", 0.3): 0.1}, cutting=5.0)
    report = system.tune(cases(200), seconds=seconds)
    assert system.clock.now <= seconds
    assert report.seconds == system.clock.now
    cut = {one.changes.get("chunk_tokens", 200) for one in report.tried if one.value is not None}
    assert (len(cut) > 1) == (seconds == 40)


def test_documents_that_take_too_long_to_cut_leave_time_to_confirm():
    class Slow(System):
        def __call__(self, settings, cases, seconds):
            self.cutting = 0.0 if settings["chunk_tokens"] == 200 else 100.0
            return super().__call__(settings, cases, seconds)

    slow = Slow({("fusion", 0.3): 0.1})
    axes = {**AXES, "chunk_overlap": (0,)}
    report = slow.tune(cases(200), seconds=60, axes=axes)
    assert report.chosen == {"fusion": 0.3}
    assert slow.clock.now <= 60
    assert any("no time is left" in one.failure for one in report.tried)


def test_settings_that_fail_are_told_and_cost_no_other():
    system = System({("fusion", 0.3): 0.1})
    system.broken = 400
    report = system.tune(cases(200))
    assert report.chosen == {"fusion": 0.3}
    failed = [one for one in report.tried if one.failure]
    assert {one.changes["chunk_tokens"] for one in failed} == {400}
    assert {one.failure for one in failed} == {"the disk is full"}
    assert any("the disk is full" in note for note in report.notes)


def test_present_settings_that_fail_are_an_error():
    system = System()
    system.broken = 200
    with pytest.raises(PipelineError, match="disk is full"):
        system.tune(cases(80))


def test_stopped_run_goes_on_without_asking_again(tmp_path):
    class Stopped(System):
        def __call__(self, settings, cases, seconds):
            if len(self.asked) > 300:
                raise KeyboardInterrupt
            return super().__call__(settings, cases, seconds)

    worth = {("fusion", 0.3): 0.1}
    with pytest.raises(KeyboardInterrupt):
        (stopped := Stopped(worth)).tune(cases(100), folder=tmp_path, made_with="a")
    with (tmp_path / FILE).open("ab") as stream:
        stream.write(b'{"settings": {"fus')
    again = System(worth)
    report = again.tune(cases(100), folder=tmp_path, made_with="a")
    train = {case.id for case in split_cases(cases(100)).train}
    assert not {pair for pair in again.asked if pair[1] in train} & set(stopped.asked)
    assert report.chosen == System(worth).tune(cases(100)).chosen == {"fusion": 0.3}
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_trials_of_other_documents_are_not_taken_up(tmp_path):
    Trials(tmp_path, "a").add(PRESENT, {"x": 1.0}, 1.0)
    assert Trials(tmp_path, "a").of(PRESENT).values == {"x": 1.0}
    assert Trials(tmp_path, "b").of(PRESENT).values == {}


def test_same_input_gives_the_same_report():
    first, second = (System({("fusion", 0.4): 0.05}).tune(cases(120)) for _ in range(2))
    assert first == second


def test_too_few_cases_are_an_error_that_tells_how_many_are_needed():
    unanswerable = [replace(case, relevant=(), answerable=False) for case in cases(100)]
    with pytest.raises(PipelineError, match="applies to 39 cases; 40 are the fewest"):
        System().tune([*cases(39), *(replace(one, id=f"u{one.id}") for one in unanswerable)])


def test_cases_of_a_document_stay_together():
    split = split_cases(cases(200, documents=17))
    homes = [{case.relevant[0].document for case in half} for half in (split.train, split.test)]
    assert not homes[0] & homes[1]
    assert abs(len(split.train) - len(split.test)) <= 200 / 17 + 1


def test_document_with_most_cases_is_in_both_halves():
    split = split_cases(cases(50, documents=1))
    assert len(split.train) == len(split.test) == 25


def test_split_does_not_depend_on_the_order_of_the_file():
    assert split_cases(cases(90)) == split_cases(cases(90)[::-1])


def test_rounds_double_their_cases_and_none_is_too_small():
    assert round_sizes(12, 400) == [50, 100, 200, 400]
    assert round_sizes(12, 50) == [25, 50]
    assert round_sizes(1, 400) == [400]


def test_budget_of_passages_is_tried_only_where_asked_for():
    axes = usual_axes(PRESENT, reading=True, prefix=True)
    assert "passages_tokens" not in axes
    assert {"top_k", "passages_per_file", "query_prefix", "fusion"} <= set(axes)
    present = {**PRESENT, "passages_tokens": 2000}
    arms = asking_arms(present, {"passages_tokens": (1000, 2000)})
    assert [arm["passages_tokens"] for arm in arms] == [2000, 1000]


def test_overlap_is_less_than_half_of_the_chunk():
    arms = cutting_arms(PRESENT, {**AXES, "chunk_overlap": (0, 60)}, [PRESENT])
    ways = {(arm["chunk_tokens"], arm["chunk_overlap"]) for arm in arms}
    assert ways == {(100, 0), (200, 0), (200, 60), (400, 0), (400, 60)}
    assert arms[0] == PRESENT


def test_report_is_written_for_people_and_programs(tmp_path):
    report = System({("fusion", 0.3): 0.1}).tune(cases(100))
    text = write_tuning(tmp_path, report).read_text("utf-8")
    assert "chosen: fusion 0.3" in text
    assert f"| {MEASURE} | cases |" in text
    assert '"chosen": {\n  "fusion": 0.3' in (tmp_path / "tune.json").read_text("utf-8")
    assert tell({}) == "the present settings"


@pytest.mark.parametrize(
    "name", ["seconds-total", "tokens-per-second", "containment", "judge-faithfulness", "AUROC"]
)
def test_what_is_not_measured_of_passages_cannot_be_tuned_for(name):
    """Nothing else is there to measure, and time passes without any change of settings."""
    with pytest.raises(PipelineError, match="only finds passages") as refused:
        check(name, cases(100))
    assert "nDCG@10" in refused.value.hint
    assert name not in refused.value.hint


def report_of(values):
    given = zip(cases(len(values)), values, strict=True)
    rows = tuple(Row(case, measures={MEASURE: value}) for case, value in given)
    return Report(MANIFEST, rows, summarise(rows, (MEASURE,)))


def test_gain_whose_interval_holds_nought_is_not_taken():
    """Six cases became better, one of them by much, so p is small and the interval wide."""
    found = decide(MEASURE, report_of([0.0] * 60), report_of([1.0, *[0.02] * 5, *[0.0] * 54]))
    assert found.differences[0].is_significant
    assert not found.is_better
    assert "the interval holds 0" in found.words


def test_few_cases_that_changed_are_not_said_to_show_anything():
    found = decide(MEASURE, report_of([0.0] * 60), report_of([*[0.3] * 3, *[0.0] * 57]))
    assert found.words.endswith("too few cases changed to tell")


def test_chance_that_is_told_is_corrected_for_the_number_of_measures(tmp_path):
    report = System({("fusion", 0.3): 0.1}, recall=0.02).tune(cases(100))
    other = replace(report.decision.differences[1], p=0.02, corrected=0.25)
    assert "p 0.250" in told(other)
    assert "p of the others is corrected" in write_tuning(tmp_path, report).read_text("utf-8")
