"""Mails as they come, from good programs and bad ones: nothing is lost, everything is readable."""

import base64
import binascii
import zlib
from datetime import UTC, datetime
from email.header import Header

import pytest
from compressed_rtf import compress

from omnidesk.channels.email.charsets import decode
from omnidesk.channels.email.headers import mailboxes, words
from omnidesk.channels.email.html import bounded, sanitised
from omnidesk.channels.email.reading import read_mail
from tests.channels.email.mails import PAGE_PART, TEXT_PART, attached, mail, parts

RUSSIAN = "Здравствуйте!\nНе приходит код подтверждения на телефон. Помогите, пожалуйста."


@pytest.mark.parametrize(
    "charset", ["windows-1251", "koi8-r", "iso-8859-5", "cp866", "utf-8", "utf-16", "x-mac-cyrillic"]
)
def test_russian_in_its_charsets(charset: str) -> None:
    codec = charset.removeprefix("x-")
    assert read_mail(mail(RUSSIAN.encode(codec), charset=charset)).text == RUSSIAN


@pytest.mark.parametrize("written", ["windows-1251", "koi8-r", "utf-8"])
@pytest.mark.parametrize(
    "declared",
    ["", "us-ascii", "utf-8", "unknown-8bit", "x-none", "iso-8859-1", "windows-1252", "windows-1251", "koi8-r"],
)
def test_a_charset_that_is_missing_or_a_lie(written: str, declared: str) -> None:
    kind = f"text/plain; charset={declared}" if declared else "text/plain"
    assert read_mail(mail(RUSSIAN.encode(written), Content_Type=kind)).text == RUSSIAN


@pytest.mark.parametrize(
    ("charset", "codec", "text"),
    [
        ("gb2312", "gbk", "您好，我的订单还没有收到。"),
        ("big5", "big5", "您好，我的訂單還沒有收到。"),
        ("iso-2022-jp", "iso2022_jp", "注文が届きません。"),
        ("shift_jis", "cp932", "注文が届きません。"),
        ("euc-jp", "euc_jp", "注文が届きません。"),
        ("ks_c_5601-1987", "cp949", "주문이 도착하지 않았습니다."),
        ("iso-8859-1", "cp1252", "Die Größe „paßt“ nicht – schade…"),
        ("iso-8859-2", "iso8859-2", "Zażółć gęślą jaźń"),
        ("windows-1250", "cp1250", "Příliš žluťoučký kůň"),
        ("iso-8859-9", "cp1254", "Teşekkürler, sipariş gelmedi"),
        ("windows-1256", "cp1256", "شكرا جزيلا"),
        ("windows-1255", "cp1255", "שלום, איפה ההזמנה שלי?"),
        ("iso-8859-8-i", "iso8859-8", "שלום, איפה ההזמנה שלי?"),
        ("iso-8859-7", "iso8859-7", "Καλημέρα σας"),
        ("tis-620", "cp874", "สวัสดีครับ"),
        ("koi8-u", "koi8-u", "Дякую, їжак прийшов"),
        ("cp-1251", "cp1251", "Спасибо, всё пришло"),
        ("win-1251", "cp1251", "Спасибо, всё пришло"),
        ("utf-7", "utf-7", "Grüße aus Köln"),
    ],
)
def test_charsets_of_the_world(charset: str, codec: str, text: str) -> None:
    assert read_mail(mail(text.encode(codec), charset=charset)).text == text


@pytest.mark.parametrize("text", ["Müller", "café à la crème", "Ñandú", "Øresund – ja"])
def test_western_text_without_a_charset_is_not_taken_for_russian(text: str) -> None:
    assert decode(text.encode("cp1252")) == text


def test_a_character_cut_in_two_encoded_words_is_joined() -> None:
    raw = "Не приходит код подтверждения".encode()
    for cut in range(1, len(raw)):
        pieces = (base64.b64encode(each).decode() for each in (raw[:cut], raw[cut:]))
        assert words(" ".join(f"=?utf-8?B?{piece}?=" for piece in pieces)) == raw.decode()


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("=?utf-8?Q?=D0=9F=D1=80=D0=B8=D0=B2=D0=B5=D1=82?= there", "Привет there"),
        ("a =?utf-8?B?0J/RgNC40LLQtdGC?= b", "a Привет b"),
        ("=?koi8-r?B?8NLJ18XU?= =?utf-8?B?INC80LjRgA==?=", "Привет мир"),
        ("=?utf-8?B?PT91dGYtOD9CPzBKL1JnTkM0MExMUXRkR0M/PQ==?=", "Привет"),  # encoded twice
        ("=?utf-8*ru?Q?=D0=94=D0=B0?=", "Да"),
        ("=?utf-8?B?0J/RgNC40LLQtdG?=", "Прив"),  # base64 cut short
        ("=?utf-8?Q?has spaces inside?=", "has spaces inside"),
        ("=?nonsense?B?0J/RgNC40LLQtdGC?=", "Привет"),
        ("plain =? text", "plain =? text"),
        ("line\r\n break", "line break"),
    ],
)
def test_encoded_words(source: str, text: str) -> None:
    assert words(source).startswith(text)


def test_raw_eight_bit_headers_are_read_in_the_charset_of_the_body() -> None:
    raw = mail(
        RUSSIAN.encode("cp1251"), charset="windows-1251", Subject="", headers="Subject: Не работает\n".encode("cp1251")
    )
    assert read_mail(raw).subject == "Не работает"
    assert read_mail(mail(Subject="Не работает")).subject == "Не работает"


@pytest.mark.parametrize(
    ("source", "boxes"),
    [
        ("Ivan Petrov <Ivan@B.example>", [("ivan@b.example", "Ivan Petrov")]),
        ("ivan@b.example", [("ivan@b.example", "")]),
        ("<ivan@b.example>", [("ivan@b.example", "")]),
        ("ivan@b.example (Ivan Petrov)", [("ivan@b.example", "Ivan Petrov")]),
        (
            '"Petrov, Ivan" <ivan@b.example>, olga@b.example',
            [("ivan@b.example", "Petrov, Ivan"), ("olga@b.example", "")],
        ),
        ("=?utf-8?B?0J/QtdGC0YDQvtCyLCDQmNCy0LDQvQ==?= <i@b.example>", [("i@b.example", "Петров, Иван")]),
        ('"bank@good.example" <thief@evil.example>', [("thief@evil.example", "bank@good.example")]),
        ("Team: a@b.example, c@d.example;", [("a@b.example", ""), ("c@d.example", "")]),
        ("undisclosed-recipients:;", []),
        ("иван@пример.рф", [("иван@пример.рф", "")]),
        ('"A \\"B\\" C" <a@b.example>', [("a@b.example", "A B C")]),
        ("Petrov, Ivan <ivan@b.example>", [("ivan@b.example", "Petrov, Ivan")]),
        ("mailto:a@b.example", [("a@b.example", "")]),
        ("Name <a@b.example", [("a@b.example", "Name")]),
        ("", []),
    ],
)
def test_addresses(source: str, boxes: list[tuple[str, str]]) -> None:
    assert [(box.address, box.name) for box in mailboxes(source)] == boxes


def test_what_the_headers_say() -> None:
    read = read_mail(
        mail(
            Cc="Olga <olga@b.example>",
            Reply_To="other@b.example",
            In_Reply_To="Message of yesterday <out-1@acme.example>",
            References="<root@b.example>\n <out-1@acme.example>",
            Delivered_To="support+tok@acme.example",
        )
    )
    assert (read.from_address, read.from_name) == ("ivan@b.example", "Ivan Petrov")
    assert [box.address for box in read.cc] == ["olga@b.example"]
    assert [box.address for box in read.reply_to] == ["other@b.example"]
    assert read.message_id == "m1@b.example"
    assert read.in_reply_to == ("out-1@acme.example",)
    assert read.references == ("root@b.example", "out-1@acme.example")
    assert read.date == datetime(2026, 11, 22, 7, tzinfo=UTC)
    assert read.delivered_to == ("support+tok@acme.example",)


def test_the_plain_form_is_read_and_the_page_kept_beside_it() -> None:
    read = read_mail(parts(TEXT_PART, PAGE_PART, kind="alternative"))
    assert read.text == "Hello"
    assert read.html == "<p>Hello <b>page</b></p>"
    assert read.attachments == ()


def test_a_page_alone_is_turned_into_text() -> None:
    head = "<head><title>T</title><style>p{}</style></head>"
    page = f"<html>{head}<body><p>One&nbsp;two</p><ul><li>a<li>b</ul>x<br>y</body></html>"
    assert read_mail(mail(page, Content_Type="text/html; charset=utf-8")).text.split("\n") == [
        "One two",
        "",
        "- a",
        "- b",
        "",
        "x",
        "y",
    ]


@pytest.mark.parametrize(
    "stand_in", ["", " \n", "This message is in HTML format.", "Your client does not support HTML messages"]
)
def test_an_empty_plain_form_gives_way_to_the_page(stand_in: str) -> None:
    read = read_mail(parts(f"Content-Type: text/plain\n\n{stand_in}", PAGE_PART, kind="alternative"))
    assert read.text == "Hello page"


def test_pages_are_made_safe() -> None:
    page = (
        '<p onclick="x()">Hi<script>alert(1)</script><img src="http://evil.example/pixel.gif"><img src="cid:logo@b">'
        '<a href="javascript:x()">a</a><a href="https://b.example/">b</a><form action="/x"><input></form>'
        '<div style="background:url(http://evil.example/x);color:red">c</div><iframe '
        'src="http://evil.example"></iframe></p>'
    )
    safe = sanitised(bounded(page))
    assert "evil.example" not in safe
    assert "javascript" not in safe
    assert "script" not in safe
    assert "onclick" not in safe
    assert '<img src="cid:logo@b">' in safe
    assert 'href="https://b.example/"' in safe


def test_inline_images_keep_their_cid() -> None:
    image = 'Content-Type: image/png\nContent-ID: <logo@b>\nContent-Disposition: inline; filename="logo.png"\n\nx'
    read = read_mail(parts('Content-Type: text/html\n\n<img src="cid:logo@b">see', image, kind="related"))
    assert [(file.name, file.cid, file.content_type) for file in read.attachments] == [
        ("logo.png", "logo@b", "image/png")
    ]
    assert "cid:logo@b" in read.html


NAMES = {
    'filename="Report.pdf"': "Report.pdf",
    "filename=My report final.pdf": "My report final.pdf",
    "filename*=UTF-8''%D0%A1%D1%87%D1%91%D1%82.pdf": "Счёт.pdf",
    "filename*=koi8-r'ru'%E1%CB%D4.pdf": "Акт.pdf",
    "filename*0*=UTF-8''%D0%A1%D1%87;\n filename*1*=%D1%91%D1%82;\n filename*2=\".pdf\"": "Счёт.pdf",
    'filename*1="b.pdf"; filename*0="a"': "ab.pdf",
    'filename="=?utf-8?B?0KHRh9GR0YIucGRm?="': "Счёт.pdf",
    "filename==?utf-8?B?0KHRh9GR0YIucGRm?=": "Счёт.pdf",
    'filename="Скан.pdf"': "Скан.pdf",
    'filename="../../etc/passwd"': "passwd",
    'filename="C:\\\\Users\\\\Ivan\\\\a.pdf"': "a.pdf",
    'filename="a\u202efdp.exe"': "afdp.exe",
    'filename="con.txt"': "_con.txt",
    'filename=".."': "attachment-1.pdf",
    'filename=""': "attachment-1.pdf",
    'filename="a;b.pdf"': "a;b.pdf",
    'filename="%D0%A7%D0%B5%D0%BA.pdf"': "Чек.pdf",
    'filename="50%20off.pdf"': "50%20off.pdf",
    "filename='quoted.pdf'": "quoted.pdf",
    "filename*=UTF-8''%D0%90%D0%BA%D1%82.pdf; filename=\"Act.pdf\"": "Акт.pdf",
    "filename=\"Act.pdf\"; filename*=UTF-8''%D0%90%D0%BA%D1%82.pdf": "Акт.pdf",
}


@pytest.mark.parametrize("parameter", NAMES)
def test_names_of_attachments(parameter: str) -> None:
    read = read_mail(parts(TEXT_PART, attached(parameter)))
    assert [file.name for file in read.attachments] == [NAMES[parameter]]
    assert read.attachments[0].content == b"data"
    assert read.text == "Hello"


def test_a_name_in_windows_1251() -> None:
    part = attached('filename="NAME.pdf"').encode().replace(b"NAME", "Паспорт".encode("cp1251"))
    assert read_mail(parts(TEXT_PART, part)).attachments[0].name == "Паспорт.pdf"


def test_a_text_under_a_name_is_an_attachment_and_read_when_there_is_nothing_else() -> None:
    log = 'Content-Type: text/plain; name="log.txt"\nContent-Disposition: inline; filename="log.txt"\n\nline 1'
    both = read_mail(parts(TEXT_PART, log))
    assert (both.text, [file.name for file in both.attachments]) == ("Hello", ["log.txt"])
    alone = read_mail(parts(log))
    assert (alone.text, [file.name for file in alone.attachments]) == ("line 1", ["log.txt"])


def test_a_page_may_declare_its_charset_itself() -> None:
    page = '<meta http-equiv="Content-Type" content="text/html; charset=windows-1250"><p>Příliš žluťoučký kůň</p>'
    assert read_mail(mail(page.encode("cp1250"), Content_Type="text/html")).text == "Příliš žluťoučký kůň"


def test_a_file_in_the_middle_of_a_text_becomes_an_attachment() -> None:
    encoded = "".join(binascii.b2a_uu(b"0123456789" * 4).decode() for _ in range(3))
    read = read_mail(mail(f"See the file\n\nbegin 644 a.txt\n{encoded}`\nend\n\nBye"))
    assert read.text.split() == ["See", "the", "file", "Bye"]
    assert [(file.name, file.content) for file in read.attachments] == [("a.txt", b"0123456789" * 12)]


def test_references_without_brackets_and_broken_by_folding() -> None:
    read = read_mail(mail(In_Reply_To="out-1@acme.example", References="<a-long-\n id@b.example> <out-1@acme.example>"))
    assert read.in_reply_to == ("out-1@acme.example",)
    assert read.references == ("a-long-id@b.example", "out-1@acme.example")


def test_an_enclosed_mail_is_an_attachment_and_its_text_is_not_ours() -> None:
    read = read_mail(parts(TEXT_PART, b"Content-Type: message/rfc822\n\n" + mail("inner", Subject="Inner one")))
    assert read.text == "Hello"
    assert [(file.name, file.content_type) for file in read.attachments] == [("Inner one.eml", "message/rfc822")]
    assert b"inner" in read.attachments[0].content


def test_an_invitation_is_kept_and_says_something() -> None:
    ics = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Call about the\n  order\nLOCATION:Kazan\nEND:VEVENT\nEND:VCALENDAR"
    read = read_mail(mail(ics, Content_Type="text/calendar; charset=utf-8; method=REQUEST"))
    assert read.text == "Call about the order\nKazan"
    assert [(file.name, file.content_type) for file in read.attachments] == [("invite.ics", "text/calendar")]


def test_signed_and_encrypted_mails() -> None:
    signed = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nWhere is it?\n- -- \nx\n"
    clear = signed + "-----BEGIN PGP SIGNATURE-----\nabc\n-----END PGP SIGNATURE-----\n"
    assert read_mail(mail(clear)).visible_text == "Where is it?"
    signature = 'Content-Type: application/pgp-signature; name="signature.asc"\n\nabc'
    assert read_mail(parts(TEXT_PART, signature, kind="signed")).text == "Hello"
    sealed = mail(
        base64.b64encode(b"\x30\x80sealed"),
        Content_Type='application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"',
        Content_Transfer_Encoding="base64",
    )
    assert [file.name for file in read_mail(sealed).attachments] == ["smime.p7m"]


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    size = bytes([length]) if length < 128 else bytes([0x82]) + length.to_bytes(2, "big")
    return bytes([tag]) + size + content


def test_the_content_inside_an_opaque_signature_is_read() -> None:
    inner = parts(TEXT_PART, attached('filename="d.pdf"')).split(b"Content-Type: multipart", 1)[1]
    data = _der(0x06, bytes.fromhex("2a864886f70d010701")) + _der(0xA0, _der(0x04, b"Content-Type: multipart" + inner))
    signed = _der(0x30, _der(0x02, b"\1") + _der(0x31, b"") + _der(0x30, data) + _der(0x31, b""))
    box = _der(0x30, _der(0x06, bytes.fromhex("2a864886f70d010702")) + _der(0xA0, signed))
    read = read_mail(
        mail(
            base64.b64encode(box),
            Content_Type="application/pkcs7-mime; smime-type=signed-data; name=smime.p7m",
            Content_Transfer_Encoding="base64",
        )
    )
    assert read.text == "Hello"
    assert [file.name for file in read.attachments] == ["d.pdf"]


def _tnef(*attributes: tuple[int, int, bytes]) -> bytes:
    out = b"\x78\x9f\x3e\x22\1\0"
    for level, ident, data in attributes:
        checksum = (sum(data) & 0xFFFF).to_bytes(2, "little")
        out += bytes([level]) + ident.to_bytes(4, "little") + len(data).to_bytes(4, "little") + data + checksum
    return out


def test_what_outlook_hides_in_winmail_comes_out() -> None:
    box = _tnef((2, 0x00069002, b"\1\0" + b"\0" * 12), (2, 0x00018010, b"a.txt\0"), (2, 0x0006800F, b"inside"))
    part = attached('filename="winmail.dat"', box, kind="application/ms-tnef")
    read = read_mail(parts(TEXT_PART, part))
    assert [(file.name, file.content) for file in read.attachments] == [("a.txt", b"inside")]
    cut = attached('filename="winmail.dat"', box[:40], kind="application/ms-tnef")
    assert [file.name for file in read_mail(parts(TEXT_PART, cut)).attachments] == ["winmail.dat"]


def _rtf_box(rtf: bytes) -> bytes:
    """A container whose body is there as compressed RTF only."""
    packed = compress(rtf)
    value = len(packed).to_bytes(4, "little") + packed + b"\0" * (-len(packed) % 4)
    binary, identifier, one = (0x0102).to_bytes(2, "little"), (0x1009).to_bytes(2, "little"), (1).to_bytes(4, "little")
    return _tnef((1, 0x00069003, one + binary + identifier + one + value))


def test_of_a_body_that_is_there_as_rtf_only_the_words_are_kept() -> None:
    head = rb"{\rtf1\ansi\ansicpg1251{\fonttbl{\f0 Arial;}}"
    rtf = head + rb"\f0 \'cf\'f0\'e8\'e2\'e5\'f2, \b Ivan\b0 !\par \u1047?\u1072? line\par}"
    part = attached('filename="winmail.dat"', _rtf_box(rtf), kind="application/ms-tnef")
    assert read_mail(parts(part)).visible_text == "Привет, Ivan!\nЗа line"
    for broken in (rtf[:9], rb"{\rtf1" * 5_000, b"\xff" * 300):
        box = attached('filename="winmail.dat"', _rtf_box(broken), kind="application/ms-tnef")
        read = read_mail(parts(TEXT_PART, box))
        assert "unreadable" not in read.hints


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"\r\n\r\n",
        b"\0" * 100,
        b"just text without headers",
        b"From: a@b.example",
        b"From: a@b.example\n\n",
        b"Content-Type: multipart/mixed\n\nno boundary",
        b"Content-Type: multipart/mixed; boundary=b\n\nnever used",
        b"Content-Type: ;;;===\nContent-Transfer-Encoding: base64\n\n!!!",
        b"Content-Type: text/plain; charset=\xff\xfe\n\n\xff",
        zlib.compress(b"x" * 1000),
    ],
)
def test_garbage_is_read_as_far_as_it_goes(raw: bytes) -> None:
    assert "\0" not in read_mail(raw).text


def test_broken_structure_is_read_as_mail_programs_do() -> None:
    cut = parts(TEXT_PART).replace(b"--=_b--\n", b"")
    assert read_mail(cut).text.strip() == "Hello"
    assert read_mail(mail("Hi").replace(b"\n", b"\r")).text == "Hi"
    assert read_mail(mail("Hi").replace(b"\n", b"\r\n")).text == "Hi"
    assert read_mail(b"From ivan@b.example Sun Nov 22 10:00:00 2026\n" + mail("Hi")).from_address == "ivan@b.example"
    assert read_mail(b"\r\n\r\n" + mail("Hi")).from_address == "ivan@b.example"
    assert read_mail(mail("Hi", headers="no colon here\nX-Real: 1\n")).text == "Hi"


def test_limits_leave_the_original_attached() -> None:
    deep = mail(
        headers="".join(f"Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n" for i in range(3_000)),
        Content_Type="",
    )
    wide = parts(*["\n\nx"] * 5_000)
    for raw in (deep, wide):
        read = read_mail(raw)
        assert read.from_address == "ivan@b.example"
        assert read.hints
        assert read.attachments[-1].content == raw
    long = read_mail(mail("word " * 200_000))
    assert long.hints == ("text_cut",)
    assert long.attachments[0].name == "message.txt"
    assert len(long.attachments[0].content) == 1_000_000


def test_hostile_pages_lose_their_markup_not_their_words() -> None:
    for page in (
        "<div>" * 50_000 + "words",
        "".join(f"<font color=c{i}>" for i in range(2_000)) + "words" + "<p>x</p>" * 5_000,
    ):
        assert "words" in read_mail(mail(page, Content_Type="text/html")).text


@pytest.mark.parametrize("name", ["Précis", "Ольга Иванова", "田中太郎"])
def test_names_written_by_the_standard_library_are_read(name: str) -> None:
    assert read_mail(mail(From=f"{Header(name, 'utf-8').encode()} <a@b.example>")).from_name == name


def test_text_that_was_never_encoded_is_read_whatever_its_header_says() -> None:
    read = read_mail(mail("Не приходит код, помогите.", Content_Transfer_Encoding="base64"))
    assert read.text == "Не приходит код, помогите."


def test_letters_of_two_bytes_are_no_ascii() -> None:
    body = base64.encodebytes("Не приходит код".encode("utf-16-le"))
    read = read_mail(mail(body, Content_Type="text/plain; charset=utf-16le", Content_Transfer_Encoding="base64"))
    assert read.text == "Не приходит код"


def test_an_old_route_in_front_of_an_address_is_left_out() -> None:
    assert read_mail(mail(From="<@relay.example,@mx.example:ivan@b.example>")).from_address == "ivan@b.example"
