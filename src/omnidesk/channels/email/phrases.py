"""What mail programs write around quotes and under letters, in the languages of their users.

All in lower case. Collected from the programs' own translations and from real mails.
"""

import re

FROM, DATE, TO, CC, SUBJECT = "from", "date", "to", "cc", "subject"

_LABELS = {
    FROM: (
        "from|от|от кого|отправитель|von|absender|de|expéditeur|da|mittente|van|afzender|från|fra|lähettäjä|od|"
        "nadawca|odesílatel|odosielateľ|feladó|"
        "expeditor|de la|kimden|gönderen|від|від кого|відправник|подател|από|מאת|من|จาก|từ|người gửi|dari|pengirim|"
        "差出人|送信者|发件人|寄件者|寄件人|发信人|"
        "보낸 사람|보낸사람|발신인|reply-to|no|saatja|nuo|kas|from kind|remetente|remitente|от имени|šalje|"
        "pošiljatelj|reply to|"
        "antwort an"
    ),
    DATE: (
        "date|sent|sent on|дата|отправлено|послано|отправлен|gesendet|gesendet am|datum|envoyé|envoyé le|envoyée|"
        "message du|enviado|enviado el|enviado em|"
        "enviada em|enviada|fecha|data|inviato|data invio|verzonden|verstuurd|skickat|skickad|sendt|dato|lähetetty|"
        "päiväys|päivämäärä|wysłano|wysłane|odesláno|"
        "odoslané|dátum|elküldve|küldve|küldés dátuma|trimis|trimis la|dată|gönderilme|gönderildi|gönderme tarihi|"
        "tarih|надіслано|відправлено|изпратено|"
        "στάλθηκε|ημερομηνία|נשלח|תאריך|تاريخ|تم الإرسال|أُرسلت|تاریخ|วันที่|ส่ง|ส่งเมื่อ|ngày|đã gửi|gửi lúc|"
        "tanggal|dikirim|terkirim|送信日時|日時|日付|发送时间|"
        "发送日期|日期|寄件日期|傳送時間|時間|时间|보낸 날짜|날짜|보낸시간|보낸 시간|poslano|saadetud|kuupäev|"
        "išsiųsta|nosūtīts|sent date|date sent|"
        "data wysłania"
    ),
    TO: (
        "to|кому|получатель|an|à|a|para|per|destinataire|destinatario|aan|till|til|vastaanottaja|do|komu|címzett|"
        "către|catre|la|kime|alıcı|până la|до|на|"
        "προς|אל|إلى|الى|ถึง|đến|tới|người nhận|kepada|ke|宛先|收件人|收件者|받는 사람|받는사람|수신인|za|prima|"
        "saaja|kam|destinatário|"
        "an wen|reply-to"
    ),
    CC: (
        "cc|bcc|копия|скрытая копия|copie|copie à|copia|kopie|kopia|kopi|kopio|dw|do wiadomości|másolatot kap|"
        "másolat|bilgi|копія|copy|cópia|c/c|抄送|副本|참조|참조자|"
        "kopija|κοιν.|κοινοποίηση|עותק|نسخة|สำเนา|cci|ccn|bfr|к.к."
    ),
    SUBJECT: (
        "subject|тема|betreff|objet|asunto|assunto|oggetto|onderwerp|ämne|emne|aihe|temat|předmět|predmet|tárgy|"
        "subiect|konu|тема листа|относно|θέμα|"
        "נושא|الموضوع|موضوع|เรื่อง|หัวเรื่อง|chủ đề|tiêu đề|subjek|perihal|hal|件名|主题|主旨|主題|题目|제목|teema|"
        "tema|sujet|"
        "zadeva|naslov|re|priority|"
        "важность|importance|attachments|anlagen|pièces jointes|вложения|wichtigkeit|categories"
    ),
}
LABELS = {label: kind for kind, labels in _LABELS.items() for label in labels.split("|")}
STRONG_LABELS = frozenset(LABELS) - {
    "no",
    "a",
    "на",
    "до",
    "la",
    "do",
    "an",
    "per",
    "hal",
    "re",
    "ke",
    "kas",
    "za",
    "nuo",
    "data",
}

VERBS = re.compile(
    r"wrote|writes|schrieb|geschrieben|a écrit|a ecrit|écrit|écrivait|escribió|escribio|escribía|escreveu|"
    r"ha scritto|scrisse|scritto|schreef|geschreven|"
    r"skrev|skreiv|skrifaði|kirjoitti|napisał|napisa[łl]\(a\)|pisze|napsal|napísal|píše|írta|a scris|scris|"
    r"napisao|napisala|je napisal|пишет|писал|написал|пише|писав|"
    r"написав|написа|пиша|yazdı|yazmış|đã viết|viết|menulis|menulis|parašė|rašė|rakstīja|kirjutas|έγραψε|έγραψαν|"
    r"έγραψ|כתב|כותב|كتب|كتبت|كتابة|نوشت|เขียน|"
    r"写道|寫道|写了|작성|님이|썼습니다|のメッセージ|書きました|написали|napisal|v/v|gửi|mengirim|va escriure|"
    r"idatzi|escribiu|shkroi|жазды|"
    r"написало|отправил|"
    r"послал|сообщил|ответил|jazd[ıi]|scribit|hat am|berichtete"
)

MONTHS = re.compile(
    r"\b(?:jan|feb|mar|mär|apr|ma[iyjg]|jun|jul|aug|sep|o[ck]t|nov|de[czs]|янв|фев|мар|апр|ма[йя]|июн|июл|авг|сен|"
    r"окт|ноя|дек|січ|лют|бер|кві|тра|чер|лип|сер|вер|жов|"
    r"лис|гру|janv|févr|avr|juin|juil|août|déc|ene|abr|ago|dic|gen|mag|giu|lug|set|ott|out|fev|dez|sty|lut|kwi|"
    r"maj|cze|lip|sie|wrz|paź|lis|gru|oca|şub|nis|haz|tem|"
    r"ağu|eyl|eki|kas|ara|tammi|helmi|maalis|huhti|touko|kesä|heinä|elo|syys|loka|marras|joulu|led|úno|bře|dub|"
    r"kvě|čer|čvn|čvc|srp|zář|říj|lis|pro|thg|tháng)\w*",
    re.IGNORECASE,
)

STARTS = re.compile(
    r"(?:[-–—*_\s>]{0,12})(?:on|am|le|el|em|il|op|den|på|w dniu|dnia|dne|dňa|no dia|in data|il giorno|el día|vào|"
    r"pada|στις|la|ha|u|dana|dne|em|a las|в|во|у|"
    r"на|от|tarihinde|kuupäeval|datums|le|by|from|بتاريخ|في|در|בתאריך|ב-|เมื่อ|vào lúc|mon|tue|wed|thu|fri|sat|"
    r"sun|mo|di|mi|do|fr|sa|so|lun|mar|mer|jeu|ven|sam|dim|"
    r"jue|vie|sáb|dom|seg|ter|qua|qui|sex|gio|man|tir|ons|tor|fre|lør|søn|mån|tis|tors|lör|sön|ma|ti|ke|to|pe|la|"
    r"su|пн|вт|ср|чт|пт|сб|вс|нд|понедельник|вторник|"
    r"среда|среду|четверг|пятница|пятницу|суббота|субботу|воскресенье|понеділок|вівторок|середа|четвер|п.ятниця|"
    r"субота|неділя|pon|wt|śr|czw|pt|sob|nie|po|út|st|čt|pá|ne|"
    r"h|k|sze|cs|p|szo|v|paz|pzt|sal|çar|per|cum|cmt|cn|t2|t3|t4|t5|t6|t7)\b|(?:[-–—*_\s>]{0,12})\d",
    re.IGNORECASE,
)

ORIGINALS = re.compile(
    r"original.{0,4}(?:message|mail|e-mail|nachricht|msg|appointment|meddelelse|meddelande|besked|bericht)|"
    r"mail original|e-?mail original|"
    r"ursprüngliche.{0,3} (?:nachricht|mail|termin|e-mail)|originalnachricht|original-nachricht|message d.origine|"
    r"message original|message initial|"
    r"исходное (?:сообщение|письмо)|оригинальное (?:сообщение|письмо)|первоначальное сообщение|"
    r"начальное сообщение|mensaje original|correo original|mensagem original|messaggio originale|"
    r"oorspronkelijk(?:e)? (?:bericht|e-mail)|oprindelig (?:meddelelse|besked|mail)|ursprung(?:s|"
    r"ligt) ?(?:meddelande|mail)|opprinnelig (?:melding|e-post)|alkuperäinen viesti|"
    r"(?:oryginalna|pierwotna) wiadomość|wiadomość oryginalna|původní (?:zpráva|e-mail)|pôvodná správa|"
    r"eredeti üzenet|mesaj(?:ul)? original|orijinal (?:mesaj|ileti)|özgün ileti|"
    r"оригінальне повідомлення|вихідне повідомлення|початкове повідомлення|оригинално съобщение|αρχικό μήνυμα|"
    r"הודעה מקורית|ההודעה המקורית|الرسالة الأصلية|رسالة أصلية|پیام اصلی|"
    r"ข้อความต้นฉบับ|thư gốc|tin nhắn gốc|pesan asli|元のメッセージ|原始邮件|原始郵件|原邮件|原始信件|원본 메(?:시|"
    r"세)지|원본 메일|izvorna poruka|"
    r"originalna poruka|izvirno sporočilo|"
    r"quoted (?:text|message)|reply message|цитируемое сообщение|missatge original|sõnum",
    re.IGNORECASE,
)

FORWARDS = re.compile(
    r"forwarded (?:message|mail|by|email|letter)|begin forwarded|fwd message|пересылаемое (?:сообщение|письмо)|"
    r"пересланное (?:сообщение|письмо)|переадресованн|"
    r"начало пересылаемого|начало переадресованного|перенаправленн|weitergeleitet|anfang der weitergeleiteten|"
    r"message transféré|message réexpédié|courriel transféré|début du message (?:transféré|réexpédié)|"
    r"mensaje reenviado|inicio del mensaje reenviado|mensagem (?:encaminhada|reencaminhada)|início da mensagem|"
    r"messaggio inoltrato|inizio messaggio inoltrato|doorgestuurd bericht|begin doorgestuurd|"
    r"vidarebefordrat|videresendt|välitetty viesti|edelleenlähetetty|przekazana wiadomość|wiadomość przekazana|"
    r"początek przekazywanej|přeposlaná|preposlaná|továbbított|mesaj redirecționat|"
    r"(?:iletilen|yönlendirilen|iletilmiş) (?:mesaj|ileti|posta)|переслане повідомлення|перенаправлене|препратено|"
    r"προωθημένο|הודעה שהועברה|הודעה מועברת|الرسالة المعاد توجيهها|رسالة معاد توجيهها|"
    r"ข้อความที่ส่งต่อ|thư (?:đã )?chuyển tiếp|tin nhắn (?:đã )?chuyển tiếp|pesan (?:terusan|yang diteruskan)|"
    r"転送(?:された)?メッセージ|转发(?:的)?(?:邮件|邮件信息)|轉寄|轉發|전달된 (?:메(?:시|세)지|메일)|proslijeđena|"
    r"posredovano|"
    r"пересылка|forwarded",
    re.IGNORECASE,
)

FORWARD_SUBJECT = re.compile(
    r"\s*(?:fwd?|wg|tr|rv|enc|vb|vl|pd|i|tov|ilt|i̇lt|iletilen|пер|переслано|пересл|пересылка|fs|doorst|転送|转发|轉寄|"
    r"轉發|전달|הועבר|προωθ|trs|rif|vs|fwd\[\d+\])\s?[:：]",
    re.IGNORECASE,
)

REPLY_ABOVE = re.compile(
    r"(?:reply|respond|write|type|answer).{0,30} (?:above|over) (?:this|the|that) (?:line|dotted)|(?:ответ|пиш|"
    r"напиш|вводите).{0,40} (?:выше|над) .{0,12}(?:лини|строк|черт)|"
    r"(?:antwort|schreib).{0,40} (?:oberhalb|über) .{0,10}(?:linie|zeile)|répond.{0,30} au-dessus de cette ligne|"
    r"(?:responda|escriba).{0,40} (?:encima|arriba) de (?:esta|la) línea|"
    r"respon.{0,40} acima dest?a linha|rispond.{0,30} sopra (?:questa|la) (?:linea|riga)|"
    r"antwoord.{0,30} boven deze (?:lijn|regel)|відповід.{0,40} (?:вище|над) .{0,12}(?:ліні|рядк)",
    re.IGNORECASE,
)

CLOSINGS = re.compile(
    r"(?:(?:with |my |many |thanks (?:and|&) |thank you (?:and|&) |thx (?:and|&) )?(?:best|kind|kindest|warm|"
    r"warmest|friendly)(?: personal)?(?: regards| wishes)|(?:with )?regards|rgds|brgds|"
    r"(?:thanks|thank you),? (?:and|&|best|kind)?,? ?regards|br|b\.?r\.|kr|best|all the best|all my best|cheers|"
    r"sincerely|sincerely yours|yours sincerely|yours truly|yours faithfully|yours|respectfully|"
    r"cordially|warmly|take care|have a (?:nice|great|good) (?:day|one|weekend|evening)|many thanks|"
    r"с уважением|с наилучшими пожеланиями|с искренним уважением|с глубоким уважением|"
    r"с уважением и наилучшими пожеланиями|всего (?:доброго|хорошего|наилучшего)|"
    r"заранее (?:спасибо|благодар(?:ю|ен|на|им))(?: за ответ)?|с благодарностью|искренне ваш|искренне ваша|"
    r"хорошего дня|с ув\.?|best regards / с уважением|с пожеланиями.{0,20}|"
    r"з повагою|з найкращими побажаннями|з пошаною|дякую заздалегідь|с уважение|поздрави|"
    r"mit (?:freundlichen|besten|herzlichen|lieben|freundlichem) (?:grüßen|gruessen|grüssen|gruß|gruss)|"
    r"freundliche grüße|freundliche grüsse|(?:viele|beste|liebe|herzliche|schöne|sonnige) (?:grüße|grüsse|"
    r"gruesse)(?: (?:aus|nach|vom|von) [\w ]{2,30})?|"
    r"(?:lieber|schöner|besten|freundlicher) (?:gruß|gruss|grüße)|mfg|m\.f\.g\.?|lg|vg|hochachtungsvoll|gruß|"
    r"gruss|grüße|"
    r"cordialement|bien cordialement|très cordialement|bien à vous|cdlt|cdt|sincèrement|salutations|"
    r"meilleures salutations|sincères salutations|amicalement|respectueusement|bonne journée|bonne réception|"
    r"(?:un )?(?:cordial )?saludos?|saludos cordiales|un (?:cordial )?saludo|atentamente|atte\.?|cordialmente|"
    r"muchas gracias y saludos|un abrazo|"
    r"atenciosamente|att\.?|cumprimentos|com os melhores cumprimentos|melhores cumprimentos|abraços|abs\.?|"
    r"obrigad[oa] e cumprimentos|"
    r"(?:cordiali|distinti|i migliori|migliori) saluti|saluti|cordialmente|un saluto|"
    r"(?:met )?(?:vriendelijke|hartelijke|beste) (?:groet|groeten)|mvg|m\.v\.g\.?|groetjes|groeten|hoogachtend|"
    r"(?:med )?(?:vänliga?|vänlig|bästa|varma) (?:hälsning(?:ar)?|hälsn)|hälsningar|mvh|m\.v\.h\.?|vh|"
    r"bästa hälsningar|"
    r"(?:med )?(?:venlig|venlige|vennlig|vennlige|beste|bedste|kærlig|kærlige|hilsen|de bedste) ?(?:hilsen|"
    r"hilsner)|hilsen|kh|vh|dbh|de bedste hilsner|"
    r"(?:ystävällisin |parhain )?terveisin|terveiset|yst\. terv\.?|t\.|"
    r"(?:serdecznie )?pozdrawiam(?: serdecznie)?|z (?:poważaniem|powazaniem|wyrazami szacunku)|pozdrowienia|"
    r"s (?:pozdravem|úctou|přátelským pozdravem|pozdravom)|zdravím|"
    r"(?:üdvözlettel|tisztelettel|üdv)|cu (?:stimă|respect|drag)|salutări|"
    r"o zi bună|toate cele bune|"
    r"saygılarımla|saygılar|iyi çalışmalar|selamlar|iyi günler|teşekkürler,? saygılar|"
    r"trân trọng|thân ái|salam|hormat saya|terima kasih|dengan hormat|"
    r"με εκτίμηση|φιλικά|בברכה|בתודה|(?:مع )?تحياتي|مع التحية|مع أطيب التحيات|با احترام|ขอแสดงความนับถือ|"
    r"よろしくお願い(?:いた|致)?します|以上、よろしくお願い(?:いた|致)?します|敬具|此致|敬礼|此致敬礼|祝好|"
    r"顺祝商祺|顺颂商祺|谢谢|감사합니다|드림|올림|"
    r"s poštovanjem|srdačan pozdrav|lep pozdrav|lijep pozdrav|(?:puno )?pozdrava?|"
    r"lugupidamisega|parimat|pagarbiai|su pagarba|ar cieņu|"
    r"salutacions|atentament|agur bat|með kveðju|kveðja)",
    re.IGNORECASE,
)

THANKS = re.compile(
    r"(?:thanks|thank you|thanks (?:a lot|so much|again|in advance)|thank you (?:very much|so much|again|"
    r"in advance)|thx|tks|ty|спасибо|благодарю|спасибо (?:большое|заранее)|большое спасибо|дякую|danke|vielen dank|"
    r"danke (?:schön|sehr|im voraus)|besten dank|merci|merci (?:beaucoup|d.avance|bien)|gracias|muchas gracias|"
    r"obrigad[oa]|muito obrigad[oa]|grazie|grazie mille|bedankt|dank je|dank u|alvast bedankt|"
    r"tack|tack så mycket|tak|mange tak|takk|kiitos|dziękuję|dzięki|děkuji|díky|ďakujem|köszönöm|mulțumesc|"
    r"teşekkürler|teşekkür ederim|cảm ơn|ευχαριστώ|תודה|شكرا)",
    re.IGNORECASE,
)

_DEVICES = (
    r"(?:my |a |an |the |mein(?:em|er)? |mon |ma |mi |meu |minha |il mio |mijn |min |mitt |minun |moj\w* |meg\w* |"
    r"моего |моей |моїм |мого |мій )?"
    r"(?:[\w\-'’®™.+/]{1,24}[ \u00a0]){0,5}?"
    r"(?:iphone|ipad|ipod|apple watch|mac|macbook|android|galaxy|samsung|huawei|honor|xiaomi|redmi|poco|realme|"
    r"oppo|vivo|oneplus|pixel|nokia|lumia|sony|xperia|htc|lg|motorola|moto|zte|meizu|"
    r"blackberry|windows phone|phone|smartphone|mobile|mobile device|tablet|device|handheld|handy|smartphone|"
    r"mobil|mobiltelefon|téléphone|móvil|celular|telemóvel|telefonino|cellulare|telefoon|telefon|mobilen|"
    r"puhelimesta|puhelin|телефон\w*|смартфон\w*|айфон\w*|планшет\w*|мобильн\w*(?: \w+)?|устройств\w*|"
    r"outlook|mail|yahoo mail|yahoo|gmail|hotmail|aol|proton ?mail|proton|mail\.ru|mail\.ru\w*|mailspring|"
    r"яндекс\.?почт\w*|почт\w*|яндекс\w*|yandex\.?mail|yandex|thunderbird|airmail|spark|mailbox|"
    r"sparrow|acompli|newton|superhuman|hey|blue ?mail|mymail|my\.com|k-9 mail|nine|mailbird|tutanota|tuta|"
    r"fastmail|zoho|front|polymail|canary|edison|rambler|windows|posta|correo|web\.de|gmx|t-online|freemail|"
    r"orange|sfr|"
    r"laposte|libero|pixels|iphonen|iphonesta|iphonista|iphone-ról|iphone'umdan|galaxy\w*|ios)"
)
_DEVICE_TAIL = (
    r"(?:[ \u00a0]?(?:\d{1,2}|pro|max|plus|mini|ultra|s\d+|a\d+|note|\+|®|™|se|[a-z]?\d{1,3}[a-z+]{0,3}|"
    r"5g|4g|lte)){0,5}"
)
_FOR = (
    r"(?:,? ?(?:for|pour|für|para|per|voor|för|til|till|for|para|для|на|dla|pro|için|on|auf|sur|en|en el|su|op|w|"
    r"na|από|через|via|with|using|mit|using the|by)[ \u00a0](?:\w+[ \u00a0]){0,2}?"
    r"(?:ios|android|iphone|ipad|mac|windows(?: \d+)?(?: phone)?|desktop|huawei|samsung|mobile|yahoo|outlook|"
    r"mail(?:\.ru)?|os x|macos|web|smartphone|galaxy|\w+ network|[\w.]+ mail|t-mobile|verizon(?: wireless)?|at&t|"
    r"o2|vodafone|"
    r"мобильн\w+ \w+|андроид\w*|айфон\w*))?"
)
_SENT = (
    r"(?:sent (?:from|via|with|by|using)|sent out from|gesendet (?:von|mit|über|aus)|envoyé (?:de|depuis|à partir "
    r"de|avec|par|via)|"
    r"enviado (?:desde|con|do|a partir do|de|pelo|via)|inviato (?:da|dal|con|tramite)|verzonden (?:vanaf|met|via|"
    r"vanuit|van|door)|"
    r"verstuurd vanaf|skickat (?:från|med)|skickades från|sendt (?:fra|med|via)|lähetetty|wysłan[eoay] (?:z|za "
    r"pomocą|przez|ze)|"
    r"wysłano (?:z|za pomocą|ze)|odesláno (?:z|pomocí|ze)|odoslané z(?:o)?|küldve|elküldve|trimis (?:de pe|din|"
    r"prin)|gönderen|"
    r"отправлено (?:с|c|из|со|через|при помощи|с помощью|от)|послано (?:с|из)|отправил\w* (?:с|из)|написано (?:с|на)|"
    r"надіслано (?:з|із|зі|за допомогою)|відправлено (?:з|із|зі)|изпратено от|εστάλη από|στάλθηκε από|נשלח מ|أُ?رسلت "
    r"من|مرسل من|"
    r"تم الإرسال من|ส่งจาก|được gửi từ|đã gửi từ|dikirim dari|poslano (?:z|s|iz)|saadetud|išsiųsta iš|nosūtīts no)"
)
_GET = (
    r"(?:get|downloaded?|hämta|ladda ner|hent|last ned|lataa|завантажити|скачать|установить|télécharge[rz]|"
    r"descargar?|baixar?|holen sie sich|hol dir|ottieni|"
    r"obtener|obter|obtenir|"
    r"pobierz|загрузить|загрузите|outlook voor)"
)
SENT_FROM = re.compile(
    r"[-–—*_ ]{0,3}(?:" + _SENT + "|" + _GET + r")[ \u00a0:]?[ \u00a0]?"
    + _DEVICES + _DEVICE_TAIL + _FOR
    + r"(?:[ \u00a0]?[<(\[]\S{1,300}[>)\]])?(?:[.!]|, (?:please |so )?(?:excuse|pardon|sorry|forgive)[\w "
    r",.'’-]{0,60}|[ \u00a0](?:gesendet|geschickt|verzonden|gönderildi|küldve|lähetetty|küldtem|üzerinden "
    r"gönderildi))?[ \u00a0]*",
    re.IGNORECASE,
)  # fmt: skip
_THIS_WAS = (
    r"(?:(?:this (?:message|e-?mail|mail)|ce (?:message|courriel|mail)|cet e-?mail|est[ea] (?:mensaje|correo|mensagem|"
    r"e-?mail)|quest[oa] (?:messaggio|e-?mail|mail)|(?:это |данное )?(?:сообщение|письмо)|це повідомлення) "
    r"(?:(?:was|has been|is|a été|fue|foi|è stat[oa]|ha sido|было|було) )?)?"
)
SENT_START = re.compile(r"[-–—*_ ]{0,3}" + _THIS_WAS + _SENT, re.IGNORECASE)
SENT_END = re.compile(
    r"\b(?:gesendet|geschickt|verschickt|verzonden|verstuurd|lähetetty|gönderildi|küldve|küldtem|sent|отправлено|"
    r"надіслано)\.?|(?:发送|發送|傳送|送信|보냄)。?",
    re.IGNORECASE,
)
_PROGRAM = r"(?:[A-Z][\w.&'’-]{1,20}|[a-z]{1,2}[A-Z]\w{0,20})"
SENT_BY_PROGRAM = re.compile(  # one that is not on the list
    rf"(?i:sent (?:from|with|via|using)) {_PROGRAM}(?: {_PROGRAM}){{0,2}}"
    r"(?: ?[|(<]? ?\S{1,60}\.\w{2,10}[)>]?)?[.!]?"
)
DEVICE = re.compile(
    r"(?<![a-zа-я])(?:i(?:phon|pad|pod|os)|android|galaxy|samsung|huawei|xiaomi|redmi|honor|nokia|blackberry|smartphone|"
    r"outlook|mail|gmail|yahoo|"
    r"proton|tutanota|thunderbird|yandex|windows|mobile|handy|телефон|смартфон|айфон|планшет|яндекс|почт|мобильн|"
    r"мобільн|пристр|устройств|gmx|web\.de|t-mobile|verizon|tablet|app\b)",
    re.IGNORECASE,
)
SENT_FROM_OTHER = re.compile(
    r"(?:von (?:meinem|mein|unterwegs)[\w \-]{0,30} gesendet\.?|iphone(?:sta|lla|ista|'?umdan|"
    r"-?omról)? (?:lähetetty|gönderildi|küldve)\.?|iphone['’]?umdan gönderildi\.?|lähetetty iphonesta\.?|"
    r"iphone(?:から|より)送信|(?:私の)?\w{0,20}(?:から|より)送信(?:されました)?|发自我的\s?[\w ]{1,30}|"
    r"從我的\s?[\w ]{1,30}\s?傳送|"
    r"發自我的\s?[\w ]{1,30}|来自我的\s?[\w ]{1,30}|나의 \w+에서 보냄|내 \w+에서 보냄|iphone에서 보냄|"
    r"sent from (?:a|an|my|the) [\w \-'’]{1,60}|via mobile|sent via mobile|sent from mobile|mobile mail|"
    r"\w[\w .]{0,20} (?:telefonumdan|cihazımdan) gönderildi\.?|"
    r"с уважением,? ?\w{0,20} ?отправлено с \w+|отправлено с (?:моего|мобильного|моей|помощью)[\w .\-]{1,40}|"
    r"sendt fra min \w+|"
    r"(?:diese (?:nachricht|e-?mail|mail)|dit bericht|deze (?:e-?mail|mail)) (?:wurde|werd|is) .{1,60} (?:gesendet|"
    r"geschickt|verschickt|verzonden|verstuurd)\.?|"
    r"virus-free\.? ?[\w.]*|this email has been checked for viruses by .{1,60}|без вирусов\.? ?[\w.]*|"
    r"virenfrei\.? ?[\w.]*|yahoo mail: .{1,60})",
    re.IGNORECASE,
)

DISCLAIMER = re.compile(
    r"\W{0,4}(?:(?:confidentiality|legal|privacy) (?:notice|note)|disclaimer\W|(?:this|the information "
    r"(?:contained )?in this|the contents of this) (?:e-?mail|message|communication|"
    r"transmission)\b.{0,120}(?:confidential|privileged|"
    r"intended (?:only|solely|exclusively)|for the (?:sole|exclusive) use)|please consider the environment before|"
    r"(?:это|данное|настоящее) (?:электронное )?(?:сообщение|письмо)\b.{0,160}(?:конфиденциальн|исключительно|"
    r"предназначен)|содержание (?:данного|этого) (?:сообщения|письма) .{0,80}конфиденциальн|"
    r"уведомление о конфиденциальности|"
    r"diese (?:e-?mail|nachricht|mail)\b.{0,120}(?:vertraulich|ausschließlich|rechtlich geschützt)|"
    r"(?:ce|cet) (?:message|courriel|e-?mail|mail)\b.{0,120}(?:confidentiel|exclusivement|destinataires)|"
    r"este (?:mensaje|correo|e-?mail)\b.{0,120}(?:confidencial|exclusivamente|destinatario)|"
    r"esta mensagem\b.{0,120}(?:confidencia|exclusivamente|destinatári)|"
    r"(?:questo messaggio|questa e-?mail|le informazioni contenute in quest)\b.{0,120}(?:riservat|confidenzial|"
    r"esclusivamente)|dit (?:e-?mail)?bericht\b.{0,120}(?:vertrouwelijk|uitsluitend)|"
    r"(?:niniejsza|ta) wiadomość\b.{0,120}(?:poufn|wyłącznie)|(?:це|дане) повідомлення\b.{0,120}конфіденційн)",
    re.IGNORECASE,
)
