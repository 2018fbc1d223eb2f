"""What customers ask for in so many words: somebody more senior."""

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
