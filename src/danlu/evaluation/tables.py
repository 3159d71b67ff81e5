"""The plain parts of a page: sections, tables, folds. Knows nothing of what they hold."""

from collections.abc import Sequence

from danlu.evaluation.markup import NOTHING, Markup, tag


def section(anchor: str, title: str, *parts: Markup) -> Markup:
    """A section that can be linked to."""
    return tag(
        "section",
        tag("h2", title, id=f"{anchor}-title"),
        *parts,
        id=anchor,
        aria_labelledby=f"{anchor}-title",
    )


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> Markup:
    """A table that scrolls sideways by itself; the first `texts` columns hold words, the others numbers."""
    style = ["text" if i < texts else "number" for i in range(max((len(r) for r in rows), default=len(head)))]
    heads = [tag("th", cell, class_=style[i], scope="col") for i, cell in enumerate(head)]
    body = [tag("tr", *(_cell(cell, i, style[i]) for i, cell in enumerate(row))) for row in rows]
    content = tag(
        "table",
        tag("caption", title) if title else NOTHING,
        tag("thead", tag("tr", *heads)) if head else NOTHING,
        tag("tbody", *body),
    )
    style_of_all = "table" if head else "table pairs"
    return tag("div", content, class_=style_of_all, tabindex="0", role="group", aria_label=title or None)


def folded(title: str, *parts: Markup) -> Markup:
    """Parts that are shown when the title is pressed."""
    return tag("details", tag("summary", title), *parts)


def _cell(cell: str, i: int, style: str) -> Markup:
    return tag("th", cell, class_=style, scope="row") if i == 0 else tag("td", cell, class_=style)
