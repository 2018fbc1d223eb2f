"""What the author wrote now, in the forms that mail programs of many countries give to the rest."""

import pytest

from omnidesk.channels.email.html import bounded, lines_of
from omnidesk.channels.email.lines import lines_of_text, unflow
from omnidesk.channels.email.quotes import Split, split

ANSWER = "Спасибо, всё работает!\nПришлите акт, please."
HISTORY = "We fixed it.\nSupport team"


def seen(text: str, **how: bool | str) -> str:
    return split(lines_of_text(text), **how).visible  # type: ignore[arg-type]


def seen_page(html: str) -> str:
    return split(lines_of(bounded(html))).visible


MARKED = [  # what stands above history that is marked with `>`
    "On Sun, Nov 22, 2026 at 10:00 AM Support <support@acme.example> wrote:",
    "On 22/11/2026 10:00, Support wrote:",
    "On Nov 22, 2026, at 10:00, Support wrote:",
    "On 2026-11-22 10:00, Support wrote:",
    "Support wrote:",
    "At 10:00 22/11/2026, Support wrote:",
    "2026/11/22 Support <support@acme.example>",
    "2026-11-22 10:00 GMT+03:00 Support <support@acme.example>:",
    "22.11.2026 10:00, Поддержка пишет:",
    "22.11.2026, 10:00, Поддержка:",
    "22 ноября 2026 г., 10:00, Поддержка написал(а):",
    "вс, 22 нояб. 2026 г. в 10:00, Поддержка <support@acme.example>:",
    "вс, 22 нояб. 2026 г., 10:00 Поддержка <support@acme.example>:",
    "Воскресенье, 22 ноября 2026, 10:00 +03:00 от Поддержка <support@acme.example>:",
    "В Вс, 22/11/2026 в 10:00 +0300, Поддержка пишет:",
    "Вы писали 22 ноября 2026 г., 10:00:",
    "Здравствуйте, Поддержка.\n\nВы писали 22 ноября 2026 г., 10:00:00:",
    "нд, 22 лист. 2026 р. о 10:00 Підтримка <support@acme.example> пише:",
    "Am So., 22. Nov. 2026 um 10:00 Uhr schrieb Support <support@acme.example>:",
    "Am 22.11.2026 um 10:00 schrieb Support:",
    "Am Sonntag, dem 22.11.2026 um 10:00 +0100 schrieb Support:",
    "Le dim. 22 nov. 2026 à 10:00, Support <support@acme.example> a écrit :",
    "Le 22/11/2026 à 10:00, Support a écrit :",
    "El dom, 22 nov 2026 a las 10:00, Support (<support@acme.example>) escribió:",
    "El 22/11/2026 a las 10:00, Support escribió:",
    "Em dom., 22 de nov. de 2026 às 10:00, Support <support@acme.example> escreveu:",
    "Em 22/11/2026 10:00, Support escreveu:",
    "Il giorno dom 22 nov 2026 alle ore 10:00 Support <support@acme.example> ha scritto:",
    "Il 22/11/2026 10:00, Support ha scritto:",
    "Op zo 22 nov 2026 om 10:00 schreef Support <support@acme.example>:",
    "Op 22-11-2026 om 10:00 schreef Support:",
    "Den sön 22 nov. 2026 kl 10:00 skrev Support <support@acme.example>:",
    "Den 2026-11-22 kl. 10:00, skrev Support:",
    "Den søn. 22. nov. 2026 kl. 10.00 skrev Support <support@acme.example>:",
    "søn. 22. nov. 2026 kl. 10:00 skrev Support <support@acme.example>:",
    "su 22. marrask. 2026 klo 10.00 Support (support@acme.example) kirjoitti:",
    "Support kirjoitti 22.11.2026 klo 10.00:",
    "niedz., 22 lis 2026 o 10:00 Support <support@acme.example> napisał(a):",
    "W dniu 22.11.2026 o 10:00, Support pisze:",
    "ne 22. 11. 2026 v 10:00 odesílatel Support <support@acme.example> napsal:",
    "Dne 22. 11. 2026 v 10:00 Support napsal(a):",
    "ne 22. 11. 2026 o 10:00 Support <support@acme.example> napísal(a):",
    "Support <support@acme.example> ezt írta (időpont: 2026. nov. 22., V, 10:00):",
    "2026. 11. 22. 10:00 keltezéssel, Support írta:",
    "În dum., 22 nov. 2026 la 10:00, Support <support@acme.example> a scris:",
    "Pe dum., 22 nov. 2026, 10:00 Support <support@acme.example> a scris:",
    "Support <support@acme.example>, 22 Kas 2026 Paz, 10:00 tarihinde şunu yazdı:",
    "22.11.2026 10:00 tarihinde Support yazdı:",
    "На нд, 22.11.2026 г. в 10:00 Support <support@acme.example> написа:",
    "Στις Κυρ, 22 Νοε 2026 στις 10:00 π.μ., ο χρήστης Support <support@acme.example> έγραψε:",
    "\u202bבתאריך יום א׳, 22 בנוב׳ 2026 ב-10:00 מאת \u202aSupport\u202c\u200f "
    "<\u202asupport@acme.example\u202c\u200f>:\u202c",
    "في الأحد، 22 نوفمبر 2026 في 10:00 ص تمت كتابة ما يلي بواسطة Support <support@acme.example>:",
    "เมื่อ อา. 22 พ.ย. 2026 เวลา 10:00 Support <support@acme.example> เขียนว่า:",
    "Vào CN, 22 thg 11, 2026 vào lúc 10:00 Support <support@acme.example> đã viết:",
    "Pada tanggal Min, 22 Nov 2026 pukul 10.00 Support <support@acme.example> menulis:",
    "2026年11月22日(日) 10:00 Support <support@acme.example>:",
    "Support <support@acme.example> 于2026年11月22日周日 10:00写道：",
    "Support <support@acme.example> 於 2026年11月22日 週日 上午10:00寫道：",
    "2026년 11월 22일 (일) 오전 10:00, Support <support@acme.example>님이 작성:",
    "---- Support wrote ----",
    "---- On Sun, 22 Nov 2026 10:00:00 +0300 Support <support@acme.example> wrote ----",
]


@pytest.mark.parametrize("line", MARKED)
def test_the_line_that_says_who_wrote_goes_with_the_marked_history(line: str) -> None:
    history = "".join(f"> {each}\n" for each in HISTORY.split("\n"))

    above = seen(f"{ANSWER}\n\n{line}\n\n{history}")
    close = seen(f"{ANSWER}\n\n{line}\n{history}")
    below = seen(f"{line}\n{history}\n{ANSWER}\n")

    greeted = line.startswith("Здравствуйте")  # a greeting of the answering person's program is his
    assert above.startswith(ANSWER) if greeted else above == ANSWER
    assert close.startswith(ANSWER) if greeted else close == ANSWER
    assert below.endswith(ANSWER)
    assert "22" not in below


@pytest.mark.parametrize(
    "line", [each for each in MARKED if "@" in each and each.rstrip("\u202c").endswith((":", "：", "----"))]
)
def test_history_without_marks_goes_too(line: str) -> None:
    assert seen(f"{ANSWER}\n\n{line}\n\n{HISTORY}\n") == ANSWER


@pytest.mark.parametrize(
    "lines",
    [
        "On Sun, Nov 22, 2026 at 10:00 AM The Support Of Acme <\nsupport-with-a-long-name@acme.example> wrote:",
        "On Nov 22, 2026, at 10:00, Support\n<support@acme.example>\nwrote:",
        "вс, 22 нояб. 2026 г. в 10:00, Служба поддержки пользователей <\nsupport@acme.example>:",
        "Am So., 22. Nov. 2026 um 10:00 Uhr schrieb Support von Acme <\nsupport@acme.example>:",
        "Le dim. 22 nov. 2026 à 10:00, Support <support@acme.example> a\nécrit :",
        "Il giorno dom 22 nov 2026 alle ore 10:00 Support <\nsupport@acme.example> ha scritto:",
        "El dom, 22 nov 2026 a las 10:00, Support (<support@acme.example>)\nescribió:",
        "Support of the great Acme <support@acme.example>, 22 Kas 2026\nPaz, 10:00 tarihinde şunu yazdı:",
        "2026年11月22日(日) 10:00 Support of the great Acme\n<support@acme.example>:",
    ],
)
def test_a_line_broken_by_the_program_goes_as_a_whole(lines: str) -> None:
    assert seen(f"{ANSWER}\n\n{lines}\n\n> one\n> two\n") == ANSWER
    assert seen(f"{ANSWER}\n\n{lines}\n\none\ntwo\n") == ANSWER


BLOCKS = {
    "en": "From: Support <support@acme.example>\nSent: Sunday, November 22, 2026 10:00 AM\nTo: Ivan\nSubject: RE: "
    "Invoice",
    "en, bold": "*From:* Support <support@acme.example>\n*Sent:* Sunday, November 22, 2026 10:00 AM\n*To:* Ivan\n"
    "*Subject:* RE: x",
    "en, mac": "From: Support <support@acme.example>\nDate: Sunday, 22 November 2026 at 10:00\nTo: Ivan "
    "<i@b.example>\nSubject: x",
    "en, sparse": "From: Support <support@acme.example>\n\nSent: 22.11.2026\n\nTo: Ivan\n\nSubject: RE: Invoice",
    "ru": "От: Поддержка <support@acme.example>\nОтправлено: 22 ноября 2026 г. 10:00\nКому: ivan@b.example\nТема: "
    "Заявка 15",
    "ru, mail.ru": "От кого: Поддержка <support@acme.example>\nКому: ivan@b.example\nДата: Воскресенье, 22 ноября "
    "2026\nТема: x",
    "uk": "Від: Підтримка <support@acme.example>\nНадіслано: 22 листопада 2026 р. 10:00\nКому: Іван\nТема: x",
    "de": "Von: Support <support@acme.example>\nGesendet: Sonntag, 22. November 2026 10:00\nAn: Ivan\nBetreff: AW: x",
    "fr": "De : Support <support@acme.example>\nEnvoyé : dimanche 22 novembre 2026 10:00\nÀ : Ivan\nObjet : RE: x",
    "es": "De: Support <support@acme.example>\nEnviado el: domingo, 22 de noviembre de 2026 10:00\nPara: Ivan\n"
    "Asunto: RE: x",
    "pt": "De: Support <support@acme.example>\nEnviada em: domingo, 22 de novembro de 2026 10:00\nPara: Ivan\n"
    "Assunto: RES: x",
    "it": "Da: Support <support@acme.example>\nInviato: domenica 22 novembre 2026 10:00\nA: Ivan\nOggetto: R: x",
    "nl": "Van: Support <support@acme.example>\nVerzonden: zondag 22 november 2026 10:00\nAan: Ivan\nOnderwerp: RE: x",
    "sv": "Från: Support <support@acme.example>\nSkickat: den 22 november 2026 10:00\nTill: Ivan\nÄmne: SV: x",
    "da": "Fra: Support <support@acme.example>\nSendt: 22. november 2026 10:00\nTil: Ivan\nEmne: SV: x",
    "fi": "Lähettäjä: Support <support@acme.example>\nLähetetty: sunnuntai 22. marraskuuta 2026 10.00\n"
    "Vastaanottaja: Ivan\nAihe: VS: x",
    "pl": "Od: Support <support@acme.example>\nWysłano: niedziela, 22 listopada 2026 10:00\nDo: Ivan\nTemat: ODP: x",
    "cs": "Od: Support <support@acme.example>\nOdesláno: neděle 22. listopadu 2026 10:00\nKomu: Ivan\nPředmět: RE: x",
    "hu": "Feladó: Support <support@acme.example>\nElküldve: 2026. november 22. vasárnap 10:00\nCímzett: Ivan\n"
    "Tárgy: RE: x",
    "ro": "De la: Support <support@acme.example>\nTrimis: duminică, 22 noiembrie 2026 10:00\nCătre: Ivan\nSubiect: "
    "RE: x",
    "tr": "Kimden: Support <support@acme.example>\nGönderilme: 22 Kasım 2026 Pazar 10:00\nKime: Ivan\nKonu: RE: x",
    "el": "Από: Support <support@acme.example>\nΣτάλθηκε: Κυριακή, 22 Νοεμβρίου 2026\nΠρος: Ivan\nΘέμα: RE: x",
    "bg": "От: Support <support@acme.example>\nИзпратено: неделя, 22 ноември 2026 г.\nДо: Ivan\nОтносно: RE: x",
    "he": "מאת: Support <support@acme.example>\nנשלח: יום ראשון 22 נובמבר 2026\nאל: Ivan\nנושא: x",
    "ar": "من: Support <support@acme.example>\nتم الإرسال: 22 نوفمبر 2026\nإلى: Ivan\nالموضوع: x",
    "ja": "差出人: Support <support@acme.example>\n送信日時: 2026年11月22日 10:00\n宛先: Ivan\n件名: RE: x",
    "zh": "发件人： Support <support@acme.example>\n发送时间： 2026年11月22日 10:00\n收件人： Ivan\n主题： x",
    "ko": "보낸 사람: Support <support@acme.example>\n보낸 날짜: 2026년 11월 22일\n받는 사람: Ivan\n제목: x",
    "vi": "Từ: Support <support@acme.example>\nNgày: 22 tháng 11, 2026\nĐến: Ivan\nChủ đề: x",
}


@pytest.mark.parametrize("language", BLOCKS)
def test_a_block_of_headers_starts_history(language: str) -> None:
    block = BLOCKS[language]
    assert seen(f"{ANSWER}\n\n{block}\n\n{HISTORY}") == ANSWER
    assert seen(f"{ANSWER}\n________________________________\n{block}\n\n{HISTORY}") == ANSWER
    assert seen(f"{ANSWER}\n\n-----Anything-----\n{block}\n\n{HISTORY}") == ANSWER


@pytest.mark.parametrize("language", BLOCKS)
def test_in_a_forward_the_block_of_headers_is_content(language: str) -> None:
    text = f"{ANSWER}\n\n{BLOCKS[language]}\n\n{HISTORY}"
    assert "We fixed it." in seen(text, forwarded=True)
    assert "We fixed it." in seen(f"{BLOCKS[language]}\n\n{HISTORY}")  # nothing was written above it


@pytest.mark.parametrize(
    "line",
    [
        "-----Original Message-----",
        "----- Original Message -----",
        "-------- Исходное сообщение --------",
        "-----Исходное сообщение-----",
        "-----Ursprüngliche Nachricht-----",
        "-------- Message d'origine --------",
        "-----Mensaje original-----",
        "-----Mensagem original-----",
        "-----Messaggio originale-----",
        "-----Oorspronkelijk bericht-----",
        "-----Ursprungligt meddelande-----",
        "-----Oprindelig meddelelse-----",
        "-----Opprinnelig melding-----",
        "-----Alkuperäinen viesti-----",
        "-----Wiadomość oryginalna-----",
        "-----Původní zpráva-----",
        "-----Eredeti üzenet-----",
        "-----Mesaj original-----",
        "-----Orijinal Mesaj-----",
        "-----Оригінальне повідомлення-----",
        "-----Αρχικό μήνυμα-----",
        "------------------ 原始邮件 ------------------",
        "------------------ Original ------------------",
        "-----元のメッセージ-----",
        "-----원본 메시지-----",
        "‐‐‐‐‐‐‐ Original Message ‐‐‐‐‐‐‐",
        "-------- Original message --------",
        "##- Please type your reply above this line -##",
        "--- Please reply above this line ---",
        "=== Пожалуйста, пишите ответ выше этой линии ===",
    ],
)
def test_a_separator_starts_history(line: str) -> None:
    assert seen(f"{ANSWER}\n\n{line}\n\n{HISTORY}") == ANSWER


@pytest.mark.parametrize(
    "line",
    [
        "---------- Forwarded message ---------",
        "-------- Пересылаемое сообщение --------",
        "-------- Пересланное сообщение --------",
        "Begin forwarded message:",
        "---------- Weitergeleitete Nachricht ---------",
        "---------- Message transféré ---------",
        "---------- Mensaje reenviado ---------",
        "---------- Mensagem encaminhada ---------",
        "---------- Messaggio inoltrato ---------",
        "---------- Doorgestuurd bericht ---------",
        "---------- Przekazana wiadomość ---------",
        "---------- Переслане повідомлення ---------",
        "---------- İletilmiş mesaj ---------",
        "---------- 转发的邮件 ---------",
        "---------- 転送メッセージ ---------",
        "Начало переадресованного сообщения:",
    ],
)
def test_what_is_forwarded_is_content(line: str) -> None:
    text = f"Посмотрите.\n\n{line}\nFrom: client@b.example\nDate: 22.11.2026\nSubject: x\n\nIt is broken."
    assert seen(text).endswith("It is broken.")
    assert seen(text).startswith("Посмотрите.")


def test_answers_between_the_lines_stay() -> None:
    text = "22.11.2026 10:00, Поддержка пишет:\n> Какой тариф?\nПремиум.\n> Какой регион?\nда, Казань.\n\nВсё."
    assert seen(text).split() == ["Премиум.", "да,", "Казань.", "Всё."]


def test_history_broken_by_the_program_is_still_history() -> None:
    quoted = (
        "> This is a rather long line of the history which the program has broken right\nhere, without a mark\n> next\n"
    )
    assert seen(f"Thanks!\n\nOn 22/11/2026 10:00, Support wrote:\n{quoted}\nBye bye") == "Thanks!\n\nBye bye"


def test_an_answer_in_front_of_the_line_is_kept() -> None:
    assert seen("yes, please On Wed, Apr 4, 2012 at 3:59 PM, bob@b.example wrote:\n> Hi\n> x") == "yes, please"


@pytest.mark.parametrize(
    "text",
    [
        "On the one hand it works.\nOn the other hand it does not.",
        "Заказ от 12.11.2026, логин ivan@b.example, адрес:\nКазань, ул. Баумана, 1",
        "I have three questions:\n\n1. Why?\n2. When?\n3. Who?",
        "Visit us now\n>>> >>> http://b.example <<<\nand win",
        "Маршрут\nОт: Москва\nДо: Казань\nпоезд опоздал",
        "a > b and b > c",
        "| a | b |\n| 1 | 2 |",
        "Total:\n-----------\n100",
        "Мой менеджер пишет: завтра.\nЯ жду.",
        "10.11.2026 в 14:20 оператор написал:\nваш заказ отменён. Почему?",
        "On Monday at 10:30 your agent said:\nwait two days.",
        "22.11.2026, 10:00\nОшибка 500 при входе:\nпробовал три раза",
        "Тема: оплата\nДата: 22.11.2026\nСумма: 100\nКарта не проходит",
        "Имя: Иван\nE-mail: ivan@b.example\nТелефон: 15\nТема: вопрос\nСообщение: не работает",
        "Time: 10:30\nPlace: office\nWhat do you say?",
        "Error log:\n2026-11-22 10:00:01 ERROR: timeout\n2026-11-22 10:00:02 INFO: retry",
        "Dear team,\n\nthe date 22.11.2026 10:00 is fine for me:\nplease confirm",
    ],
)
def test_what_only_looks_like_history_stays(text: str) -> None:
    assert seen(text) == text


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nIvan Petrov\n+7 900 000-00-00",
        "--\nIvan",
        "—\nИван",
        "Sent from my iPhone",
        "Sent from my Samsung Galaxy smartphone.",
        "Sent from my Verizon Wireless BlackBerry",
        "Sent from Mail for Windows",
        "Sent from Yahoo Mail on Android",
        "Sent via the Samsung Galaxy S21 5G, an AT&T 5G smartphone",
        "Sent with Proton Mail secure email.",
        "Get Outlook for iOS<https://aka.ms/o0ukef>",
        "Get Outlook for Android",
        "Отправлено с iPhone",
        "Отправлено с моего iPhone",
        "Отправлено из мобильной Яндекс Почты",
        "Отправлено из Mail.ru для Android",
        "Отправлено из Почты Mail.ru для Android",
        "Отправлено с устройства Samsung",
        "Отправлено из Outlook для iOS",
        "Отправлено с моего Galaxy",
        "--\nОтправлено из Mail.Ru для iOS",
        "Надіслано з iPhone",
        "Von meinem iPhone gesendet",
        "Gesendet mit der GMX Mail App",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Enviado do meu iPhone",
        "Inviato da iPhone",
        "Verstuurd vanaf mijn iPhone",
        "Skickat från min iPhone",
        "Sendt fra min iPhone",
        "Lähetetty iPhonesta",
        "Wysłane z iPhone'a",
        "Odesláno z iPhonu",
        "iPhone’umdan gönderildi",
        "iPhoneから送信",
        "发自我的iPhone",
        "나의 iPhone에서 보냄",
        "Best regards,\nIvan Petrov\nAcme Ltd.\nwww.b.example",
        "Kind regards\nIvan",
        "Thanks,\nIvan",
        "С уважением,\nИван Петров\nООО «Ромашка»\n+7 900 000-00-00",
        "С уважением, Иван Петров",
        "С наилучшими пожеланиями,\nИван",
        "Заранее спасибо!\nИван",
        "З повагою,\nІван",
        "Mit freundlichen Grüßen\n\nIvan Petrov",
        "Viele Grüße\nIvan",
        "Cordialement,\nIvan",
        "Bien cordialement",
        "Saludos cordiales,\nIvan",
        "Atenciosamente,\nIvan",
        "Cordiali saluti\nIvan",
        "Met vriendelijke groet,\nIvan",
        "Med vänliga hälsningar\nIvan",
        "Med venlig hilsen\nIvan",
        "Mvh\nIvan",
        "Ystävällisin terveisin\nIvan",
        "Pozdrawiam,\nIvan",
        "Z poważaniem\nIvan",
        "S pozdravem\nIvan",
        "Üdvözlettel:\nIvan",
        "Cu stimă,\nIvan",
        "Saygılarımla,\nIvan",
        "Με εκτίμηση\nIvan",
        "-- \nIvan\n\nSent from my iPhone",
        "Ivan P. Petrov, Ph.D.\nPresident\nAcme Research\nivan@b.example\nwww.b.example",
        "Best regards,\nIvan\n\nSent from my iPad",
        "_______________________________________________\nUsers mailing list\nusers@lists.b.example",
    ],
)
def test_a_signature_goes(signature: str) -> None:
    assert seen(f"{ANSWER}\n\n{signature}") == ANSWER
    found = split(lines_of_text(f"{ANSWER}\n\n{signature}\n\nOn 1/1/2026 10:00, A wrote:\n> x\n> y"))
    assert found.visible == ANSWER
    assert signature.split("\n")[-1].strip() in found.rest


@pytest.mark.parametrize(
    "text",
    [
        "С уважением отношусь к вашей работе, но заказ не пришёл.",
        "Ваше письмо\nОтправлено с iPhone фото чека, проверьте.",
        "This was sent from my iPhone app and failed.",
        "I write with regards to the payment.\nIt is late.",
        "Спасибо!",
        "Thanks!\n\nI have one more question about the invoice.",
        "Hello,\nI write because of:\n-- first point needs a check\n-- second point too\n\nThanks!",
        "Best regards",
        "Please choose:\n- Anna\n- Olga",
        "Please use my new data:\n\nIvan Petrov\nMain street\nKazan\nivan@b.example",
        "It fails. My data\n\nIvan Petrov\nlogin ivan@b.example\norder 48213",
    ],
)
def test_what_only_looks_like_a_signature_stays(text: str) -> None:
    assert seen(text) == text


def test_the_senders_own_name_below_is_a_signature() -> None:
    text = f"{ANSWER}\n\nIvan Petrov\nAcme, Chief of Everything"
    assert seen(text, sender_name="Ivan Petrov") == ANSWER
    assert seen(text, sender_name="Olga") == text


PAGES = {
    "gmail": '<div dir="ltr">{answer}</div><br><div class="gmail_quote gmail_quote_container"><div '
    'class="gmail_attr">x</div>'
    '<blockquote class="gmail_quote">old</blockquote></div>',
    "apple": '<body>{answer}<br><blockquote type="cite">On 1 Jan 2026, at 10:00, A &lt;a@b.example&gt; '
    "wrote:<br>old</blockquote></body>",
    "outlook": '<p class="MsoNormal">{answer}</p><div style="border:none;border-top:solid #E1E1E1 '
    '1.0pt;padding:3.0pt 0in 0in 0in">'
    "<p><b>From:</b> A</p></div><p>old</p>",
    "outlook.com": '<div>{answer}</div><hr tabindex="-1"><div id="divRplyFwdMsg"><b>From:</b> A</div><div>old</div>',
    "outlook mobile": '<div>{answer}</div><div id="ms-outlook-mobile-signature">Get Outlook for iOS</div><div '
    'id="mail-editor-reference-'
    'message-container">old</div>',
    "outlook, appended": '<div>{answer}</div><div id="appendonsend"></div><div>old</div>',
    "yahoo": '<div>{answer}</div><div id="ydp1yahoo_quoted_12" class="ydp1yahoo_quoted">old</div>',
    "proton": '<div>{answer}</div><div class="protonmail_quote">On x<blockquote>old</blockquote></div>',
    "thunderbird": '<p>{answer}</p><div class="moz-cite-prefix">Am 1.1.2026 um 10:00 schrieb '
    'A:<br></div><blockquote type="cite">old</blockquote>',
    "thunderbird, signature": '<p>{answer}</p><pre class="moz-signature">-- \nIvan</pre>',
    "yandex": '<div>{answer}</div><div> </div><div>22.11.2026, 10:00, "A" '
    "&lt;a@b.example&gt;:</div><blockquote><p>old</p></blockquote>",
    "mail.ru": '<div>{answer}</div><blockquote style="border-left:1px solid #0857A6">Воскресенье, 22 ноября 2026 '
    "от A:<br>old</blockquote>",
    "gmx": '<div>{answer}</div><div name="quote" style="margin:10px"><div><b>Gesendet:</b> x</div>old</div>',
    "zimbra": '<div>{answer}</div><hr id="zwchr" data-marker="__DIVIDER__"><div>old</div>',
    "hotmail": '<div>{answer}</div><hr id="stopSpelling">Date: x<br>old',
    "freescout": '<div>{answer}</div><div class="fsReplyAbove">-</div><div>old</div>',
    "olk": '<div>{answer}</div><span id="OLK_SRC_BODY_SECTION"><div>From: A</div>old</span>',
    "zoho": '<div>{answer}</div><div class="zmail_extra">old</div>',
}


@pytest.mark.parametrize("program", PAGES)
def test_history_in_the_markup_of_mail_programs_goes(program: str) -> None:
    page = PAGES[program].replace("{answer}", "Thanks, it<br>works &amp; shines")
    assert seen_page(page) == "Thanks, it\nworks & shines"


def test_text_below_a_quotation_in_a_page_stays() -> None:
    assert seen_page("<div>above<blockquote>old</blockquote>below</div>").split() == ["above", "below"]


def test_a_page_that_is_one_quotation_is_the_message() -> None:
    assert seen_page("<blockquote>Everything is in here</blockquote>") == "Everything is in here"


def test_indented_text_is_no_quotation() -> None:
    page = '<div>a</div><blockquote style="margin: 0 0 0 40px; border: none; padding: 0px;">b</blockquote>'
    assert seen_page(page).split() == ["a", "b"]


def test_nothing_is_lost_between_the_two_halves() -> None:
    text = f"{ANSWER}\n\n-- \nIvan\n\n{MARKED[0]}\n> one\n> two\n\nlast words"
    found: Split = split(lines_of_text(text))
    assert sorted((found.visible + "\n" + found.rest).split()) == sorted(text.split())


def test_flowed_text_is_joined() -> None:
    assert unflow("a long \nline\n> quoted \n> text\n-- \nsig", delsp=False) == "a long line\n> quoted text\n-- \nsig"
    assert unflow("от \nдельно", delsp=True) == "отдельно"
