"""HTML and SVG as strings that escape whatever is not markup already. Knows nothing of reports."""

from html import escape


class Markup(str):
    """Text that is markup; every other string is escaped when it is put into a tag."""

    __slots__ = ()


def tag(name: str, /, *children: "str | Markup", **attributes: object) -> Markup:
    """<name attributes>children</name>; `class_` is class, `aria_label` is aria-label, None leaves an attribute out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = joined(*children)
    return Markup(f"<{name}{given}>" if name in VOID else f"<{name}{given}>{inside}</{name}>")


def joined(*children: "str | Markup") -> Markup:
    """The children one after another."""
    return Markup("".join(c if isinstance(c, Markup) else escape(c) for c in children))


VOID = ("br", "img", "meta", "link", "hr", "input")
NOTHING = Markup("")
