"""What `recipe` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    "recipe.not_found": (
        "{path}: no such recipe. `danlu new tabular-classification > recipe.yaml` writes one.",
        "{path}：没有这个配方文件。可以用 `danlu new tabular-classification > recipe.yaml` 生成一份。",
    ),
    "recipe.not_yaml": (
        "{path}: not readable as YAML: {why}",
        "{path}：不是有效的 YAML：{why}",
    ),
    "recipe.not_mapping": (
        "{path}: a recipe is a mapping of task, data, model, train and seed; this file holds something else.",
        "{path}：配方应当是由 task、data、model、train、seed 组成的映射，而这个文件不是。",
    ),
    "recipe.not_override": (
        'override "{item}": expected key=value, such as train.learning_rate=1e-3.',
        '覆盖项 "{item}"：格式应为 key=value，例如 train.learning_rate=1e-3。',
    ),
    "recipe.unknown_key": (
        '{where}: unknown key "{key}". Nearest valid: {nearest}.',
        '{where}：没有 "{key}" 这个键。最接近的有：{nearest}。',
    ),
    "recipe.bad_value": (
        '{where}, key "{key}": got {got}, expected {why}.',
        '{where}，键 "{key}"：得到 {got}，应为{why}。',
    ),
    "recipe.no_multiple": (
        "{where}: {key} is {got}, which is no multiple of {of}, {divisor}. Change one of them.",
        "{where}：{key} 是 {got}，不是 {of}（{divisor}）的整数倍。请改其中一个。",
    ),
    "recipe.expected.time": (
        "seconds, or a time such as 45s, 10m or 1h30m",
        "秒数，或 45s、10m、1h30m 这样的时长",
    ),
    "recipe.or": ("{one}, or {other}", "{one}，或{other}"),
    "recipe.expected.greater_than": ("a number above {limit}", "大于 {limit} 的数"),
    "recipe.expected.greater_than_equal": ("a number of at least {limit}", "不小于 {limit} 的数"),
    "recipe.expected.less_than": ("a number below {limit}", "小于 {limit} 的数"),
    "recipe.expected.less_than_equal": ("a number of at most {limit}", "不大于 {limit} 的数"),
    "recipe.expected.one_of": ("one of {values}", "以下之一：{values}"),
    "recipe.expected.int": ("a whole number", "整数"),
    "recipe.expected.float": ("a number", "数值"),
    "recipe.expected.bool": ("true or false", "true 或 false"),
    "recipe.expected.string": ("a text", "文本"),
    "recipe.expected.mapping": ("a mapping of keys to values", "键值映射"),
    "recipe.expected.other": ("something else ({why})", "其他值（{why}）"),
}
