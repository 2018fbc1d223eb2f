"""HTML bodies: a safe copy to show, and lines of text with what is quoted marked.

nh3 (html5ever) reads the HTML, so the text is taken from well-formed output by a plain scan. Its
time grows with the square of the nesting, so nesting is measured first.
"""

import html as entities
import re

import nh3

from omnidesk.channels.email.lines import MAX_LINES, Line

MAX_HTML = 1_000_000  # characters that are read
_MAX_NESTING = 2_000
_MAX_COST = 2_000_000  # open formatting tags x tags: what HTML's "reconstruct formatting" may multiply
_MAX_ENTITIES = 40_000
_ENTITY = re.compile(r"&(?:#[xX]?[0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});")
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]{0,40})")
_SELF_CLOSING = {
    "br",
    "hr",
    "img",
    "meta",
    "link",
    "input",
    "wbr",
    "col",
    "area",
    "base",
    "p",
    "li",
    "tr",
    "td",
    "th",
    "dd",
    "dt",
    "option",
}
_FORMATTING = {"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"}
_DROPPED = {
    "script",
    "style",
    "head",
    "title",
    "noscript",
    "template",
    "object",
    "iframe",
    "svg",
    "math",
    "textarea",
    "select",
}
_SHOWN = set(nh3.ALLOWED_TAGS) | {
    "font",
    "center",
    "big",
    "u",
    "s",
    "strike",
    "hr",
    "div",
    "span",
    "table",
    "tbody",
    "thead",
    "tfoot",
    "tr",
    "td",
    "th",
}
_STYLES_NAMES = (
    "color|background-color|font-weight|font-style|font-size|font-family|text-align|text-decoration|"
    "line-height|white-space|vertical-align|margin|margin-left|margin-right|margin-top|margin-bottom|padding|"
    "padding-left|padding-right|padding-top|padding-bottom|border|border-left|border-right|border-top|"
    "border-bottom|border-collapse|width|max-width|height"
)
_STYLES = frozenset(_STYLES_NAMES.split("|"))
_CLEANED = re.compile(r'<(/?)([a-zA-Z][a-zA-Z0-9:-]*)((?:\s[^\s=>"/]+(?:="[^"]*")?)*)\s*/?>|([^<]+)|<')
_ATTRIBUTE = re.compile(r'\s([^\s=>"/]+)="([^"]*)"')
_BLOCKS_NAMES = (
    "address|article|aside|blockquote|center|dd|div|dl|dt|fieldset|figure|footer|form|h1|h2|h3|h4|h5|h6|header|"
    "hr|li|main|nav|ol|p|pre|section|table|tr|ul|tbody|thead|tfoot|caption|body|html"
)
_BLOCKS = frozenset(_BLOCKS_NAMES.split("|"))
_AIRY = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre"}
_VOID = {"br", "hr", "img", "wbr"}
_QUOTE_CLASS = re.compile(
    r"(?:^|[\s_-])(?:(?:ecx|x_)*gmail_quote(?:_container)?|gmail_attr|yahoo_quoted|yahoo-quoted|protonmail_quote|"
    r"tutanota_quote|moz-cite-prefix"
    r"|zmail_extra|OutlookMessageHeader|mailru-quote|quoted-text|quoted_text|ms-outlook-mobile-reference-message|"
    r"mail-quote-collapse"
    r"|moz-email-headers-table|mailbird-quote|front-blockquote|freebirdQuote|skiff_quote|HOEnZb|adL|reply-quote|"
    r"email-quote"
    r"|wmQuote|cm_quote|replyforwardcontainer)(?:$|[\s_])"
)
_QUOTE_ID = re.compile(
    r"(?:x_)*(?:OLK_SRC_BODY_SECTION|mail-editor-reference-message-container|reply-intro|\w*yahoo_quoted_\w*|"
    r"3D\"?divRplyFwdMsg|isReplyContent"
    r"|editor-reference-message-container)"
)
_REST_CLASS = re.compile(r"(?:^|\s)fsReplyAbove(?:$|\s)")
_REST_ID = re.compile(
    r"(?:x_)*(?:divRplyFwdMsg|appendonsend|stopSpelling|zwchr|divtagdefaultwrapper_quote|"
    r"ms-outlook-mobile-body-separator-line)"
)
_SIGNATURE_CLASS = re.compile(
    r"(?:^|\s)(?:x_)*(?:gmail_signature|moz-signature|protonmail_signature_block[\w-]*|AppleMailSignature|"
    r"tutanota_signature|yahoo_signature"
    r"|ydp\w*signature|ms-outlook-mobile-signature|mailru-signature)(?:$|\s)"
)
_SIGNATURE_ID = re.compile(
    r"(?:x_)*(?:Signature|signature|AppleMailSignature|ms-outlook-mobile-signature|divtagdefaultwrapper_signature)"
)
_INDENT = re.compile(
    r"webkit-indent-blockquote|margin:\s*0(?:px)? 0(?:px)? 0(?:px)? 40px"
)  # "indent more", not a quote
_NO_MARGIN = re.compile(r"margin(?:-top|-bottom)?:\s*0")
_OUTLOOK_BORDER = re.compile(r"border:\s*none;\s*border-top:\s*solid\s+#?\w+\s+1\.0pt")


def is_hostile(source: str) -> bool:
    """Nested so deeply, or with so much open formatting, that reading it would take minutes or gigabytes."""
    depth = deepest = formatting = most = tags = 0
    for closing, name in _TAG.findall(source):
        tags += 1
        name = name.lower()
        if name in _SELF_CLOSING:
            continue
        step = -1 if closing else 1
        depth = max(0, depth + step)
        deepest = max(deepest, depth)
        if name in _FORMATTING:
            formatting = max(0, formatting + step)
            most = max(most, formatting)
    return deepest > _MAX_NESTING or (most > 100 and most * tags > _MAX_COST)


def bounded(source: str) -> str:
    """HTML that may be read: cut at the limit, and stripped of its tags when it is hostile."""
    source = _few_entities(source[:MAX_HTML])
    if is_hostile(source):
        return "<pre>" + entities.escape(entities.unescape(re.sub(r"<[^<>]*>", " ", source))) + "</pre>"
    return source


def _few_entities(source: str) -> str:
    """HTML with at most `_MAX_ENTITIES`: html5ever takes quadratic time over them."""
    if source.count("&") <= _MAX_ENTITIES:
        return source
    source = _ENTITY.sub(lambda found: found[0] if (char := entities.unescape(found[0])) in '<>&"' else char, source)
    pieces = source.split("&", _MAX_ENTITIES)
    return "&".join(pieces[:_MAX_ENTITIES])


def sanitised(source: str) -> str:
    """HTML, already `bounded`, that is safe inside a sandboxed page.

    No scripts, no forms, no remote images; inline images stay `cid:`.
    """
    return nh3.clean(
        source,
        tags=_SHOWN,
        clean_content_tags=_DROPPED,
        attributes={
            "*": {"style", "dir", "lang", "title", "align", "valign"},
            "a": {"href"},
            "img": {"src", "alt", "width", "height"},
            "font": {"color", "size", "face"},
            "td": {"colspan", "rowspan", "width", "bgcolor"},
            "th": {"colspan", "rowspan", "width", "bgcolor"},
            "table": {"border", "cellpadding", "cellspacing", "width", "bgcolor"},
            "ol": {"start"},
        },
        attribute_filter=_only_local,
        filter_style_properties=_STYLES,
        url_schemes={"http", "https", "mailto", "tel", "cid"},
        url_relative="deny",
    ).replace("\0", "")


def _only_local(tag: str, name: str, value: str) -> str | None:
    if tag == "img" and name == "src" and not value.strip().lower().startswith("cid:"):
        return None
    if name == "style" and ("url(" in value.lower() or "\\" in value or "expression" in value.lower()):
        return None
    return value


def lines_of(source: str) -> list[Line]:
    """HTML, already `bounded`, as lines of text, with what its markup calls quoted or signature marked."""
    cleaned = nh3.clean(
        source.replace("<!-- originalMessage -->", '<hr id="stopSpelling">'),
        tags=_SHOWN | {"form", "section", "article", "address", "header", "footer", "main", "body"},
        clean_content_tags=_DROPPED,
        attributes={"*": {"class", "id", "style", "type", "name", "data-marker", "href", "alt", "src"}},
        url_schemes={"http", "https", "mailto", "tel", "cid", "ftp"},
        link_rel=None,
    )
    writer = _Writer()
    for found in _CLEANED.finditer(cleaned):
        closing, name, attributes, text = found.groups(default="")
        if len(writer) > MAX_LINES:
            break
        if text:
            writer.text(_unescaped(text))
        elif closing:
            writer.close(name)
        elif name:
            writer.open(name, dict(_ATTRIBUTE.findall(attributes)))
    return writer.finish()


def _unescaped(text: str) -> str:
    """Text as nh3 writes it: these are all the entities it uses."""
    if "&" not in text:
        return text
    for entity, char in (("&nbsp;", "\u00a0"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(entity, char)
    return text


class _Writer:
    """Collects text into lines as a browser would lay them out."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._row: list[str] = []
        self._open: list[tuple[str, bool, bool, bool]] = []  # tag, quotes, signs, airy
        self._quoted = self._signed = self._pre = 0
        self._rest_quoted = False

    def __len__(self) -> int:
        return len(self._lines)

    def open(self, name: str, attributes: dict[str, str]) -> None:
        rest, quotes, signs = _meaning(name, attributes)
        airy = name in _AIRY and not _is_tight(attributes)
        if name in _BLOCKS or rest or quotes or signs:
            self._break(airy=airy)
        self._rest_quoted |= rest
        if name == "br":
            self._newline()
        elif name == "hr":
            self._row.append("-" * 20)
            self._newline()
        elif name in ("td", "th") and self._row:
            self._row.append(" ")
        if name in _VOID:
            return
        if name == "li":
            self._row.append("- ")
        self._open.append((name, quotes, signs, airy))
        self._quoted += quotes
        self._signed += signs
        self._pre += name == "pre"

    def close(self, name: str) -> None:
        while self._open:  # the output of nh3 is well-formed: this is one step
            tag, quotes, signs, airy = self._open.pop()
            if tag in _BLOCKS or quotes or signs:
                self._break(airy=airy)
            self._quoted -= quotes
            self._signed -= signs
            self._pre -= tag == "pre"
            if tag == name:
                break

    def text(self, text: str) -> None:
        if self._pre:
            first, *more = text.split("\n")
            self._row.append(first)
            for line in more:
                self._newline()
                self._row.append(line)
            return
        text = re.sub(r"[ \t\r\n\f]+", " ", text)
        if text == " " and not self._row:
            return
        self._row.append(text.lstrip(" ") if not self._row else text)

    def finish(self) -> list[Line]:
        self._break(airy=False)
        while self._lines and not self._lines[-1].text.strip():
            self._lines.pop()
        return self._lines

    def _break(self, *, airy: bool) -> None:
        if any(part.strip() or "\u00a0" in part for part in self._row):
            self._newline()
        self._row = []
        if airy and self._lines and self._lines[-1].text:
            self._push("")

    def _newline(self) -> None:
        self._push("".join(self._row).replace("\u00a0", " ").rstrip())
        self._row = []

    def _push(self, text: str) -> None:
        self._lines.append(Line(text, self._rest_quoted or self._quoted > 0, self._signed > 0))


def _is_tight(attributes: dict[str, str]) -> bool:
    """Paragraphs without a margin, as Outlook writes every line."""
    return "MsoNormal" in attributes.get("class", "") or bool(_NO_MARGIN.search(attributes.get("style", "")))


def _meaning(name: str, attributes: dict[str, str]) -> tuple[bool, bool, bool]:
    """What the markup of mail programs says: the rest is quoted, this element is quoted, this is a signature."""
    kind, ident = attributes.get("class", ""), attributes.get("id", "")
    rest = bool(_REST_ID.fullmatch(ident) or _REST_CLASS.search(kind)) or attributes.get("data-marker") in (
        "__DIVIDER__",
        "__HEADERS__",
    )
    rest |= name == "div" and bool(_OUTLOOK_BORDER.match(attributes.get("style", "").strip()))
    quotes = (
        (name == "blockquote" and not _INDENT.search(kind + attributes.get("style", "")))
        or attributes.get("name") == "quote"
        or attributes.get("data-marker") == "__QUOTED_TEXT__"
    )
    quotes |= bool(_QUOTE_CLASS.search(kind) or _QUOTE_ID.fullmatch(ident))
    signs = bool(_SIGNATURE_CLASS.search(kind) or _SIGNATURE_ID.fullmatch(ident))
    return rest, quotes, signs
