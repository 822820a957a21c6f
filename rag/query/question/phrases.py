"""How questions about all documents are worded, by language; data for `kind`."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Phrases:
    """Words of one language as alternatives of a regular expression.

    `unit` and `units` are documents of a kind, one and many; `generic` those that name no kind.
    `says` is what documents do with a topic,
    `does` what their text may do, `within` stands before "which documents".  `exists` asks
    whether there are some, `often` how many times; `who` leads to what they are to have, `acts`
    begins a question for documents that somebody makes or needs, not for those at hand.
    """

    code: str
    unit: str
    units: str
    generic: str
    det: str
    within: str
    which: str
    many: str
    every: str
    any: str
    across: str
    says: str
    does: str
    command: str
    summarise: str
    count: str
    please: str
    exists: str
    often: str
    who: str
    acts: str

    def as_groups(self) -> dict[str, str]:
        """Return the words by name."""
        return {name: str(value) for name, value in asdict(self).items()}


LISTS = (
    # in how many contracts; in which of the files
    r"\b(?:{within})\s+(?:{which}|{many})\s+(?:(?:{det})\s+)*(?:\w+\s+)?(?:{units})\b",
    # which documents mention; how many of our contracts have a clause
    r"\b(?:{which}|{many})\s+(?:(?:{det})\s+)*(?:\w+\s+)?(?:{units})\b"
    r"(?!\s+(?:did|does|do)\s+(?!(?:we|i|not)\b))(?:\W+\w+){{0,6}}?\W+(?:{says}|{does})\b",
    # does any document mention
    r"\b(?:{any})\s+(?:(?:{det})\s+)*(?:{unit}|{units})\b",
    # list all the contracts; find every file
    r"^\W*(?:{please})?(?:{command})\s+(?:\w+\s+){{0,2}}?(?:{every})\s+(?:(?:{det})\s+)*"
    r"(?:\w+\s+)?(?:{unit}|{units})\b",
    # are there documents that describe
    r"\b(?:{exists})\s+(?:(?:{det}|{any})\s+)*(?:\w+\s+)?(?:{unit}|{units}),?\s+(?:{who}|{within})\b",
    # list the documents that
    r"^\W*(?:{please})?(?:{command})\s+(?:(?:{det})\s+)*(?:\w+\s+)?(?:{units}),?\s+(?:{who})\b",
    # which invoices are open
    r"^\W*(?:{which})\s+(?:(?:{det})\s+)*(?:{units})\s+(?!(?:{acts})\b)\w",
    # how many letters did we get; the number of contracts
    r"\b(?:{many})\s+(?:(?:{det})\s+)*(?:\w+\s+)?(?:{units})(?:\s+(?:did|have|do) (?:we|i)\b|\W*$)",
    # how many of my files
    r"\b(?:{many})\s+(?:of|von|de)\s+(?:(?:{det})\s+)+(?:{units})\b",
    # count the invoices
    r"^\W*(?:{please})?(?:{count})\s+(?:(?:{det}|{every}|{many})\s+)*(?:\w+\s+)?(?:{units})\b",
)
"""Where documents themselves are counted or listed."""

ENGLISH = Phrases(
    code="en",
    unit="documents?|files?|pdfs?|contracts?|agreements?|e-?mails?|mails?|letters?|meetings?"
    "|minutes|reports?|invoices?|memos?|spreadsheets?|presentations?|policies|policy|transcripts?"
    "|filings?|manuals?|quotations?|protocols?|papers?|articles?",
    units="documents|files|pdfs|contracts|agreements|e-?mails|mails|letters|meetings|minutes"
    "|reports|invoices|memos|spreadsheets|presentations|policies|transcripts|filings|manuals"
    "|quotations|protocols|papers|articles|sources",
    generic="documents?|files?|pdfs?|sources?|in one (?:line|sentence)|we|compare|there"
    "|something|anything",
    det="of|the|these|those|my|our|all|its|their|your",
    within="in|from|across",
    which="which|what",
    many="how many|number of",
    every="all|every|each",
    any="any",
    across="across|throughout|anywhere in|everywhere in|over all",
    says="lack|lacks|mention|mentions|mentioned|mentioning|contain|contains|containing|include|includes"
    "|including|discuss|discusses|discussed|describe|describes|cover|covers|talk about"
    "|talks about|deal with|deals with|refer to|refers to|concern|concerns|say|says|state|states"
    "|speak of|name|names|list|lists|are about|about|have an?|has an?|have the (?:word|term|phrase)"
    "|are there|do (?:i|we) have"
    "|we have|i have|are dated|are from|come from"
    "|are in (?:the|my|our|this) (?:folder|archive|index|collection)"
    "|are written|address|addresses|cite|cites|quote|specify|specifies|provide for"
    "|(?:was|were|is|are) (?:signed|sent|mentioned|written) (?:by|to|in|with)",
    does="require|requires|expire|expires|allow|allows|forbid|forbids|end|ends|start|starts",
    command="list|show(?: me)?|give(?: me)?|find|name|collect|extract|enumerate|tell me"
    "|get(?: me)?|obtain",
    summarise="summari[sz]e|summary of|summaries of|sum up|overview of",
    count="count",
    please="please\\s+|can you\\s+|could you\\s+|i want you to\\s+",
    exists="is there|are there|do (?:we|i) have",
    often="how often|how many times",
    who="that|which|who|about|on|with|from|by|of|mentioning|containing|dealing|describing|where",
    acts="did|does|do|are required|are needed|are necessary|must|should|can|could"
    "|will|would|may|shall|of"
    "|were published|was published"
    "|in|on|and|or",
)

GERMAN = Phrases(
    code="de",
    unit=r"dokument|datei|pdf|\w*vertrag|e-?mail|mail|brief|\w*protokoll|\w*sitzung|besprechung"
    r"|\w*bericht|\w*rechnung|\w*unterlage|angebot|notiz|\w*handbuch|richtlinie|schreiben",
    units=r"dokumente?n?|dateien|pdfs?|\w*verträgen?|e-?mails|mails|briefen?|\w*protokollen?"
    r"|\w*sitzungen|besprechungen|\w*berichten?|\w*rechnungen|\w*unterlagen|angeboten?|notizen"
    r"|\w*handbüchern?|richtlinien|schreiben|quellen|tabellen",
    generic="dokumente?n?s?|dateien|datei|pdfs?|unterlagen|quellen|zusammen|zum thema|etwas",
    det="der|die|das|den|dem|meiner?|meinen|unserer?|unseren|dieser?|diesen|von",
    within="in|aus|bei|laut",
    which="welche[nrms]?",
    many="wie ?viele[nr]?|wieviele[nr]?|anzahl der|anzahl",
    every="alle[nrs]?|jede[mnrs]?|sämtliche[nr]?|einzelnen",
    any="irgendeine?[mnrs]?|irgendwelche[nr]?",
    across="quer durch|quer über|überall in|über alle",
    says="im ordner|im archiv|erwähn\\w+|enthalten|enthält|behandeln|handeln|sprechen|nennen"
    "|genannt"
    "|steht|stehen"
    "|vorkommt|kommt|kommen|gibt es|haben wir|habe ich|beschreiben|beschäftigen|betreffen|betrifft"
    "|beziehen|geht es|regeln|geregelt|verweisen|besprochen|beinhalten|sagen|liegen vor",
    does="laufen|enden|beginnen|verlangen|erlauben|verbieten|regeln",
    command="liste|nenne?|zeige?|finde?|gib|suche|zähle .{0,20}auf|erstelle|sammle",
    summarise="fasse?|zusammenfassung|überblick über",
    count="zähle?",
    please="bitte\\s+",
    exists="gibt es|haben wir|habe ich",
    often="wie oft|wie häufig",
    who="die|das|der|in denen|in dem|über|zu|zum|zur|von|mit",
    acts="brauch\\w*|benötig\\w*|muss|müssen|soll|sollen|darf|dürfen|kann|können|werden|wird|der"
    "|des|in|und|oder|erstell\\w*|gelten|gilt",
)

FRENCH = Phrases(
    code="fr",
    unit="document|fichier|pdf|contrat|courriel|e-?mail|mail|lettre|réunion|procès-verbal"
    "|compte rendu|rapport|facture|accord",
    units="documents|fichiers|pdfs?|contrats|courriels|e-?mails|mails|lettres|réunions"
    "|procès-verbaux|comptes rendus|rapports|factures|accords",
    generic="documents?|fichiers?|pdfs?|parle-t-on|quelque chose",
    det="de|des|les|mes|nos|ces|le|la|du",
    within="dans|de",
    which="quels|quelles|lesquels|lesquelles",
    many="combien d(?:e|es|')|nombre d(?:e|es)",
    every="tous|toutes|chaque|chacun|chacune",
    any="un quelconque|n'importe quel",
    across="à travers|parmi",
    says="mentionn\\w+|contien\\w+|parl\\w+|trait\\w+|évoqu\\w+|décriv\\w+|inclu\\w+|concern\\w+"
    "|cit\\w+|y a-t-il|avons-nous|ai-je|prévoi\\w+|comport\\w+|indiqu\\w+|ont|sont",
    does="expirent|exigent|permettent|interdisent|prennent fin",
    command="liste[rz]?|fais (?:moi )?une liste de|dresse[rz]? la liste de|donne[rz]?(?:-moi)?"
    "|montre[rz]?(?:-moi)?|trouve[rz]?|cite[rz]?|énumère[rz]?",
    summarise="résume[rz]?|résumé d(?:e|es)|synthèse d(?:e|es)",
    count="compte[rz]?",
    please="s'il (?:te|vous) plaît,?\\s+",
    exists="y a-t-il (?:un|des)|existe-t-il (?:un|des)|avons-nous (?:un|des)",
    often="combien de fois",
    who="qui|que|dont|sur|de|avec|où",
    acts="dois|doit|faut|devons|peut|de|du|des|dans|et|ou|sont nécessaires|fournir",
)

SPANISH = Phrases(
    code="es",
    unit="documento|archivo|fichero|pdf|contrato|correo|e-?mail|carta|reunión|acta|informe|factura"
    "|acuerdo",
    units="documentos|archivos|ficheros|pdfs?|contratos|correos|e-?mails|cartas|reuniones|actas"
    "|informes|facturas|acuerdos",
    generic="documentos?|archivos?|ficheros?|pdfs?",
    det="de|los|las|mis|nuestros|nuestras|estos|estas|el|la",
    within="en|de",
    which="qué|que|cuáles|cuales",
    many="cuántos|cuántas|cuantos|cuantas|número de",
    every="todos|todas|cada",
    any="algún|alguno|alguna",
    across="a través de|a lo largo de",
    says="mencion\\w+|contien\\w+|habla\\w*|trata\\w*|inclu\\w+|describ\\w+|se refier\\w+|hay"
    "|tenemos|tengo|cita\\w*|menciona\\w*|aparec\\w+|tiene\\w*|indica\\w*",
    does="vencen|exigen|permiten|prohíben|terminan",
    command="enumera|lista|haz una lista de|muestra(?:me)?|muéstrame|dame|encuentra|busca|nombra",
    summarise="resume|resumir|resumen de",
    count="cuenta",
    please="por favor,?\\s+",
    exists="hay|existe|existen|tenemos",
    often="cuántas veces",
    who="que|sobre|de|con|donde",
    acts="debo|debe|necesito|hay que|puede|de|del|en|y|o|se necesitan|son necesarios",
)

RUSSIAN = Phrases(
    code="ru",
    unit="документ\\w*|файл\\w*|договор\\w*|контракт\\w*|письм\\w*|протокол\\w*|отч[её]т\\w*",
    units="документ\\w*|файл\\w*|договор\\w*|контракт\\w*|пис[еь]м\\w*|протокол\\w*|отч[её]т\\w*",
    generic="документ\\w*|файл\\w*",
    det="из|моих|наших|этих",
    within="в|во|из",
    which="каких|какие",
    many="сколько|скольких",
    every="все|всех|каждый|каждом|каждого",
    any="какой-нибудь|каком-нибудь|любом",
    across="по всем|во всех",
    says="упомина\\w+|содерж\\w+|говор\\w+|есть|касаются|описыва\\w+",
    does="истекают|требуют|заканчиваются",
    command="перечисли(?:те)?|покажи(?:те)?|найди(?:те)?|назови(?:те)?",
    summarise="обобщи(?:те)?|резюме|кратко изложи(?:те)?",
    count="посчитай(?:те)?",
    please="пожалуйста,?\\s+",
    exists="есть ли",
    often="сколько раз|как часто",
    who="где|о|об|про|которые|с|от|из",
    acts="нужны|нужно|надо|должны|можно|и|или|в",
)

LANGUAGES = (ENGLISH, GERMAN, FRENCH, SPANISH, RUSSIAN)

_KINDS = """\
contract agreement vertrag verträg contrat accord contrato acuerdo договор 合同 协议
minute meeting protokoll sitzung besprechung réunion reunión acta 会议 纪要
mail email e-mail eml courriel correo письмо 邮件
report bericht rapport informe отчет 报告
invoice rechnung facture factura 发票
letter brief lettre carta 信件
manual handbuch handbook manuel 手册
presentation slide präsentation pptx odp
spreadsheet tabelle xlsx ods csv"""
KINDS = tuple(frozenset(line.split()) for line in _KINDS.splitlines())
"""Beginnings of words that name documents of one kind, whatever the language."""

_ZH = (
    "(?:文件|文档|文檔|檔案|合同|合约|合約|协议|協議|契約|电子邮件|邮件|郵件|信件|报告|報告"
    "|会议记录|會議記錄|会议纪要|會議紀要|纪要|资料|資料|发票|發票|手册|手冊|PDF)"
)
_JA = "(?:文書|ドキュメント|ファイル|契約書|契約|メール|報告書|議事録|資料|請求書)"
_KO = "(?:문서|파일|계약서|이메일|메일|보고서|회의록|송장)"
ANY_UNIT = f"{_ZH}|{_JA}|{_KO}"
PATTERNS: dict[str, list[str]] = {
    "documents": [
        rf"(?:哪些|哪几[份个封篇]|哪幾[份個封篇]|多少[份个個封篇]?|几[份个封篇]|幾[份個封篇])\s*{_ZH}",
        rf"^请?(?:列出|列举|找出|请列出|請列出).{{0,2}}(?:所有|全部|每).{{0,8}}{_ZH}",
        rf"(?:任何|有没有)(?:一[份个封])?{_ZH}",
        rf"(?:どの|どんな|いくつの|何件の|何通の)\s*{_JA}|{_JA}(?:は|が)(?:いくつ|何件|何通)",
        rf"(?:어떤|어느|몇 ?개의|몇 ?통의)\s*{_KO}",
    ],
    "things": [
        rf"(?:所有|全部|每一?[份个個封篇]|各[份个個]|整个)(?:的)?.{{0,4}}{_ZH}",
        r"^(?:请|請)?(?:列出|列举|列舉|找出)(?:所有|全部)",
        rf"(?:总结|總結|概括|汇总|彙總|归纳).{{0,6}}{_ZH}",
        rf"(?:すべての|全ての|全部の|各)\s*{_JA}|{_JA}[はが].{{0,8}}(?:どれ|いくつ|何件|何通)",
        rf"{_ZH}.{{0,4}}(?:一共|总共|總共).{{0,6}}(?:几次|多少次|幾次)",
        rf"(?:모든|전체|각)\s*{_KO}",
        rf"\bwhat do (?:the|my|our|these) (?:\w+ )?(?:{ENGLISH.units})\b",
        rf"\bwas (?:sagen|steht in) (?:die|den|unsere|meine)n? (?:\w+ )?(?:{GERMAN.units})\b",
        rf"\bque disent (?:les|mes|nos) (?:{FRENCH.units})\b",
        rf"\bqué dicen (?:los|las|mis) (?:{SPANISH.units})\b",
        r"\b(?:in|across) (?:the|my|our|this) (?:whole|entire) (?:folder|archive|index)\b",
    ],
    "mentions": [
        r"\b(?:mention\w*|contain\w*|includ\w+|lacks?|refer(?:s|red)? to|cite[sd]?|quote[sd]?"
        r"|names?|named|appears?|occurs?|the (?:exact )?(?:word|phrase|term)s?"
        r"|erwähn\w*|enthalten|enthält|beinhalte\w*|nenn(?:en|t)|genannt|vorkomm\w*|komm(?:t|en)\b.*\bvor"
        r"|steh(?:t|en) (?!etwas|was)|d(?:as|em) wort|der begriff"
        r"|mentionn\w+|contien\w+|cit(?:e|ent)|inclu\w+|figure(?:nt)?|apparaî\w+"
        r"|mencion\w+|contien\w+|aparec\w+|упомина\w+|содерж\w+)\b"
        r"|提到|提及|包含|出现|出現|言及|含む|含ま|언급|포함"
    ],
    "many": ["多少|几[份个封篇]|幾[份個封篇]|いくつ|何件|何通|몇 ?[개통]"],
    "summarise": ["总结|總結|概括|汇总|彙總|归纳|要約|まとめ|요약"],
    "asking": [
        "哪些|哪几[份个封篇]|多少[份个個封篇]?|几[份个封篇]|所有的?|全部的?|每一?[份个個封篇]|各[份个個]"
        "|请|請|列出|列举|找出|提到了?|提及|包含|涉及|包括|中提|总结|概括|汇总|归纳|文件|文档|文檔|檔案|资料"
        "|有没有|任何|どの|すべての|全ての|文書|ファイル|모든|어떤|문서|파일"
    ],
}
"""Languages without blanks between words, as regular expressions by what they tell."""
