"""What the split, the checks and the loader say: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "loader.row_over_budget": (
        "recipe: train.batch_tokens is {batch_tokens}, but the longest row alone has {longest}. "
        "Raise train.batch_tokens, or cut texts with data.text.max_length.",
        "配方：train.batch_tokens 是 {batch_tokens}，而最长的一行就有 {longest}。"
        "请调大 train.batch_tokens，或用 data.text.max_length 截短文本。",
    ),
}
