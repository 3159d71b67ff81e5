"""What `generation` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "generate.too_many": (
        "max_new_tokens: {asked} new tokens behind a prompt of {prompt} are more than the model can tell apart: it has "
        "{positions} positions. Ask for {free} or fewer, or shorten the prompt.",
        "max_new_tokens：提示有 {prompt} 个词元，再写 {asked} 个就超出了模型的 {positions} 个位置。"
        "请最多要 {free} 个，或缩短提示。",
    ),
    "generate.prompt_too_long": (
        "The text has {prompt} tokens, and the model can tell only {positions} positions apart. Shorten the text.",
        "文本有 {prompt} 个词元，而模型只有 {positions} 个位置。请缩短文本。",
    ),
    "generate.answer_too_long": (
        "max_new_tokens: an answer of {asked} tokens is more than the model can tell apart: it has {positions} positions. "
        "Ask for {positions} or fewer.",
        "max_new_tokens：要写 {asked} 个词元，超出了模型的 {positions} 个位置。请最多要 {positions} 个。",
    ),
    "generate.empty_stop": (
        "stop: an empty text stands before every text, so nothing would be written. Give at least one character, or "
        "leave stop out.",
        "stop：空文本在任何文本之前都已出现，因此什么也不会生成。请至少给出一个字符，或不设置 stop。",
    ),
    "generate.unknown": (
        "{unknown} of the prompt's {tokens} tokens occur in no training text: the model reads them all as the same mark",
        "提示的 {tokens} 个词元中有 {unknown} 个没有在训练文本里出现过：模型把它们都读作同一个未知标记",
    ),
    "generate.beyond_view": (
        "the prompt has {tokens} tokens, and in training the model had {view} in view: what it writes may be poor",
        "提示有 {tokens} 个词元，而模型训练时最多只看 {view} 个：写出的内容可能较差",
    ),
    "generate.no_prompt": (
        "The prompt holds no token that this model knows, and the model has none to begin a text with. "
        "Give a few words to begin with.",
        "提示中没有模型认识的词元，而这个模型也没有表示开头的词元。请给出几个字作为开头。",
    ),
    "generate.beams_stream": (
        "num_beams: a text that is searched for with beams is known only at its end and cannot be followed. "
        "Leave num_beams out, or do not stream.",
        "num_beams：束搜索到最后才知道结果，无法边写边看。请去掉 num_beams，或不用流式输出。",
    ),
    "generate.idle_when_greedy": (
        "{name} changes nothing at temperature 0, where the likeliest token is always taken. "
        "Raise the temperature, or leave {name} out.",
        "temperature 为 0 时总取最可能的词元，{name} 不起作用。请调高 temperature，或去掉 {name}。",
    ),
    "generate.idle_in_beams": (
        "{name} changes nothing with num_beams, which searches for the likeliest text and draws nothing. "
        "Leave one of the two out.",
        "num_beams 搜索最可能的文本，不做随机抽取，{name} 不起作用。两者请去掉一个。",
    ),
    "generate.idle_without_beams": (
        "{name} is a setting of beam search. Set num_beams to 2 or more, or leave {name} out.",
        "{name} 只用于束搜索。请把 num_beams 设为 2 以上，或去掉 {name}。",
    ),
}
