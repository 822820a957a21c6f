"""Words that say how a sentence is built; a question in, its words that are none of these out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

# Some that carry meaning in English or German ("war", "die", "man", "hat") are left out: rarity
# weighs them well enough where they are common.  Others do so too ("van", "son"): see HOMOGRAPHS.
_LATIN = {
    "English": (
    "a about above after again all also am an and any are aren't as at be because been before "
    "being below between both but by can can't cannot could couldn't did didn't do does doesn't "
    "doing don't down during each etc few for from further had has have having he her here hers "
    "herself him himself his how i i'm if in into is isn't it it's its itself just let's may me "
    "might more most must my myself no nor not of off on once only or other our ours out over own "
    "please same shall she should shouldn't so some such than that that's the their theirs them "
    "themselves then there there's these they this those through to too under until up upon us "
    "very was wasn't we were weren't what what's when when's where where's which while who who's "
    "whom whose why will with within without would you your yours yourself "
    "tell explain describe dont doesnt didnt isnt arent cant whats "
    ),
    "German": (
    "in an so will was also "
    "aber alle allem allen aller alles als am auch auf aus bei beim bin bis bist da damit dann das "
    "dass daß dein deine dem den denn der des dessen dich dies diese diesem diesen dieser dieses "
    "dir doch dort du durch ein eine einem einen einer eines er es etwa für gegen gibt habe haben "
    "hatte hatten ich ihm ihn ihr ihre ihrem ihren ihrer im ist ja jede jedem jeden jeder jedes "
    "kann kein keine keinen keiner können könnte machen mehr mein meine mit muss nach nicht noch "
    "nur ob oder ohne sehr sein seine seinem seinen seiner sich sie sind soll über um und uns "
    "unser unter viel viele vielen vom von vor wann warum was weil welche welchem welchen welcher "
    "welches wem wen wenn wer werde werden wessen wie wieso wieviel wieviele wir wird wo wobei "
    "wofür woher wohin womit woran worauf woraus worden worin worüber wovon wozu wurde wurden zu "
    "zum zur zwischen "
    ),
    "French": (
    "a me as si "
    "au aucun aussi aux avec avoir avait avaient ce cela celle celui ces cet cette ceux chez "
    "combien comment dans de depuis des donc du elle elles en est et été être eu il ils je la le "
    "les leur leurs lequel laquelle lesquels lesquelles lors lui mais mes moi mon même ne nos "
    "notre nous on ont ou où par parmi pas plus pour pourquoi qu quand que quel quelle quelles "
    "quels qui quoi sa sans se sera ses si son sont sous sur ta te tes toi ton tous tout toute "
    "toutes tu un une vos votre vous était étaient "
    ),
    "Spanish and Portuguese": (
    "a me no o e as do te tu nos un "
    "al algo alguien algún alguna algunas algunos antes aquel aquella así cada como cómo con cual "
    "cuál cuáles cuando cuándo cuanta cuánta cuántas cuanto cuánto cuántos de del desde donde "
    "dónde durante el él ella ellas ellos entre era eran es esa ese eso está están esta estaba "
    "estas este esto estos fue fueron ha había habían hacia han hasta hay la las le les lo los más "
    "mi muy nada ni nos nosotros para pero por porque porqué qué que quien quién quiénes se según "
    "ser si sí sido sin sobre son su sus también tanto tiene tienen todo todos tras tu un una uno "
    "unos y ya yo ao aos aquele aquela até com da das dele dela dos e ela elas ele eles em essa "
    "esse está eram foi foram há isso isto já lhe mais mas me mesmo meu minha muito na nas não no "
    "nos num numa o onde os ou pela pelas pelo pelos pois porquê qual quais quando quanto quanta "
    "quantas quantos quem são sem seu seus sua suas também tem têm tinha um uma umas uns você "
    ),
    "Italian": (
    "a o e la le un una se si con da del su mi ne sua una sono era cosa lo dove "
    "agli ai alla alle allo anche che chi ci coi col cosa cui dagli dai dal dalla dalle degli dei "
    "dell della delle dello di dove erano gli hanno i il in io li loro ma nei nel nella nelle "
    "nello negli non ogni per perché più poi quale quali quanta quante quanti quello quella questa "
    "queste questi questo qui sarà siamo sono stata stati stato sugli sui sul sulla sulle tra fra "
    "tutti tutto è "
    ),
    "Dutch": (
    "in over als de me was of "
    "aan bij dat deze dit een en geen haar heb hebben heeft het hij hoe hoeveel ik is je kan "
    "kunnen maar meer met naar niet nog ook op te tot tussen uit van veel voor waar waarom waarin "
    "wanneer wat welk welke werd werden wie wordt worden zich zij zijn zou "
    ),
    "Romanian": (
    "a o un in ce "
    "acest această aceste acestea acestui care când cât câte câți câtă ce cine cum cu de din este "
    "fost în la lui mai nu pe pentru prin sau său sunt unde unei unui și să a al ale au o un "
    ),
    "Polish": (
    "a o i "
    "ale był była było były co czy czym dla do gdzie ile jak jaka jaki jakie jest kiedy kim kto "
    "która które który lub na nie od po przez się są tak to w we z za ze "
    ),
    "Czech": (
    "a i o s "
    "co do na od po za to je jak jaký jaká jaké je "
    "jsou kde kdo kdy kolik která které který nebo pro se s v ve byl byla bylo byly "
    ),
    "Turkish": (
    "bir bu da daha de en gibi hangi hangisi için ile ise kaç kadar kim kimdir mi mı mu mü nasıl "
    "ne neden nedir nelerdir nerede nereden nereye niçin olan olarak oldu olduğu ve veya ya "
    ),
    "Vietnamese": (
    "ai bao bị bởi các cái cho có của cùng đã đang đâu để đến được gì hay khi không là làm lúc mà "
    "một nào này những như nhiêu nó ở ra sao sẽ tại thì theo thế trong từ và vào với về vì "
    ),
}  # fmt: skip
_OTHERS = (
    # Russian and Ukrainian
    "а без был была были было быть в вам вас весь во вот все всех вы где да для до его ее её если "
    "есть еще ещё же за и из или им их к как какая какие каким каких какого какое какой каком "
    "какую когда кого кому которая которое которые который ко кто куда ли мне мы на над не него "
    "нее нет ни них но о об он она они оно от откуда по под почему при про с сколько со так также "
    "такой там то того тоже только том ты у уже чего чей чем что чтобы чья эта эти это этот я "
    "та та що як який яка яке які де коли хто чому скільки це є і й з із від "
    # Greek
    "από αυτή αυτό αυτός αυτά για γιατί δεν είναι ένα ένας εκ η ήταν θα και κατά με μετά μια μία "
    "μπορεί να ο οι όταν όπως ποια ποιά ποιες ποιο ποιοι ποιος ποιός ποιον ποιους πόσα πόσες πόση "
    "πόσο πόσοι πόσους πότε που πού προς πως πώς σε στα στη στην στις στο στον στους τα τη την της "
    "τι τις το τον του τους των ως "
    # Arabic
    "أن أو إلى إن أي أين التي الذي الذين الى ان او تم ثم ذلك ذات على عن عند عندما فى في قد كان "
    "كانت كل كم كما كيف لا لم لماذا له لها ما ماذا متى مع من منذ هذا هذه هل هم هو هي و وقد التى اي "
    "اين اية أية "
    # Hindi
    "अपने आप इन इस इसका इसके इसने उन उनके उनकी उनका उस उसके उसका उसकी एक और कब कर करता करते करने "
    "कहा कहाँ कहां का कितना कितनी कितने किन किया किस किसका किसकी किसके किसने किसे की कुछ के को कौन "
    "कौनसा कौनसी क्या क्यों गई गए गया जब जा जाता जाती जो तक तो था थी थे दिया द्वारा ने नहीं पर बाद "
    "भी में यह या ये रहा रहे लिए वह वाला वाले वाली वे सा सी से हुआ हुई हुए है हैं हो होता होती होते "
    "कैसे "
    # Chinese, Japanese and Korean, in pairs of signs
    "什么 甚麼 什麼 多少 哪个 哪個 哪些 哪里 哪裡 哪一 "
    "怎么 怎麼 怎样 怎樣 如何 为什 為什 何时 何時 谁是 是谁 "
    "的是 是什 是多 是哪 有多 么是 么时 "
    "的哪 了什 了多 在哪 的什 个是 几个 幾個 因为 因為 可以 请问 "
    "です ます した たか すか ます ませ ので "
    "から まで では には とは のは のか なに いつ どこ どの だれ なぜ "
    "どう 何で 何が 何を 何で した って いる ある れた って された もの こと "
    "무엇 엇인 인가 가요 언제 어디 누구 어떤 얼마 어떻 "
    "떻게 입니 니까 습니 니다 인가 는가 은가 했는 "
    # Persian, Hebrew, Thai
    "از با برای به که را چه چرا چند چگونه کجا کدام کی است این آن "
    "את של על מה מי איך למה מתי איפה האם כמה איזה איזו הוא היא זה עם"
)

LANGUAGES: Mapping[str, frozenset[str]] = MappingProxyType(
    {language: frozenset(words.split()) for language, words in _LATIN.items()}
)
"""The function words of languages in Latin letters, which share many words."""
_HOMOGRAPHS = (
    "van son ton ale may will can own same met den pour sin era plus sera bin non para nos more "
    "sous tot dos hoe fin main"
)
HOMOGRAPHS = frozenset(_HOMOGRAPHS.split())
"""Words of several languages, which by themselves do not tell that a text is in one of them."""
OF_OTHER_SCRIPTS = frozenset(_OTHERS.split())
FUNCTION_WORDS = OF_OTHER_SCRIPTS.union(*LANGUAGES.values())

# Nouns as well, behind one of these: "the will of Mr Holt", "a can".
_MODALS = frozenset(["will", "can", "may", "might"])
_ARTICLES = frozenset(
    ["the", "a", "an", "his", "her", "my", "our", "their", "your", "this", "that"]
)
# Written with a capital within a sentence though they name nothing.
_POLITE = frozenset(["i", "i'm", "sie", "ihnen", "ihr", "ihre", "ihrem", "ihren", "ihrer"])
_SENTENCE_START = re.compile(r"(?:^|[.?!:¿¡]\s*)[\s\"'“„«(\[]*\Z")


def tell_words_apart(question: str, tokens: Sequence[tuple[str, int]]) -> list[str]:
    """Return the words that are no function words of the question's language.

    Tokens come with where they start.  The language is the one of whose function words the
    question has most, of equal ones all.  Names stay: what has a capital within a sentence, or a
    single letter beside a number.
    """
    words = [token.casefold().replace("’", "'") for token, _ in tokens]
    named = _find_names(question, tokens, words)
    dropped = OF_OTHER_SCRIPTS.union(
        *_languages_of([word for word, name in zip(words, named, strict=True) if not name])
    )
    return [
        token
        for n, (token, _) in enumerate(tokens)
        if named[n] or words[n] not in dropped or _is_noun(words, n)
    ]


def _languages_of(words: Sequence[str]) -> list[frozenset[str]]:
    """Return the function words of the languages that have most of these."""
    if all(word in HOMOGRAPHS or word not in FUNCTION_WORDS for word in words):
        return []
    distinct = set(words)
    counts = {
        language: (len(distinct & known - HOMOGRAPHS), len(distinct & known))
        for language, known in LANGUAGES.items()
    }
    most = max(counts.values())
    return [LANGUAGES[name] for name, count in counts.items() if count == most and count[0]]


def _find_names(
    question: str, tokens: Sequence[tuple[str, int]], words: Sequence[str]
) -> list[bool]:
    """Return for each word whether its capitals, or a number beside it, make it a name."""
    shouted = question.isupper()
    inside = [n for n, (_, at) in enumerate(tokens) if not _SENTENCE_START.search(question[:at])]
    capitals = [n for n in inside if tokens[n][0][0].isupper() and words[n] not in _POLITE]
    functions = [n for n in inside if words[n] in FUNCTION_WORDS and words[n] not in _POLITE]
    titled = len(functions) > 2 and set(functions) <= set(capitals)
    names = set() if shouted or titled else set(capitals)
    for n, (token, _) in enumerate(tokens):
        if not shouted and len(token) > 1 and token.isupper() and token.isascii():
            names.add(n)  # "US" and "WHO" are names, "us" and "who" are not
        beside = [tokens[i][0] for i in (n - 1, n + 1) if 0 <= i < len(tokens)]
        if len(token) == 1 and token.isupper() and any(other.isdigit() for other in beside):
            names.add(n)
    return [n in names for n in range(len(tokens))]


def _is_noun(words: Sequence[str], n: int) -> bool:
    return words[n] in _MODALS and n > 0 and words[n - 1] in _ARTICLES
