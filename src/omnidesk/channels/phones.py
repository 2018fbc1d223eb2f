"""Phone numbers as identities write them: E.164, whatever way a person or a telephone system wrote them."""


def e164(text: str, country: str = "RU") -> str | None:
    """The number in E.164, `+79161234567`; None when it cannot be one.

    A number without + or 00 is read as people of `country` (ISO 3166) dial it. Extensions are dropped. Only
    the shape is asked, not whether the number is given to anybody.
    """
    import phonenumbers  # its tables are loaded by whoever handles phones, not by each process

    written = text.strip()[:200].removeprefix("sip:").partition("@")[0]  # as telephone systems name a caller
    if written.startswith("00"):
        written = "+" + written[2:]
    try:
        number = phonenumbers.parse(written, country.upper() or "RU")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
