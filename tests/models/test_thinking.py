from itertools import pairwise

import pytest
from fault_server import FaultServer, chunk, sse
from hypothesis import example, given
from hypothesis import strategies as st

from rag.models.base.messages import Delta, Message, Usage
from rag.models.chat.thinking import begins_inside_thought, separate_thinking, split_thinking
from rag.models.endpoint import Endpoint

PAIRS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<|think|>": "<|/think|>",
    "<seed:think>": "</seed:think>",
    "<mm:think>": "</mm:think>",
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "<|inner_prefix|>": "<|inner_suffix|>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|channel>thought\n": "<channel|>",
    "<|channel>": "<channel|>",
}
HARMONY = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>")
PIECES = (*PAIRS, *PAIRS.values(), *HARMONY, "<|START_RESPONSE|>", "assistant", "analysis", "final",
          "`", '"', "<", "[1]", "<|", " ", "\n", "word", "a < b", "Füße 你好")  # fmt: skip


def separate(pieces, finish="stop", **options):
    """Return (reasoning, text) of a stream of texts."""
    deltas = [*map(Delta, pieces)]
    if finish:
        deltas.append(Delta(finish_reason=finish))
    done = list(separate_thinking(deltas, **options))
    return "".join(d.reasoning for d in done), "".join(d.text for d in done)


@st.composite
def cut_texts(draw):
    text = "".join(draw(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=25)))
    cuts = draw(st.lists(st.integers(0, len(text)), max_size=12))
    borders = [0, *sorted(cuts), len(text)]
    return text, [text[a:b] for a, b in pairwise(borders)]


@given(cut_texts(), st.booleans(), st.sampled_from(["stop", "length", None]))
@example(("<|channel|>" + "x" * 150 + "<|message|><think>a", None), False, "stop")
def test_cuts_never_change_the_result(cut, held, finish):
    text, pieces = cut
    whole = separate([text], finish, may_start_thinking=held)
    assert separate(pieces or list(text), finish, may_start_thinking=held) == whole
    assert separate(list(text), finish, may_start_thinking=held) == whole


PLAIN = st.text(st.characters(exclude_characters="<[◁\"'`“”‘’«»„", codec="utf-8"), min_size=1)


@given(st.lists(st.tuples(PLAIN, st.sampled_from(sorted(PAIRS)), PLAIN), max_size=5), PLAIN)
def test_nothing_is_lost_but_the_tags(rounds, tail):
    rounds = [(text, tag, thought) for text, tag, thought in rounds
              if tag != "<|channel>" or not thought.startswith("thought\n")]  # fmt: skip
    written = "".join(f"{text}{tag}{thought}{PAIRS[tag]}" for text, tag, thought in rounds)
    thoughts = "".join(thought for _, _, thought in rounds)
    texts = "".join(text for text, _, _ in rounds)
    assert separate(list(written + tail)) == (thoughts, texts + tail)


@given(cut_texts())
def test_what_is_removed_is_made_of_tags_only(cut):
    reasoning, text = separate(cut[1])
    left = list(reasoning + text)
    for character in "".join(PIECES):
        if character in left:
            left.remove(character)
    written = list(cut[0])
    for character in reasoning + text:
        written.remove(character)  # raises when something was invented
    allowed = "".join((*PAIRS, *PAIRS.values(), *HARMONY, "<|START_RESPONSE|>"))
    in_header = "<|start|>" in cut[0] or "<|channel|>" in cut[0]
    assert in_header or set(written) <= set(allowed)


@pytest.mark.parametrize("opening", PAIRS)
def test_every_form_of_thought_is_kept_apart(opening):
    written = f"{opening}\nLet me see.\n{PAIRS[opening]}\n\nIt is 5 [1]."
    assert separate(list(written)) == ("\nLet me see.\n", "\n\nIt is 5 [1].")
    assert separate([written]) == ("\nLet me see.\n", "\n\nIt is 5 [1].")


@pytest.mark.parametrize("opening", PAIRS)
@pytest.mark.parametrize("held", [True, False])
def test_thought_that_is_never_closed_is_all_thinking(opening, held):
    assert separate(list(f"{opening}So the"), "length", may_start_thinking=held) == ("So the", "")


@pytest.mark.parametrize("closing", sorted(set(PAIRS.values())))
def test_thought_that_was_never_opened_is_thinking_where_it_may_be(closing):
    written = f"Let me see.{closing}It is 5."
    expected = ("Let me see.", "It is 5.")
    assert separate(list(written), may_start_thinking=True) == expected
    assert split_thinking(written) == expected


def test_closing_tag_after_shown_text_stays_for_the_finished_text_to_be_split():
    reasoning, text = separate(list("Let me see.</think>It is 5."))
    assert (reasoning, text) == ("", "Let me see.</think>It is 5.")
    assert split_thinking(text) == ("Let me see.", "It is 5.")


def test_one_quotation_mark_beside_a_tag_quotes_nothing():
    assert split_thinking("I call `foo`</think>Yes.") == ("I call `foo`", "Yes.")
    assert separate(list('He said "no"<think>Hm.</think>.')) == ("Hm.", 'He said "no".')


def test_closing_tag_after_released_text_stays():
    written = "Word.<think>Hm.</think></think>More."
    assert separate(list(written), may_start_thinking=True) == ("Hm.", "Word.</think>More.")


@pytest.mark.parametrize("held", [True, False])
def test_marks_around_the_answer_are_dropped(held):
    written = "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>It is 5.<|END_RESPONSE|>"
    assert separate(list(written), may_start_thinking=held) == ("Hm.", "It is 5.")
    assert separate(list(written[37:]), may_start_thinking=held) == ("", "It is 5.")


@pytest.mark.parametrize("written", ["</think>\n\nYes.", "<think>a</think></think>\n\nYes."])
def test_closing_tag_before_any_text_is_dropped(written):
    assert separate(list(written))[1] == "\n\nYes."


HARMONIES = {
    "in full": "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final"
    "<|message|>It is 5.<|return|>",
    "with the start": "<|start|>assistant<|channel|>analysis<|message|>Hm.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>It is 5.<|end|>",
    "no end of the thought": "<|channel|>analysis<|message|>Hm.<|channel|>final<|message|>It is 5.",
    "with a format": "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final "
    "<|constrain|>JSON<|message|>It is 5.<|return|>",
    "no channel": "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|message|>It is 5.",
    "with a tool": "<|channel|>commentary to=functions.f <|constrain|>json<|message|>Hm.<|call|>"
    "<|start|>assistant<|channel|>final<|message|>It is 5.",
}


@pytest.mark.parametrize("written", HARMONIES.values(), ids=HARMONIES.keys())
@pytest.mark.parametrize("held", [True, False])
def test_harmony_channels_are_kept_apart(written, held):
    assert separate(list(written), may_start_thinking=held) == ("Hm.", "It is 5.")
    assert split_thinking(written) == ("Hm.", "It is 5.")


def test_harmony_cut_in_the_thought_is_all_thinking():
    assert split_thinking("<|channel|>analysis<|message|>We need", "length") == ("We need", "")


@pytest.mark.parametrize(
    "written",
    [
        "Write `<think>` first and `</think>` last.",
        'The tags are "<think>" and “</think>”.',
        "a < b, [1], x[TH], <thin air>, </ and <",
        "The mark <|channel|> is followed by " + "many words " * 20 + "and no end.",
        "It ends in <|start|>here",
        "<|channel|> " + "many words " * 20 + "before <|message|> and more.",
        "No <|end|> of this, no <|message|> either.",
    ],
)
@pytest.mark.parametrize("held", [True, False])
def test_text_that_only_speaks_of_tags_is_left_alone(written, held):
    assert separate(list(written), may_start_thinking=held) == ("", written)
    assert split_thinking(written) == ("", written)


def test_text_is_passed_on_at_once():
    pieces = ["It", " is", " <b>5</b>", " [", "1] <th", "e end>"]
    sent = [delta.text for delta in separate_thinking(map(Delta, pieces))]
    assert sent == ["It", " is", " <b>5</b>", " ", "[1] ", "<the end>"]


def test_thinking_is_passed_on_at_once():
    pieces = ["<thi", "nk>So", " then", " </thi", "nk>Yes"]
    sent = [(d.reasoning, d.text) for d in separate_thinking(map(Delta, pieces))]
    assert sent == [("", ""), ("So", ""), (" then", ""), (" ", ""), ("", "Yes")]


def test_held_text_is_released_as_soon_as_it_is_known():
    def texts(*deltas):
        return [d.text for d in separate_thinking(deltas, may_start_thinking=True)]

    assert texts(Delta("a"), Delta("b</think>c"), Delta("d")) == ["", "c", "d"]
    assert texts(Delta("a"), Delta("b<think>c</think>"), Delta("d")) == ["", "ab", "d"]
    assert texts(Delta(reasoning="hm"), Delta("a"), Delta("b")) == ["", "a", "b"]
    assert texts(Delta("a"), Delta("b", finish_reason="stop"), Delta()) == ["", "ab", ""]


@pytest.mark.parametrize("finish", ["length", "truncated", None])
def test_held_text_that_was_cut_off_is_thinking(finish):
    assert separate(["Let me", " see"], finish, may_start_thinking=True) == ("Let me see", "")


def test_everything_else_of_a_delta_is_untouched():
    usage = Usage(7, 2)
    deltas = [
        Delta("<think>a", reasoning="server's. ", model="m"),
        Delta("</think>b<", finish_reason="stop", model="m"),
        Delta(usage=usage, model="m"),
    ]
    assert list(separate_thinking(deltas)) == [
        Delta("", reasoning="server's. a", model="m"),
        Delta("b<", finish_reason="stop", model="m"),
        Delta(usage=usage, model="m"),
    ]


def test_stream_without_a_finish_reason_loses_no_half_tag():
    assert separate(["a <thin"], None) == ("", "a <thin")


def test_long_texts_pass_whole():
    text = "<b>[1] " * 20_000
    assert separate([text])[1] == text
    assert separate(list(text[:20_000]), may_start_thinking=True)[1] == text[:20_000]


@pytest.mark.parametrize(
    ("model", "inside"),
    [
        ("deepseek/deepseek-r1-0528-qwen3-8b", True), ("DeepSeek-R1-Distill-Llama-8B-Q4", True),
        ("qwq-32b", True), ("qwen/qwen3-4b-thinking-2507", True), ("allenai/Olmo-3-7B-Think", True),
        ("minimax-m2", True), ("qwen/qwen3-4b-2507", False), ("google/gemma-3-12b", False),
        ("mistralai/magistral-small-2509", False), ("gpt-oss-20b", False), ("vr1x-mini", False),
    ],
)  # fmt: skip
def test_models_that_begin_inside_a_thought_are_known(model, inside):
    assert begins_inside_thought(model) is inside


def test_thought_split_over_the_chunks_of_a_real_stream_is_kept_apart():
    pieces = ["<th", "ink>The ques", "tion</thi", "nk>", "\n\nGr", "üße [1]."]
    with FaultServer().running() as server:
        server.on("/v1/chat/completions", sse(*map(chunk, pieces), chunk(finish="stop")))
        endpoint = Endpoint(server.url, "k")
        deltas = list(separate_thinking(endpoint.stream("m", [Message("user", "?")], 9, 0.0)))
        endpoint.close()
    assert "".join(d.text for d in deltas) == "\n\nGrüße [1]."
    assert "".join(d.reasoning for d in deltas) == "The question"
    assert deltas[-1].finish_reason == "stop"


@pytest.mark.parametrize("finish", ["stop", "eos", "end_turn", "tool_calls", "content_filter"])
def test_held_text_that_came_to_an_end_is_text(finish):
    assert separate(["Eight", " days"], finish, may_start_thinking=True) == ("", "Eight days")
