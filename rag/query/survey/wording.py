"""The few fixed phrases of an answer about all documents, by language."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """Phrases with places for numbers; `{n}` is what was found, `{total}` documents there are.

    `perhaps` leads to documents that are like what was asked and not counted.
    """

    documents: str
    things: str
    every: str
    summary: str
    more: str
    read: str
    none: str
    misfit: str
    perhaps: str


_ENGLISH = Wording(
    documents="{n} of {total} documents:",
    things="{n} found in {files} of {total} documents:",
    every="{n} documents:",
    summary="What the {n} documents hold:",
    more="... and {n} more.",
    read="Read {read} of {total} documents.",
    none="Nothing about this was found in the {read} documents that were read.",
    misfit="None of the {read} documents that were read is as asked.",
    perhaps="Perhaps also (alike, but not in these words; not counted): {names}",
)
_WORDINGS = {
    "de": Wording(
        documents="{n} von {total} Dokumenten:",
        things="{n} gefunden in {files} von {total} Dokumenten:",
        every="{n} Dokumente:",
        summary="Was in den {n} Dokumenten steht:",
        more="... und {n} weitere.",
        read="{read} von {total} Dokumenten gelesen.",
        none="Darüber wurde in den {read} gelesenen Dokumenten nichts gefunden.",
        misfit="Keines der {read} gelesenen Dokumente ist so wie gefragt.",
        perhaps="Vielleicht auch (ähnlich, aber nicht in diesen Worten; nicht mitgezählt): {names}",
    ),
    "fr": Wording(
        documents="{n} documents sur {total} :",
        things="{n} trouvés dans {files} documents sur {total} :",
        every="{n} documents :",
        summary="Contenu des {n} documents :",
        more="... et {n} autres.",
        read="{read} documents lus sur {total}.",
        none="Rien n'a été trouvé à ce sujet dans les {read} documents lus.",
        misfit="Aucun des {read} documents lus ne répond à la demande.",
        perhaps="Peut-être aussi (proches, mais sans ces mots ; non comptés) : {names}",
    ),
    "es": Wording(
        documents="{n} de {total} documentos:",
        things="{n} encontrados en {files} de {total} documentos:",
        every="{n} documentos:",
        summary="Qué contienen los {n} documentos:",
        more="... y {n} más.",
        read="Leídos {read} de {total} documentos.",
        none="No se encontró nada sobre esto en los {read} documentos leídos.",
        misfit="Ninguno de los {read} documentos leídos es como se pide.",
        perhaps="Quizá también (parecidos, pero sin estas palabras; no contados): {names}",
    ),
    "zh": Wording(
        documents="{total} 份文件中有 {n} 份：",
        things="在 {total} 份文件中的 {files} 份里找到 {n} 项：",
        every="共 {n} 份文件：",
        summary="{n} 份文件的内容：",
        more="……另有 {n} 项。",
        read="已读 {total} 份文件中的 {read} 份。",
        none="在已读的 {read} 份文件中没有找到相关内容。",
        misfit="已读的 {read} 份文件中没有符合条件的。",
        perhaps="可能相关（内容相近，但没有这些词；未计入）：{names}",
    ),
}


def wording_of(language: str) -> Wording:
    """Return the phrases of a language, English ones where there are none."""
    return _WORDINGS.get(language, _ENGLISH)
