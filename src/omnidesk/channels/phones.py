"""Phone numbers as identities write them: E.164, whatever way a person or a telephone system wrote them."""


def e164(text: str, country: str = "RU") -> str | None:
    """The number in E.164, `+79161234567`; None when it cannot be one.

    A number without + or 00 is read as people of `country` (ISO 3166) dial it, else as an international one that lost
    its +. Extensions are dropped. Only the shape is asked, not whether the number is given to anybody.
    """
    import phonenumbers  # its tables are loaded by whoever handles phones, not by each process

    written = text.strip()[:200].removeprefix("sip:").partition("@")[0]  # as telephone systems name a caller
    if written.startswith("00"):
        written = "+" + written[2:]
    international = [f"+{written}"] if written.isdecimal() and not written.startswith("0") else []
    for each in (written, *international):
        try:
            number = phonenumbers.parse(each, country.upper())
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number):
            return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return None
