"""The one error for a user's mistake: it says what, where, what was found and what to do next."""

from typing import Any

from danlu.words import Note


class DanluError(Exception):
    """A mistake that the user can mend; the command line prints it without a traceback and exits with 2.

    `key` names a sentence of `danlu.words`, `fields` fill it; `str(error)` is in the user's language.
    """

    def __init__(self, key: str, /, **fields: Any) -> None:
        self.note = Note(key, **fields)
        super().__init__(key)

    @property
    def key(self) -> str:
        """The code of the error, the same in every language."""
        return self.note.key

    def __str__(self) -> str:
        return str(self.note)
