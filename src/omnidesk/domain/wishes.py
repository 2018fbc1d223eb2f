"""What customers say in so many words: somebody more senior, why it takes so long, a plain yes or no."""

import re

MAX_CHARS = 5_000  # what stands further down is not read
_SENIOR_RU = r"(старш\w+|начальник\w*|руководител\w+|руководств\w+|менеджер\w*|супервайзер\w*)"
_ASKS = re.compile(
    r"(?<!не )\b(позови(те)?|пригласи(те)?|соедини(те)?|переключи(те)?|передай(те)?|дай(те)?|нужен|"
    r"(хочу|хотел\w* бы|требую|могу( ли)?( я)?) (по)?говорить|требую)( мне| меня| нас| пожалуйста| обращение)*"
    rf"( с| к| на)?( вашего| вашему| вашим| вашему| кого-нибудь)? {_SENIOR_RU}\b"
    r"|(?<!not )(?<!n't )\b(speak|talk|escalate (this|it)|transfer me|put me through|connect me|get me|i want|i need)"
    r"( me)?( please)?( with| to)? (a |an |the |your |someone )?(senior|manager|supervisor|boss|superior)\b"
)
_HINTS = (
    "старш",
    "начальник",
    "руковод",
    "менеджер",
    "супервайз",
    "senior",
    "manager",
    "supervisor",
    "boss",
    "superior",
)


def asks_for_senior(text: str) -> bool:
    """«Позовите старшего», "let me talk to a manager": a request, not the mere mention of one."""
    lower = text[:MAX_CHARS].lower()
    if not any(hint in lower for hint in _HINTS):
        return False
    return _ASKS.search(" ".join(re.findall(r"[\w'-]+", lower.replace("ё", "е")))) is not None


_WHY_RU = (
    r"почему (так |это |же |мне |всё |все |ещё |еще )*(долго|до сих пор|никто|нет ответа|не отвеча\w+|молчите|тянете)"
    r"|(сколько|долго( ли)?)( ещё| еще| мне| можно| нужно)* (ждать|рассматрива\w+)"
    r"|когда( же| вы| мне)* (ответите|решите|ждать ответа?|будет (ответ|готово|решено|решение))"
    r"|чего (вы )?так долго|в чем задержка|почему задержка"
)
_WHY_EN = (
    r"why (is|does|did|has|am|are|so|it|this|i|you|haven't|hasn't)\b.{0,80}\b"
    r"(long|delay|delayed|waiting|replied|answered|heard)"
    r"|why the delay|(what is|what's) (taking|the (delay|hold ?up))|how (much|many) longer"
    r"|how long (do|must|will|should) (i|we|it|this)|when will (you|i|we|it|this) (answer|reply|hear|be|get)"
)
_WHY = re.compile(rf"\b({_WHY_RU}|{_WHY_EN})\b")
_WHY_HINTS = ("почему", "долго", "ждать", "когда", "задержк", "why", "long", "what", "when")


def asks_why_so_long(text: str) -> bool:
    """«Почему так долго?», "how much longer?": a question about the waiting itself, in one of its sentences."""
    lower = text[:MAX_CHARS].lower().replace("ё", "е").replace("\u2019", "'")
    if not any(hint in lower for hint in _WHY_HINTS):
        return False
    sentences = re.split(r"[.!?\n]+", lower)
    return any(_WHY.search(" ".join(re.findall(r"[\w'-]+", sentence))) for sentence in sentences)


_POLITE = r"( спасибо| пожалуйста| please| thanks| thank you)?"
_YES = re.compile(
    r"(да|да да|(да )?(я )?(согласен|согласна|согласны)|(да )?(это )?(мне |нам )?(подходит|устраивает)"
    rf"|yes|yes yes|(yes )?(i|we) agree|(yes )?agreed|(yes )?(that|it) suits (me|us)){_POLITE}"
)
_NO = re.compile(
    r"(нет|нет нет|(нет )?(я )?не (согласен|согласна|согласны)|(нет )?(это )?(мне |нам )?не (подходит|устраивает)"
    rf"|no|no no|(no )?(i|we) (do not|don't) agree|(no )?(i|we) disagree){_POLITE}"
)


def plain_answer(text: str) -> bool | None:
    """Yes or no when the whole text is nothing else; None for everything with a thought of its own."""
    if len(text) > 80 or "?" in text:
        return None
    said = " ".join(re.findall(r"[\w']+", text.lower().replace("\u2019", "'")))
    if re.search(r"[^\w\s'.,!\u2019)(:;-]", text):  # numbers of money, signs, pictures: a person reads those
        return None
    return True if _YES.fullmatch(said) else False if _NO.fullmatch(said) else None
