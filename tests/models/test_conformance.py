"""Every rule of talking to model servers, against a real HTTP server that breaks it."""

import ast
from pathlib import Path

import pytest
from models.conformance import CASES, HELD, LATER, TITLES, Case, numbers, run_case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case_comes_out_as_it_must(case: Case):
    outcome = run_case(case)
    assert not outcome.problem, f"{outcome.problem}\ncame out: {outcome.result!r:.500}"


def test_every_rule_row_and_quirk_is_held():
    wanted = {str(n) for n in range(1, 39)}
    wanted |= {f"C{n}" for n in range(1, 41)} | {f"Q{n}" for n in range(1, 20)}
    assert set(TITLES) == wanted
    held = {number for case in CASES for number in numbers(case)}
    assert held <= wanted, "a case names a number that does not exist"
    assert wanted - held - set(HELD) == set(LATER)


def test_tests_named_for_a_rule_exist():
    paths = Path(__file__).parents[1].rglob("test_*.py")
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    known = {n.name for tree in trees for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    assert {name for names in HELD.values() for name in names} <= known


def test_no_two_cases_have_one_name():
    names = [case.name for case in CASES]
    assert sorted(set(names)) == sorted(names)
