"""Numbers as people read them. Knows nothing of what they count."""


def percent(share: float) -> str:
    """0.98876 → "98.9"; exactly 0 and 1 without a decimal, so that 99.97 is not taken for all."""
    if share in (0, 1):
        return f"{100 * share:.0f}"
    return f"{min(max(100 * share, 0.1), 99.9):.1f}" if 0 < share < 1 else f"{100 * share:.1f}"


def number(value: float) -> str:
    """Four significant digits, whole and grouped from a thousand on: 0.9877, 43.61, 1,235, 1,234,568."""
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.4g}"


def size(count: float) -> str:
    """Bytes in the largest unit below them: 512 B, 3.1 MB, 1.2 GB."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
