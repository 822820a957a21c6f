import json
from dataclasses import replace

import pytest
from kept_answers import answer, kept

from rag.history.kept import Kept
from rag.history.records import plain, read_record, write_record
from rag.query.base.answers import Answer


def test_record_is_read_as_it_was_written():
    assert read_record(Kept, write_record(kept())) == kept()


def test_record_without_what_may_be_missing_is_read_as_it_was_written():
    bare = replace(
        answer(), native=None, evidence=None, coverage=None, selection=None, statements=(), parts=()
    )
    assert read_record(Answer, write_record(bare)) == bare


def test_text_that_is_no_utf8_and_odd_numbers_can_be_written():
    odd = answer("lone \udc80 and \x00")
    text = write_record(odd)
    text.encode("utf-8")
    assert read_record(Answer, text).text == "lone \udc80 and \x00"
    assert plain({"a": float("nan"), "b": [float("inf"), 1.5]}) == {"a": None, "b": [None, 1.5]}


def test_record_of_another_version_is_read_as_far_as_it_is_known():
    values = json.loads(write_record(answer()))
    values["invented_later"] = 1
    del values["coverage"], values["id"]
    assert read_record(Answer, json.dumps(values)) == replace(answer(), coverage=None)


@pytest.mark.parametrize("text", ["", "{}", "[]", "3", '{"question": "When?"}'])
def test_what_is_no_record_is_refused(text):
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        read_record(Answer, text)
