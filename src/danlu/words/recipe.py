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
        'recipe {where}: unknown key "{key}". Nearest valid: {nearest}.',
        '配方 {where}：没有 "{key}" 这个键。最接近的有：{nearest}。',
    ),
    "recipe.bad_value": (
        'recipe {where}, key "{key}": got {got}. {why}.',
        '配方 {where}，键 "{key}"：得到 {got}。{why}。',
    ),
}
