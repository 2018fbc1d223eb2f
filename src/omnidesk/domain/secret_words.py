"""The words around secrets, Russian and English: what announces one, what may stand between, what is none."""
# ruff: noqa: E501  tables of phrases

import re


def word_set(text: str) -> frozenset[str]:
    """The words of a table, written with blanks between them."""
    return frozenset(text.split())


# What announces a secret. Groups are the kinds.
KEYWORDS = re.compile(
    r"""(?<![^\W_])(?:
      (?P<cvv> [cс][vв][vвcс]\s?2? | цвв2? | свв2? | cvn2? | csc | card\s(?:verification|security)\s(?:code|value|number)
        | (?:последни\w+\s)?(?:три|3|четыре|4)(?:-?х)?\s(?:последни\w+\s)?цифр\w*(?=[\s:—-]+\d{3}(?!\d))
        | (?:(?:последни\w+\s)?(?:три|3|четыре|4)(?:-?х)?\s(?:последни\w+\s)?)?цифр\w*(?:\sкода)?\s(?:с|на|сзади|со)\b
          (?:\s(?:карт\w+|обороте?|обратной|оборотной|задней|стороне?|стороны|сзади))*
        | (?:the\s)?(?:last\s)?(?:three|3|four|4)[\s-](?:digits?|digit\scode|digit\snumber)\s(?:on|from|at)\sthe\s(?:back|reverse|rear)
          (?:\sof\s(?:the|my)\scard)?
        | секретн\w+\sкод\w*(?:\sкарты)? | code\son\sthe\sback(?:\sof\s(?:the|my)\scard)?
        | код\w*\s(?:безопасности\sкарты|на\sобороте|с\sобор\w+|на\sобратной\sстороне|с\sобратной\sстороны)(?:\sкарты)?
      )
    | (?P<pin> пин(?:[\s-]?код\w*)? | pin(?:[\s-]?code|[\s-]?number)? | пук(?:-?код)? | puk(?:[\s-]?code)? )
    | (?P<codeword> (?:кодов|секретн|контрольн|проверочн)\w+\s(?:слов\w+|фраз\w+|ответ\w*)
        | (?:ответ\sна\s)?(?:секретн|контрольн)\w+\sвопрос\w*
        | девичь\w+\sфамили\w+(?:\sматери|\sмамы)? | фамили\w+\sматери
        | (?:secret|security|code|memorable|safe)\s?(?:word|answer|phrase) | (?:mother'?’?s?\s)?maiden\sname
        | (?:secret|security)\squestion )
    | (?P<code> (?:одноразов|проверочн)\w+\s(?:парол\w+|код\w*) | (?:смс|sms)[\s-]?(?:код\w*|code|парол\w+)
        | код(?:а|ом|у|ы|е)? | code(?:s)? | (?:смс|sms)(?=\s*[:—-]\s*\d) | o\.?t\.?p\.? | одноразк\w+ | (?:one[\s-]?time|temporary)\s(?:password|passcode|pin)
        | 2fa | tan )
    | (?P<password> п[ао]р[оа]л(?:ь|я|ю|ем|е|и|ей|ям|ями|ях|ик|ьчик)? | пасс?в[оа]рд\w* | psswrd | parol[jy']?
        | pass\s?-?wor[dt]s? | passwd | passphrases? | passcodes? | pwd? | pswd? | psw | pw | pass | пасс? )
    )(?![^\W_])""",
    re.IGNORECASE | re.VERBOSE,
)

_LOGIN = r"(?:логин\w*|login|user\s?-?name|user|юзер|имя\sпользователя|e-?mail|почт\w+|уч[её]тк\w+|аккаунт\w*|account|id|телефон)"
_WORD = r"(?:парол[ьи]|passwords?|passwd|pass|pwd|пасс?)"
_AND = r"\s*(?:/|\\|\||\bи\b|\band\b|&|\+|,|:|-)\s*"
PAIR = re.compile(
    rf"(?<![^\W_])(?:(?P<usual>{_LOGIN}{_AND}{_WORD})|(?P<reverse>{_WORD}{_AND}{_LOGIN})|"
    r"(?P<creds>креды|уч[её]тные\sданные|credentials|creds|доступы?|данные\s(?:для\sвхода|уч[её]тной\sзаписи)|log[\s-]?in))"
    r"(?![^\W_])(?P<link>(?:\s+(?:от|для|for|to)(?:\s+\w+){1,3})?\s*(?:[:=>\-—–]|такие|это|вот|are|is|\n)+)?",
    re.IGNORECASE,
)

# Without one of these in the (case-folded) text no such announcement is there: looking for them first is many
# times cheaper. Each alternative above holds one of them.
_ANNOUNCES = (
    *(a + b + c for a in "cс" for b in "vв" for c in "vвcс"), "цвв", "cvn", "csc", "verification", "security", "цифр", "digit",
    "код", "code", "секретн", "контрольн", "проверочн", "пин", "pin", "пук", "puk", "девич", "фамили", "secret",
    "memorable", "safe", "maiden", "однораз", "смс", "sms", "otp", "ot.p", "o.tp", "o.t.p", "2fa", "tan",
    "парол", "порол", "парал", "порал", "пас", "psswrd", "parol", "pass", "psw", "pw",
)  # fmt: skip
_PAIRS = ("парол", "pass", "pwd", "пас", "кред", "cred", "доступ", "данные", "log")
_ENTERS = ("enter", "use", "введите", "используйте")


def looked_at(text: str) -> str:
    """The text as the three below want it: case-folded, without the one frequent word that holds a stem of theirs."""
    return text.casefold().replace("спасибо", "")


def may_announce(folded: str) -> bool:
    """Whether KEYWORDS may be found in a text."""
    return any(stem in folded for stem in _ANNOUNCES)


def may_pair(folded: str) -> bool:
    """The same for PAIR."""
    return any(stem in folded for stem in _PAIRS)


def may_enter(folded: str) -> bool:
    """The same for "enter 1234 to sign in"."""
    return any(stem in folded for stem in _ENTERS)


# May stand between an announcement and its secret.
_GLUE = (
    "мой моя моё мое мои моего моей наш наша наше ваш свой его её ее the my our your a an old new current previous "
    "старый новый текущий прежний последний временный такой такая такое следующий следующая вот это есть сейчас был была "
    "было стоит стоял будет сделал сделала поставил поставила установил установила ввожу ввел ввёл ввела вводил вводила "
    "набираю пишу использую использовал использовала указал указала который которая которое которым я мне вам вас меня "
    "у от для к ко на в во с со из за по при под и "
    "почты почта почту почте ящика аккаунта аккаунт аккаунту аккаунте учетки учётки учетной учётной записи записью "
    "кабинета кабинет личного личный лк сайта сайт сайте приложения приложение приложении системы вайфая роутера "
    "входа вход пользователя карты карта карте карточки банка банковской счета доступа доступ админки "
    "google apple id icloud gmail mail.ru яндекс яндекса yandex telegram вк vk wi-fi wifi сбера сбербанк онлайн "
    "is was are it it's its i i've use used set using be as to for from of on in at with by am have has had "
    "account email e-mail mail site website app application profile portal cabinet router card bank access "
    "here here's following that which this entered enter typed type tried changed reset "
    "сменил сменила поменял поменяла меняю сменить поменять измените поменяйте смените попробовал попробовала пробовал "
    "= : - — – -> → => | / > * _ ` "
)
GLUE = word_set(_GLUE) | word_set(
    "админа администратора вроде кажется наверное возможно точно maybe probably think would should смс sms смски смс-ки смс-сообщения сообщения сообщение сообщении письма письмо письме пуша push уведомления звонка "
    "подтверждения подтверждение проверки авторизации безопасности регистрации активации восстановления верификации "
    "пришёл пришел пришло пришла приходит получил получила выслали прислали прислал отправили отправил скинули "
    "text message texted email verification confirmation security authentication authorization sign-in signin "
    "one-time got received sent says number sms-code code код me you says it digits цифры такие операции входе входу "
    "двухфакторной 2fa телефона телефон phone мессенджера whatsapp viber госуслуг госуслуги"
)
SOFT_LINKS = word_set(
    "это вот is was are такой такая такое следующий here's it's установил установила поставил поставила сделал сделала "
    "пробовал пробовала попробовал попробовала ввожу ввел ввёл ввела вводил вводила использую использовал набираю tried "
    "сменил сменила поменял поменяла измените поменяйте changed set entered typed use used using"
)
TO_WHAT = word_set("от к для на у for to of on")
BELONGING = re.compile(
    r"(?!(?:заказ|номер|телефон|товар|ч[её]к|сч[её]т|order|number|phone|invoice|ticket|не$|меня$))[^\W\d_]{3,20}"
)
POSSESSIVE = re.compile(r"(?:мой|моя|мои|наш|my|our|свой|его|её)\s+(?:\w+\s+)?$", re.IGNORECASE)
SHORT = frozenset({"pass", "pw", "pas", "ps", "psw", "пас", "пасс", "pwd", "psd"})
COMMON = word_set(
    "qwerty qwertyuiop password admin root letmein iloveyou dragon monkey sunshine princess football welcome master "
    "shadow superman batman ninja йцукен пароль солнышко любовь наташа максим марина привет ytrewq asdfgh zxcvbn gfhjkm"
)
RUSSIAN_VERB = re.compile(r"(?:ется|ются|ится|ятся|ает|яет|ться|лся|лась|лось|лись|ение|ания|ание|уйте|ите|йте)$")
RUSSIAN_INFLECTED = re.compile(
    r"(?:[аеиуыяё]ть|[аеиуюяё]т|ться|тся|лся|лась|лось|лись|[аеиуыя]л[аио]?|[её]?нн?[аоы]?|[ыио]й|[ая]я|[оеы]е|ого|ему|ую|"
    r"ены?|аны?|йте|уть|о)$"
)
ENGLISH_PARTICIPLE = re.compile(r"(?:ed|ing|able|ible|ful|less|n't|n’t)$")
# What follows an announcement without being the secret.
STOP = word_set(
    "не нет ни забыл забыла забыли забыт неверный неверен неправильный неправильно верный верен правильный подходит "
    "потерял потеряла утерян утеряла утерял утрачен скрыт скрыто указан указано выше ниже прилагаю вложении вложен "
    "как где что чтобы когда если почему зачем кто куда или и а но же ли бы то тут там здесь для от к ко на в во с со "
    "из за по при под до без через у о об про больше уже ещё еще тоже также очень слишком всегда никогда никому нужен "
    "нужно надо можно нельзя должен обязателен пустой пусто важно главное хорошо плохо помогите помощь подскажите прошу "
    "пожалуйста спасибо здравствуйте смена сброс восстановление изменение ввод вход проверка проблема вопрос ошибка "
    "ссылка ссылку письмо код кода логин логина пароль пароля пароли почта почты аккаунт аккаунта email сменился слетел "
    "сбился тот та те мой моя мои мы я он она они вы ты мне вас нам вам самый самое всё все прежний старый новый другой "
    "такой такая один два раз раза секрет тайна личное ваш "
    "not no none n/a na never ever wrong incorrect invalid correct right required needed mandatory optional expired empty "
    "forgotten forgot lost missing unknown hidden reset recovery change changed changing update updated page link field "
    "form screen prompt box manager policy protected protection strength length hint hash rules requirements request "
    "requests help issue issues problem problems question error errors failed fails failure does doesn't doesn’t do don't "
    "don’t did didn't didn’t isn't isn’t wasn't won't can't cannot can could will would should must may might has have had "
    "is was are were be been being the a an my your our their his her this that these those it its i we you he she they "
    "and or but if when where why how what who which because since so too very still always again anymore just only also "
    "now then here there in on at to for from of by with without about into over under above below after before "
    "please thanks thank hello hi asap same different new old good bad ok okay fine weak strong short long secure safe "
    "stolen hacked leaked compromised working accepted rejected blocked locked sent set saved stored kept known secret "
    "shown displayed given broken taken written chosen properly correctly usually really currently recently probably suddenly actually login логин username name case attached enclosed masked redacted removed"
)
BRANDS = re.compile(
    r"(?:iphone|ipad|ipod|ios|macos|android|windows|win|galaxy|redmi|xiaomi|poco|pixel|honor|huawei|samsung|mi|note|chrome|"
    r"firefox|safari|opera|edge|office|version|ver|build|usb|mp|wi-?fi|http|https|tls|ssl|sha|md|utf|ipv|rtx|gtx|ps|"
    r"covid|corona|sm|rmx|playstation|xbox|java|python|php|html|css|web|outlook|exchange|app|айфон|андроид|виндовс|"
    r"версия|заказ|order|ticket|тикет|case|id|no|num|inv|error|err|ошибка)[_\-.#№]?\d{1,10}(?:[._\-]\d{1,6}){0,4}[a-zа-я]{0,3}"
    r"|[samxvасм]\d{1,3}(?:\.\d{1,4}){0,3}",
    re.IGNORECASE,
)
MEASURE = re.compile(
    r"\s*(?:₽|€|\$|%|°|руб\w*|р\.|коп\w*|usd|eur|rub|byn|kzt|тыс\w*|млн|раз\w*|times?|мин\w*|сек\w*|час\w*|дн\w+|день|дня|"
    r"недел\w+|месяц\w*|год\w*|лет|minutes?|mins?|hours?|days?|weeks?|months?|years?|seconds?|шт\w*|pcs|кг|гб|мб|gb|mb|"
    r"символ\w*|знак\w*|букв\w*|characters?|chars?|цифр\w*|digits?|человек\w*|процент\w*|янв|фев|мар|апр|мая|июн|июл|авг|"
    r"сен|окт|ноя|дек|строк\w*|попыт\w+|attempts?)(?![^\W_])",
    re.IGNORECASE,
)
FORGOT = re.compile(
    r"(?:забы\w+|не\s+помню|восстанов\w+|сброс\w*|сбросить|потер\w+|утер\w+|утрат\w+|не\s+подходит|не\s+принимает|"
    r"forg[oe]t\w*|don'?’?t\s+remember|recover\w*|reset\w*|lost|restore)\s+(?:\w+\s+){0,2}$",
    re.IGNORECASE,
)
ASIDE = re.compile(  # not codes to sign in with
    r"\s*-?\s*(?:товар|ошибк|заказ|продукт|купон|город|стран|регион|подразделен|домофон|отслеж|бронир|брон|ответ|статус|"
    r"издели|детал|модел|валют|класс|оквэд|октмо|услуг|тариф|скидк|промо|партн[её]р|агент|клиент|плат[её]ж|операц|транзакц|"
    r"магазин|склад|пункт|выдач|получени|постамат|ячейк|тн|причин|состояни|возврат|цвет|краск|формат|категори|назначени|"
    r"error|for\s+(?:the\s+)?(?:product|item|discount|order)|of\s+(?:the\s+)?(?:product|item|error)|review|base|snippet|"
    r"editor|style)",
    re.IGNORECASE,
)
BEFORE_ASIDE = re.compile(
    r"(?:промо|qr|куар|штрих|бар|исходн\w*|источник\w*|почтов\w*|телефонн\w*|междугородн\w*|налогов\w*|цветов\w*|"
    r"торгов\w*|товар\w*|ошибк\w*|странов\w*|авиа|статус|http|errors?|status|exit|return|response|zip|postal|post|area|"
    r"country|dial\w*|product|item|promo|promotional|discount|coupon|voucher|gift|referral|source|bar|tracking|booking|"
    r"reservation|color|colour|currency|sort|swift|branch|dress|reason|invite|stop|vendor|model|hs|sku|tax|agent|shop)"
    r"[\s\-]*$",
    re.IGNORECASE,
)
CODE_TRIGGER = re.compile(
    r"смс|sms|письм|почт|e-?mail|push|пуш|подтвержд|вериф|пришел|пришёл|пришло|приш(?:е|ё)л|вход|войти|вош[её]л|ввел|ввёл|ввожу|ввод|однораз|авториз|"
    r"telegram|телеграм|whatsapp|google|банк|звонк|звонил|прислал|выслал|получил|мой\s|ваш\s|сообщайте|verif|confirm|log\s?in|"
    r"sign|one[\s-]?time|otp|2fa|my\s|your\s|received|sent|got|text|share|authent|security|passcode|code is",
    re.IGNORECASE,
)
PHRASE_TRIGGER = re.compile(  # these announce a sign-in code whatever words come before the digits
    r"(?:смс|sms|подтвержд|вериф|однораз|авториз|проверочн|вход|безопасн|verif|confirm|one[\s-]?time|otp|2fa|log\s?in|sign|"
    r"security|authent|парол)",
    re.IGNORECASE,
)
