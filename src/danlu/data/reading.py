"""Reading: a text task's own way from rows to tensors, where columns are not inputs one by one. Knows no task."""

from collections.abc import Mapping
from typing import Protocol

from danlu.data.examples import Examples
from danlu.data.store import Shapes, Store
from danlu.data.tally import Rows
from danlu.data.targets import Target
from danlu.events import Progress


class Reading(Protocol):
    """What a codec holds for rows that are documents, tagged words, pairs of texts …; saved with it.

    `reads` names the kind of reading, `size` is the number of tokens that have a vector, `tokenizer_json` the
    tokenizer as the text of a `tokenizer.json`.
    """

    @property
    def reads(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def max_length(self) -> int: ...
    @property
    def tokenizer_json(self) -> str: ...

    def encode(
        self, examples: Examples, targets: Mapping[str, Target], rows: Rows, progress: Progress | None = None
    ) -> Store:
        """The rows as tensors, with the truth of `targets`; what is unusual in them is counted in `rows`."""
        ...

    def shapes(self, targets: Mapping[str, Target]) -> Shapes:
        """What a model must know of the tensors."""
        ...
