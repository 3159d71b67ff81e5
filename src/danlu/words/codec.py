"""What `codec` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {}
