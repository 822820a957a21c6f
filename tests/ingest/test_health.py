"""What is told of a document: its language, the words the model lacks, what was cut through."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.base.documents import Chunk, Document, Table
from ingest.chunk import chunk_document
from ingest.health import SAMPLE_CHUNKS, count_split, examine, find_language
from ingest.parse.base.media import CODE

Build = Callable[..., Document]

SENTENCES = """
en The committee decided that the invoice must be paid within thirty days.
en Engine oil should be checked every week. When the level is low, add a little.
de Der Ausschuss hat beschlossen, dass die Rechnung innerhalb von dreißig Tagen zu bezahlen ist.
de Das Fenster bleibt im Winter geschlossen. Wer heizt, spart auf diese Weise Energie.
fr Le comité a décidé que la facture doit être payée dans les trente jours.
fr Les fenêtres sont fermées en hiver. On économise ainsi de l'énergie.
es Las ventanas se cierran en invierno, y de este modo no se gasta tanta energía como antes.
it Il comitato ha deciso che la fattura deve essere pagata entro trenta giorni dalla data.
pt As janelas ficam fechadas no inverno. Dessa forma não se perde energia, que é cara.
nl De commissie heeft besloten dat de factuur binnen dertig dagen betaald moet worden.
sv Kommittén beslutade att fakturan ska betalas inom trettio dagar, och det är allt.
da Vinduerne er lukket om vinteren. På den måde bliver der sparet meget energi af alle.
no Vinduene er lukket om vinteren. På den måten sparer man veldig mye energi av noe slag.
fi Komitea päätti, että lasku on maksettava, ja se on myös maksettu ennen kuin kuukausi loppui.
pl Komitet zdecydował, że faktura musi zostać opłacona w ciągu trzydziestu dni, bo tak jest.
cs Okna jsou v zimě zavřená. Tím se šetří energie a je to levné.
hu A bizottság úgy döntött, hogy a számlát harminc napon belül ki kell fizetni.
ro Comitetul a decis că factura trebuie plătită în termen de treizeci de zile.
tr Pencereler kışın kapalıdır. Bu şekilde daha çok enerji tasarrufu yapılır ve ucuz olur.
id Komite memutuskan bahwa faktur harus dibayar, dan formulir itu tidak dapat dikembalikan.
vi Ủy ban đã quyết định rằng hóa đơn phải được thanh toán trong vòng ba mươi ngày.
ru Комитет решил, что счёт должен быть оплачен в течение тридцати дней. Это не всё.
uk Комітет вирішив, що рахунок має бути сплачений протягом тридцяти днів.
bg Комисията реши, че фактурата трябва да бъде платена в срок от тридесет дни.
ar قررت اللجنة أنه يجب دفع الفاتورة في غضون ثلاثين يومًا من هذا التاريخ.
fa کمیته تصمیم گرفت که صورتحساب باید در مدت سی روز پرداخت شود.
hi समिति ने निर्णय लिया कि चालान का भुगतान तीस दिनों के भीतर किया जाना चाहिए।
el Η επιτροπή αποφάσισε ότι το τιμολόγιο πρέπει να πληρωθεί εντός τριάντα ημερών.
he הוועדה החליטה כי יש לשלם את החשבונית תוך שלושים יום.
th คณะกรรมการตัดสินใจว่าต้องชำระใบแจ้งหนี้ภายในสามสิบวัน
ko 위원회는 송장을 삼십 일 이내에 지불해야 한다고 결정했습니다.
ja 委員会は、請求書を三十日以内に支払わなければならないと決定しました。
zh 委员会决定发票必须在三十天内支付。我们的办公室周末关门。
zh 使用 Python 3.11 安装 the package 之后，请运行命令并检查输出结果是否正确。
ta குழு முப்பது நாட்களுக்குள் செலுத்த வேண்டும்
""".strip().splitlines()


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def cut(document: Document, limit: int) -> list[Chunk]:
    return chunk_document(document, limit, words, "r")


class Asked:
    """An embedder of which only the share of unknown words is asked."""

    def __init__(self, share: float | None) -> None:
        self.share = share
        self.texts: list[str] = []

    def unknown_share(self, texts: Sequence[str]) -> float | None:
        self.texts.extend(texts)
        return self.share


@pytest.mark.parametrize("line", SENTENCES)
def test_a_sentence_or_two_tell_the_language(line: str) -> None:
    language, _, text = line.partition(" ")
    assert find_language(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12 34 56",
        "x = foo(y) + bar[2]",
        "Acme 2024 Q3 Revenue EBITDA Berlin Paris",
        "\ud800 \0",
    ],
)
def test_what_is_no_language_has_none(text: str) -> None:
    assert find_language(text) == ""


def test_the_language_of_most_of_a_long_text_counts() -> None:
    german = "Das ist der Anfang, und er ist nicht von der Art wie das, was nach ihm kommt. " * 3
    english = "This is the rest of it, and it is not of the kind that was at the beginning. " * 400
    assert find_language(german + english) == "en"


def test_a_long_text_is_sampled() -> None:
    text = "This is the rest of it, and it is not of the kind that it was. " * 1_000_000
    started = time.perf_counter()
    assert find_language(text) == "en"
    assert time.perf_counter() - started < 0.5


@given(st.text())
def test_any_text_has_a_language_or_none(text: str) -> None:
    assert find_language(text) == "" or re.fullmatch("[a-z]{2}", find_language(text))


def test_examine_asks_the_embedder_about_a_sample(make_document: Build) -> None:
    document = make_document(
        "\n\n".join(f"Part {n} of the text. " + "word " * 9 for n in range(500))
    )
    chunks = cut(document, 16)
    embedder = Asked(0.5)
    health = examine(document, chunks, embedder)
    assert (health.language, health.unknown_share, health.split_chunks) == ("en", 0.5, 0)
    assert len(chunks) > 100
    assert SAMPLE_CHUNKS // 2 <= len(embedder.texts) <= SAMPLE_CHUNKS
    assert embedder.texts[0] == chunks[0].text
    assert embedder.texts[-1] in [chunk.text for chunk in chunks[-50:]]


def test_source_code_has_no_language(make_document: Build) -> None:
    document = make_document("# This is the text of it, and it is not that of the other.\n" * 5)
    code = replace(document, source=replace(document.source, media_type=CODE))
    assert examine(document, [], Asked(None)).language == "en"
    assert examine(code, [], Asked(None)).language == ""


@pytest.mark.parametrize(
    ("text", "limit", "split"),
    [
        ("One short sentence. " * 40, 20, 0),
        ("这是一个句子。" * 3, 20, 0),
        ("word " * 100, 26, 4),
        ("\n\n".join(["word " * 10] * 10), 20, 0),
        ("\n".join(f"- item {n} of a list" for n in range(30)), 20, 0),
        ("\n".join(f"Line number {n}" for n in range(30)), 20, 0),
        ("\n".join(["the words of a long sentence that goes on"] * 12), 20, 5),
    ],
)
def test_chunks_that_end_in_a_sentence_are_counted(
    make_document: Build, text: str, limit: int, split: int
) -> None:
    document = make_document(text)
    assert count_split(document, cut(document, limit)) == split


def test_chunks_that_end_in_a_row_are_counted(make_document: Build) -> None:
    rows = ["name | text", *(f"row {n}. | Some text. And more" for n in range(9))]
    text = "\n".join([*rows, "long | " + "One sentence in it. " * 20])
    document = replace(make_document(text), tables=(Table(0, len(text), rows[0]),))
    chunks = cut(document, 24)
    inside = sum("One sentence" in chunk.text for chunk in chunks)
    assert count_split(document, chunks) == inside - 1 > 2
    assert count_split(make_document(text), chunks) == 0


def test_lines_of_code_are_not_inside_a_sentence(make_document: Build) -> None:
    document = make_document("\n".join(["return the value of what was given before"] * 40))
    code = replace(document, source=replace(document.source, media_type=CODE))
    assert count_split(document, cut(document, 20)) > 3
    assert count_split(code, cut(code, 20)) == 0
