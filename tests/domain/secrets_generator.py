"""Mails with secrets in them and mails without, by the thousand, from a seed.

The phrasings are ours; numbers, words and frames are drawn. A canary is masked when its secret is
nowhere to be read in what is kept; a harmless mail must stay as it is.
"""
# ruff: noqa: E501  one phrase after the other; breaking them up hides what is missing

import random
import string
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Canary:
    kind: str
    secret: str
    text: str
    html: str  # the same mail, its secret sometimes split by tags


Draw = Callable[[random.Random], str]

GREETINGS = [
    "",
    "",
    "Здравствуйте! ",
    "Добрый день, ",
    "Hello, ",
    "Hi team,\n\n",
    "Привет.\n",
    "Уважаемая поддержка!\n\n",
]
ENDINGS = [
    "", "", " Помогите, пожалуйста.", "\n\nС уважением,\nИван", " Please help.", "\nThanks, Ann", ". Не могу войти с утра.",
    ". Заказ 48213.", "\n> On Mon, 16 Nov 2026, Support wrote:\n> How can we help?", ", что делать?", "\n--\nSent from my iPhone",
]  # fmt: skip
SEPARATORS = [" ", "-", "", "\u00a0", ".", "  ", " - ", "\u2009", "–"]
SYLLABLES = ["ba", "ko", "mi", "ru", "ta", "zel", "dor", "vik", "lun", "pra", "sho", "nex"]
RU_WORDS = ["Медвежонок", "василёк", "Барсик", "звезда", "Мурзик", "ромашка", "Спартак", "шоколадка", "Снежинка"]
EN_WORDS = ["dragonfly", "Butterfly", "monkey", "Snowball", "pineapple", "starlight", "Moonlight", "bumblebee"]
NAMES = ["ivan", "anna.k", "petrov77", "maria", "alex_s", "user1"]
OTHER_DIGITS = ["0123456789", "٠١٢٣٤٥٦٧٨٩", "０１２３４５６７８９", "०१२३४५६७८९"]


def canaries(seed: int, n: int) -> list[Canary]:
    """`n` mails with one secret each, of all kinds."""
    draw = random.Random(seed)
    return [_canary(draw) for _ in range(n)]


def harmless(seed: int, n: int) -> list[str]:
    """`n` mails that speak of passwords, codes, cards and numbers without telling a secret."""
    draw = random.Random(seed)
    return [_mail(draw, _fill(draw, draw.choice(HARMLESS))) for _ in range(n)]


def warnings(seed: int, n: int) -> list[str]:
    """`n` replies of agents that warn, explain or help with a reset, without asking for a secret."""
    draw = random.Random(seed)
    return [_reply(draw, _fill(draw, draw.choice(WARNINGS))) for _ in range(n)]


def requests(seed: int, n: int) -> list[str]:
    """`n` replies of agents that ask for a secret."""
    draw = random.Random(seed)
    return [_reply(draw, _fill(draw, draw.choice(REQUESTS))) for _ in range(n)]


def _canary(draw: random.Random) -> Canary:
    kind = draw.choice(["password"] * 4 + ["card"] * 3 + ["code"] * 2 + ["cvv", "pin", "codeword"])
    secret, frame = SECRETS[kind](draw)
    text = _mail(draw, _fill(draw, frame).replace("@@", secret))
    return Canary(kind, secret, text, _as_html(draw, text, secret))


def _mail(draw: random.Random, sentence: str) -> str:
    text = draw.choice(GREETINGS) + sentence + draw.choice(ENDINGS)
    style = draw.randrange(12)
    if style == 0:
        return "\n".join("> " + line for line in text.split("\n"))
    if style == 1:
        return text.replace(": ", ":\n", 1)
    return text.replace(" ", "\u00a0") if style == 2 else text


def _reply(draw: random.Random, sentence: str) -> str:
    before = [
        "",
        "Здравствуйте! ",
        "Hello Ivan,\n\n",
        "Спасибо за обращение. ",
        "Не переживайте, мы поможем. ",
        "Don't worry. ",
    ]
    after = [
        "",
        "\n\nС уважением, Анна",
        " Спасибо!",
        "\nBest regards,\nThe support team",
        " Номер заявки 123-456-789.",
    ]
    return draw.choice(before) + sentence + draw.choice(after)


def _as_html(draw: random.Random, text: str, secret: str) -> str:
    escaped, inner = _escape(text), _escape(secret)
    place = draw.randrange(1, len(secret)) if len(secret) > 1 else 0
    split = draw.choice(["<b>", '<span style="color:red">', "<i><u>", "<wbr>"])
    close = {"<b>": "</b>", "<i><u>": "</u></i>", "<wbr>": ""}.get(split, "</span>")
    if draw.randrange(2):
        inner = _escape(secret[:place]) + split + _escape(secret[place:]) + close
    elif draw.randrange(2):
        inner = f'<a href="tel:{_escape(secret)}">{inner}</a>'
    body = escaped.replace(_escape(secret), inner).replace("\u00a0", "&nbsp;")
    return "<div>" + body.replace("\n", draw.choice(["<br>", "</div><div>", "<br/>\n"])) + "</div>"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _fill(draw: random.Random, frame: str) -> str:
    for field, values in FIELDS.items():
        while field in frame:
            frame = frame.replace(field, values(draw), 1)
    return frame


# Secrets


def _password(draw: random.Random) -> tuple[str, str]:
    style = draw.randrange(8)
    word = "".join(draw.choice(SYLLABLES) for _ in range(draw.randint(2, 3)))
    number = str(draw.randint(1, 9999))
    sign = draw.choice("!@#$%^&*?+=_")
    if style == 0:
        return draw.choice(RU_WORDS) + number, draw.choice(PASSWORD_FRAMES)
    if style == 1:
        return draw.choice(RU_WORDS + EN_WORDS), draw.choice(PLAIN_PASSWORD_FRAMES)
    if style == 2:
        return str(draw.randint(10_000, 10**9)), draw.choice(PASSWORD_FRAMES)
    if style == 3:
        letters = [draw.choice(string.ascii_letters), draw.choice(string.digits), draw.choice("!@#$%^&*")]
        letters += draw.choices(string.ascii_letters + string.digits + "!@#$%^&*", k=draw.randint(5, 12))
        draw.shuffle(letters)
        return draw.choice(string.ascii_letters) + "".join(letters) + "x", draw.choice(PASSWORD_FRAMES)
    if style == 4:
        return word + "-" + number + "-" + word, draw.choice(PASSWORD_FRAMES)
    if style == 5:
        return word.title() + sign + word + number, draw.choice(PASSWORD_FRAMES)
    return word.title() + sign + number if style == 6 else word.title() + number, draw.choice(PASSWORD_FRAMES)


PASSWORD_FRAMES = [
    "мой пароль @@", "Мой пароль: @@", "пароль - @@", "Пароль — @@", "ПАРОЛЬ @@", "пароль такой: @@", "вот мой пароль @@",
    "логин {name}, пароль @@", "Логин: {name}\nПароль: @@", "логин/пароль: {name} / @@", "логин и пароль: {name} @@",
    "Логин/пароль {name}:@@", "пароль от личного кабинета @@", "пароль от почты {name}@mail.ru: @@",
    "пароль для входа в приложение это @@", "старый пароль был @@", "я сменил пароль на @@", "поменяйте пароль на @@",
    "новый пароль @@", "пробовал пароль @@ и всё равно не входит", "ввожу пароль «@@», не пускает", "пароль (@@) не принимает",
    "с паролем @@ не входит", "мой пароль\n@@", "пароль = @@", "pwd=@@", "password=@@", "Password: @@", "my password is @@",
    "My password is \"@@\"", "the password I use is @@", "password - @@", "passwd: @@", "pass: @@", "username {name} password @@",
    "Login: {name}\nPassword: @@", "login/password: {name} / @@", "user {name}, pwd: @@", "my old password was @@",
    "please set the password to @@", "I changed my password to @@ yesterday", "@@ is my password", "@@ — мой пароль",
    "**Пароль:** @@", "* password: `@@`", "my account password is @@ and it does not work", "{\"password\": \"@@\"}",
    "не помню, пароль вроде @@", "пасворд: @@", "Parol: @@", "пароль к вайфаю: @@", "пароль:@@", "Пароль на сайт @@",
    "временный пароль из письма: @@", "credentials: {name} / @@", "учетные данные: {name} @@", "пароль от аккаунта стоит @@",
]  # fmt: skip
PLAIN_PASSWORD_FRAMES = [
    "мой пароль: @@", "Пароль: @@", "пароль - @@", "пароль это @@", "логин/пароль: {name} / @@", "пароль «@@»", "пароль \"@@\"",
    "password: @@", "my password is @@", "Login: {name}\nPassword: @@", "pwd=@@", "password=@@", "пароль такой: @@",
    "пароль от почты: @@", "мой пароль @@",
]  # fmt: skip


def _card(draw: random.Random) -> tuple[str, str]:
    prefix, length = draw.choice(
        [("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("2200", 16), ("2204", 16), ("2202", 19), ("34", 15), ("37", 15),
         ("62", 16), ("3530", 16), ("6011", 16), ("6759", 18), ("4", 13), ("4", 19), ("9860", 16)]
    )  # fmt: skip
    number = card_number(draw, prefix, length)
    sizes = {15: [4, 6, 5], 13: [4, 4, 5], 18: [4, 4, 4, 6], 19: [4, 4, 4, 4, 3]}.get(length, [4, 4, 4, 4])
    groups, at = [], 0
    for size in sizes:
        groups.append(number[at : at + size])
        at += size
    secret = draw.choice(SEPARATORS).join(groups)
    if draw.randrange(8) == 0:
        digits = draw.choice(OTHER_DIGITS)
        secret = "".join(digits[int(char)] if char.isdigit() else char for char in secret)
    announced = length == 13 or prefix == "6759"
    return secret, draw.choice(CARD_FRAMES[: -5 if announced else None])


def card_number(draw: random.Random, prefix: str, length: int) -> str:
    digits = prefix + "".join(draw.choice(string.digits) for _ in range(length - len(prefix) - 1))
    return digits + str(luhn_digit(digits))


def luhn_digit(digits: str) -> int:
    """The digit that makes `digits` pass Luhn; written without the code under test."""
    doubled = [sum(divmod(int(digit) * 2, 10)) for digit in digits[::-1][::2]]
    return -(sum(doubled) + sum(int(digit) for digit in digits[::-1][1::2])) % 10


CARD_FRAMES = [
    "номер карты @@", "Карта: @@", "моя карта @@, не проходит оплата", "оплачивал картой @@", "карта Мир @@", "my card number is @@",
    "Card: @@", "Visa @@", "списали деньги с карты @@ за заказ 48213", "I paid for order {order} with card @@", "PAN @@",
    "верните на карту @@ Иванов И.", "credit card @@ exp 12/27", "реквизиты карты: @@ 11/28", "карта @@, cvv на обороте",
    "заказ {order}, карта @@", "@@", "вот: @@ 12/27", "деньги верните сюда: @@", "Please refund to @@", "мои данные @@ 09/28 IVAN IVANOV",
]  # fmt: skip


def _code(draw: random.Random) -> tuple[str, str]:
    size = draw.choice([4, 5, 6, 6, 6, 8])
    digits = "".join(draw.choice(string.digits) for _ in range(size))
    if size == 6 and draw.randrange(4) == 0:
        digits = digits[:3] + draw.choice([" ", "-"]) + digits[3:]
    return digits, draw.choice(CODE_FRAMES)


CODE_FRAMES = [
    "код из смс @@", "Код из СМС: @@", "код подтверждения @@", "код подтверждения: @@, не подходит", "мне пришёл код @@", "пришел код @@",
    "ваш код @@", "Ваш код: @@. Никому его не сообщайте", "никому не сообщайте код @@", "ввожу код @@ и ничего", "смс-код @@",
    "одноразовый пароль @@", "одноразовый код: @@", "код для входа @@", "код для входа в Telegram: @@", "@@ — ваш код подтверждения",
    "@@ - код для входа", "your code is @@", "Your verification code is @@", "verification code: @@", "@@ is your verification code",
    "G-@@ is your Google verification code", "Use @@ as your login code", "I got the code @@ but it does not work", "OTP: @@", "otp is @@",
    "the sms code is @@", "my confirmation code @@", "security code from the text message: @@", "one-time password @@", "passcode: @@",
    "код из письма @@", "код авторизации для входа: @@", "Код подтверждения для Сбербанк Онлайн @@", "мой код @@", "проверочный код - @@",
    "код который пришел: @@", "I received code @@ by sms", "2FA code @@",
]  # fmt: skip


def _cvv(draw: random.Random) -> tuple[str, str]:
    digits = "".join(draw.choice("456789") for _ in range(3))
    return digits, draw.choice(CVV_FRAMES)


CVV_FRAMES = [
    "CVV @@", "cvv: @@", "CVC @@", "cvc2 - @@", "CVV2: @@", "cvv код @@", "код cvv @@", "мой CVV @@", "my CVV is @@", "three digits on the back @@",
    "три цифры на обороте @@", "три цифры с обратной стороны: @@", "3 цифры на обороте карты: @@", "код безопасности карты @@", "CVC-код: @@",
    "карта {card} срок 12/27 cvv @@", "{card} 12/27 @@", "card {card}, exp 01/29, cvc @@", "{card} 12/27 IVAN IVANOV @@", "the cvc code is @@",
    "card security code @@", "security code: @@", "cvv=@@", "цвв @@", "@@ — это cvv", "last three digits on the back are @@",
]  # fmt: skip


def _pin(draw: random.Random) -> tuple[str, str]:
    return "".join(draw.choice("456789") for _ in range(4)), draw.choice(PIN_FRAMES)


PIN_FRAMES = [
    "пин-код @@", "ПИН @@", "PIN: @@", "мой пин @@", "my PIN is @@", "pin code @@", "пинкод от карты: @@", "PIN-код карты @@", "пин код - @@",
    "pin=@@", "пин от карты @@", "the PIN for my card is @@", "@@ — мой пин",
]  # fmt: skip


def _codeword(draw: random.Random) -> tuple[str, str]:
    return draw.choice(RU_WORDS + EN_WORDS), draw.choice(CODEWORD_FRAMES)


CODEWORD_FRAMES = [
    "кодовое слово: @@", "кодовое слово @@", "Кодовое слово - @@", "моё кодовое слово «@@»", "секретное слово: @@", "кодовое слово это @@",
    "контрольное слово: @@", "secret word: @@", "my secret word is @@", "секретный вопрос: @@", "ответ на секретный вопрос: @@",
    "девичья фамилия матери: @@", "mother's maiden name: @@", "security answer: @@", "кодовая фраза \"@@\"",
]  # fmt: skip
SECRETS = {"password": _password, "card": _card, "code": _code, "cvv": _cvv, "pin": _pin, "codeword": _codeword}


# Harmless


def _digits(low: int, high: int) -> Draw:
    return lambda draw: str(draw.randint(10 ** (low - 1), 10**high - 1))


def _luhn(prefix: str, length: int) -> Draw:
    return lambda draw: card_number(draw, prefix, length)


def _phone(draw: random.Random) -> str:
    a, b, c, d = draw.randint(900, 999), draw.randint(100, 999), draw.randint(10, 99), draw.randint(10, 99)
    return draw.choice(
        [f"+7{a}{b}{c}{d}", f"8 ({a}) {b}-{c}-{d}", f"+7 {a} {b} {c} {d}", f"8{a}{b}{c}{d}", f"+44 20 7{b} {a}{c % 10}"]
    )


def _date(draw: random.Random) -> str:
    day, month, year = draw.randint(1, 28), draw.randint(1, 12), draw.randint(2020, 2027)
    return draw.choice(
        [f"{day:02}.{month:02}.{year}", f"{year}-{month:02}-{day:02}", f"{day:02}/{month:02}/{year % 100}"]
    )


def _iban(draw: random.Random) -> str:
    account = "".join(draw.choice(string.digits) for _ in range(18))
    check = 98 - int(account + "131400") % 97  # D = 13, E = 14
    text = f"DE{check:02}{account}"
    return draw.choice([text, " ".join(text[i : i + 4] for i in range(0, len(text), 4))])


FIELDS: dict[str, Draw] = {
    "{name}": lambda draw: draw.choice(NAMES),
    "{order}": _digits(4, 9),
    "{card}": _luhn("4", 16),
    "{phone}": _phone,
    "{date}": _date,
    "{iban}": _iban,
    "{luhn16}": lambda draw: card_number(draw, draw.choice(["4", "55", "2200", "62", "37"]), 16),
    "{imei}": _luhn("35", 15),
    "{track}": lambda draw: draw.choice(
        [_digits(14, 14)(draw), f"RA{_digits(9, 9)(draw)}RU", f"1Z{_digits(16, 16)(draw)}"]
    ),
    "{inn}": lambda draw: draw.choice(["7707083893", _digits(12, 12)(draw)]),
    "{rub}": lambda draw: f"{draw.randint(1, 999)} {draw.randint(100, 999)},{draw.randint(10, 99)} ₽",
    "{n3}": lambda draw: str(draw.choice([400, 401, 403, 404, 429, 500, 502, 503])),
    "{n}": _digits(4, 6),
    "{what}": lambda draw: draw.choice(
        ["на iPhone 14", "в приложении версии 3.2.1", "с Windows 11", "в Chrome 120", "на Samsung S23"]
    ),
}
HARMLESS = [
    "заказ {order} не пришёл", "Order #{order} has not arrived", "мой телефон {phone}", "call me at {phone}, order {order}", "счёт {luhn16} не оплачен",
    "invoice {luhn16} is wrong", "трек {track} не отслеживается", "tracking number {luhn16}", "Трек-номер: {luhn16}", "номер отправления {track}",
    "IMEI {imei}", "IBAN {iban}", "верните на счёт {iban}", "ИНН {inn}, КПП 770701001", "оплатил {rub} {date}", "сумма {rub}, чек {order}",
    "забыл пароль", "забыл пароль, заказ {order}", "Забыл пароль. Телефон {phone}", "забыла пароль от {name}@mail.ru", "не помню пароль {what}",
    "не приходит код", "не приходит код на телефон {phone}", "не приходит код подтверждения, телефон {phone}", "код из смс не приходит с {date}",
    "Не приходит смс с кодом {what}", "код не подходит {what}", "verification code doesn't arrive", "I don't get the code on {phone}",
    "verification code never came, order {order}", "password reset doesn't work", "password reset link is broken {what}",
    "I forgot my password, my login is {name}", "my password doesn't work since {date}", "the password is not accepted", "wrong password error {n3}",
    "код товара {order}", "Код товара: {order}", "товар код {order} нет в наличии", "код ошибки {n3}", "код ошибки: {n}", "error code {n}",
    "ошибка {n3} при вводе пароля", "I get status code {n3}", "промокод SALE{n} не работает", "promo code {n} is rejected", "никому не сообщайте пароль",
    "вы пишете никому не сообщать код, а как войти?", "Never share your password, they say", "как сменить пароль?", "как сменить пароль {what}?",
    "пароль не подходит {what}", "пароль слишком короткий, нужно 8 символов", "Пароль должен содержать 12 символов", "password must have 8 characters",
    "ввожу пароль уже 1000 раз", "сброс пароля не работает, жду 20 минут", "Сброс пароля: ссылка не открывается", "мой пароль перестал подходить",
    "мой пароль взломали", "my password was hacked", "my password is wrong", "my password is not working", "Пароль: не подходит", "пароль неверный",
    "карта не привязывается", "не проходит оплата картой, заказ {order}", "карта лояльности {luhn16}", "моя карта *1234, списали {rub}",
    "карта заканчивается на 1234", "card ending in 4242 was charged {rub}", "не вижу где CVV", "сайт не принимает CVV, ошибка {n3}", "CVV is not accepted",
    "пин-код заблокирован", "забыл пин-код от карты", "forgot my PIN", "забыл кодовое слово", "забыл кодовое слово, что делать?",
    "кодовое слово не подходит", "как установить кодовое слово?", "почтовый код {n}", "zip code {n}", "QR-код не сканируется", "штрихкод 4601234567893",
    "код города 495, телефон {phone}", "код страны +7", "договор {luhn16} от {date}", "лицевой счёт {order}", "артикул {order}, цвет чёрный",
    "логин {name}, заказ {order}", "мой логин {name}, пароль забыл", "не могу войти: логин {name}", "серийный номер SN{order}A{n}", "версия 3.2.{n3}",
    "обращение 123-456-789 от {date}", "ticket {order} is still open", "https://shop.example/track/{luhn16}", "{date} {date} {date}",
    "прошу вернуть {rub} за заказ {order} от {date}", "reset password email never arrived at {name}@example.com", "пароль и логин не подходят",
    "логин и пароль не принимает", "login and password are rejected", "где ввести код?", "what is a security code?", "where do I enter the code?",
    "двухфакторная аутентификация не включается", "Password: forgot it", "Пароль забыт, логин {name}", "мне нужен новый пароль", "i need a new password",
    "отправьте новый пароль на {name}@mail.ru", "пришлите код на {phone}", "Код активации подарочной карты не принимается", "р/с 40817810099910004312",
    "ОГРН 1027700132195", "СНИЛС 112-233-445 95", "номер заказа {luhn16}", "order {luhn16} paid on {date}", "Мой заказ {order} оплачен картой",
]  # fmt: skip


# Replies

WARNINGS = [
    "Никому не сообщайте пароль.", "Никогда и никому не сообщайте код из СМС и CVV.", "Мы никогда не спрашиваем CVV.", "Мы не запрашиваем пароли.",
    "Пожалуйста, не присылайте нам пароль и данные карты.", "Не отправляйте код из смс, даже если вас просят.", "Never share your password with anyone.",
    "We will never ask you for your password.", "Please do not send us your card number or CVV.", "Please don't share your password, CVV or codes.",
    "You can reset your password here: https://acme.example/reset", "Сменить пароль можно здесь: https://acme.example/reset",
    "Чтобы восстановить пароль, нажмите «Забыли пароль?».", "Для сброса пароля сообщите ваш e-mail.", "Укажите e-mail, и мы пришлём ссылку для смены пароля.",
    "To reset your password, please send us your order number.", "Сообщите, получилось ли сменить пароль.", "Let us know if the new password works.",
    "We have sent you a password reset link.", "Мы отправили вам ссылку для сброса пароля.", "Пришлите код ошибки и снимок экрана.",
    "Сообщите код товара и номер заказа {order}.", "Please send the error code and a screenshot.", "Пришлите последние четыре цифры карты.",
    "Please tell us the last four digits of your card.", "Введите пароль на странице входа.", "Enter your password on the login page.",
    "Введите код из СМС в приложении.", "Ваш пароль изменён.", "Your password was changed on {date}.", "Если кто-то просит вас сообщить пароль, это мошенники.",
    "Scammers may ask you to share your password.", "Мошенники просят назвать код из СМС: не делайте этого.", "Храните пароль в тайне.",
    "Сотрудники поддержки не вправе просить пароль или код.", "Пароль присылать не нужно.", "Пришлите номер заказа; пароль присылать не нужно.",
    "There is no need to send your password.", "You don't need to tell us your PIN.", "Пожалуйста, удалите пароль из письма и смените его.",
    "Проверьте, пришёл ли код подтверждения.", "Did the verification code arrive?", "Подскажите, приходит ли вам код?", "Напишите, если пароль не подойдёт.",
    "Нельзя сообщать кодовое слово посторонним.", "Никому не называйте ПИН-код.", "Оплата картой доступна на сайте.", "Пришлите номер карты лояльности.",
    "Please confirm that you changed your password.", "Please send us your loyalty card number.", "Ни в коем случае не сообщайте CVV.",
    "Пришлите, пожалуйста, номер заказа и телефон.", "Could you send us a screenshot of the page?", "What is your order number?", "Какой у вас номер заказа?",
    "Don't give your one-time code to anybody.", "Для входа нужен пароль от вашей почты.", "Новый пароль мы выслали на {name}@mail.ru.",
]  # fmt: skip
REQUESTS = [
    "Пришлите пароль.", "Пришлите, пожалуйста, ваш пароль.", "Сообщите пароль от личного кабинета.", "Назовите код из СМС.", "Продиктуйте код из смс.",
    "Напишите ваш логин и пароль.", "Укажите номер заказа и ваш пароль.", "Пришлите номер карты и CVV.", "Пришлите полный номер карты.",
    "Сообщите ваш CVV.", "Скажите, пожалуйста, три цифры на обороте.", "Нам нужен ваш пароль.", "Нам потребуется ваш пароль для проверки.",
    "Какой у вас пароль?", "Подскажите ваш пароль, пожалуйста.", "Не могли бы вы прислать пароль?", "Можете сообщить код подтверждения?",
    "Прошу прислать пароль от аккаунта.", "Необходимо сообщить кодовое слово.", "Назовите кодовое слово.", "Назовите ПИН-код.", "Вышлите пароль на эту почту.",
    "Скиньте пароль, проверю.", "Дайте пароль, я зайду и посмотрю.", "Отправьте нам фото карты с двух сторон.", "Send us your password.",
    "Please send us your password.", "Please provide your CVV.", "Could you send me your password?", "Can you tell us your PIN?", "Please share your card number.",
    "Please reply with your password.", "What is your password?", "What's your PIN?", "We need your password to check this.", "I'll need your CVV.",
    "Please confirm your password.", "Tell me the verification code.", "Please send the code we sent you.", "Give us your one-time code.", "Send us your code.",
    "Kindly provide your full card number and CVV.", "Please tell me your mother's maiden name.", "Please email your password to us.",
    "To proceed, please send your login and password.", "Just type your password here.", "Введите ваш пароль здесь, в чате.", "Пришлите смс-код.",
    "Жду ваш пароль.", "Сообщите данные карты.", "Пришлите код, который пришёл вам в СМС.", "Would you send us the code from the SMS?",
]  # fmt: skip
