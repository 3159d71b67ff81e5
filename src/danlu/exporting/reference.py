"""Raw rows → a graph's tensors → answers, in plain numpy: what stands beside an exported file as `predict.py`.

Its functions are copied there, those that a model needs, so that none of them may use danlu or torch. `setup` is the
content of preprocessing.json, `rows` are dicts of plain values, `run` is the graph: named arrays → named arrays.
"""

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

Rows = Sequence[Mapping[str, Any]]
Arrays = dict[str, np.ndarray]
Run = Callable[[Arrays], Arrays]


def as_text(value: Any) -> str:
    """A value as it is shown: true, 3 for 3.0."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def texts_of(rows: Rows, name: str) -> list[str]:
    """A column of texts, "" where one is missing."""
    return ["" if row.get(name) is None else as_text(row[name]) for row in rows]


def padded(parts: Sequence[Any], name: str, dtype: Any = np.int64) -> Arrays:
    """Rows of unequal length as one array, filled up with 0, and their lengths."""
    arrays = [np.asarray(part, dtype) for part in parts]
    longest = max(1, *(len(each) for each in arrays))
    whole = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), dtype)
    for row, each in enumerate(arrays):
        whole[row, : len(each)] = each
    return {name: whole, f"{name}_length": np.array([len(each) for each in arrays])}


def number_parts(value: Any, kind: str) -> dict[str, float]:
    """What a number, a truth value or a date (ISO 8601) is made of; not-a-number where it is missing."""
    if kind != "date":
        known = {None: math.nan, "": math.nan, "true": 1.0, "false": 0.0}
        plain = value.strip() if isinstance(value, str) else value
        number = known[plain] if isinstance(plain, str | None) and plain in known else float(plain)
        return {"value": number if math.isfinite(number) else math.nan}
    if value in (None, ""):
        return {"time": math.nan}
    time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    days = (time.replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds() / 86_400
    parts = {"time": days}
    for name, turn in (("month", (time.month - 1) / 12), ("weekday", time.weekday() / 7), ("hour", time.hour / 24)):
        parts |= {f"{name} sin": math.sin(2 * math.pi * turn), f"{name} cos": math.cos(2 * math.pi * turn)}
    return parts


def numbers(setup: Any, rows: Rows, tokenizer: Any) -> Arrays:
    """numbers (B, features), standardised and 0 where missing; missing (B, columns) 1 where they are."""
    how = setup["numbers"]
    read = [{name: number_parts(row.get(name), kind) for name, kind in how["columns"].items()} for row in rows]
    values = np.array(
        [
            [(row[f["column"]].get(f["part"], math.nan) - f["centre"]) * f["factor"] for f in how["features"]]
            for row in read
        ],
        np.float64,
    ).reshape(len(rows), -1)
    if how["clip"]:
        values = values / np.sqrt(1 + np.square(values / 3))
    gaps = how["gaps"] if how["indicate"] else []
    missing = np.array([[math.isnan(next(iter(row[name].values()))) for name in gaps] for row in read], np.float32)
    return {"numbers": np.nan_to_num(values).astype(np.float32), "missing": missing.reshape(len(rows), -1)}


def categories(setup: Any, rows: Rows, tokenizer: Any) -> Arrays:
    """categories (B, columns): 0 for a value never seen, 1 for a missing one, then by frequency."""
    columns = []
    for how in setup["categories"]:
        place = {None: 1} | {value: number for number, value in enumerate(how["values"], start=2)}
        values = [row.get(how["name"]) for row in rows]
        columns.append([place.get(None if value is None else as_text(value), 0) for value in values])
    return {"categories": np.array(columns, np.int64).T}


def tokens(setup: Any, rows: Rows, tokenizer: Any) -> Arrays:
    """tokens (B, T) with their lengths, 0 pads; segments likewise where the model tells them apart."""
    how = setup["tokens"]
    first, *others = (texts_of(rows, name) for name in how["columns"])
    if not how["marked"]:
        parts = [[tokenizer.encode(text, add_special_tokens=False).ids for text in each] for each in (first, *others)]
        joined = [list(row[0]) + [i for ids in row[1:] for i in (2, *ids)] for row in zip(*parts, strict=True)]
        return padded([ids[: how["max_length"]] for ids in joined], "tokens")
    tokenizer.enable_truncation(how["max_length"])
    behind = ["\n".join(each) for each in zip(*others, strict=True)] if others else []
    if behind and tokenizer.num_special_tokens_to_add(True):
        found = [tokenizer.encode(*pair) for pair in zip(first, behind, strict=True)]
    else:
        lines = ["\n".join(each) for each in zip(first, behind, strict=True)] if behind else first
        found = [tokenizer.encode(text) for text in lines]
    segments = padded([each.type_ids for each in found], "segments") if how["segments"] else {}
    return padded([each.ids for each in found], "tokens") | segments


def terms(setup: Any, rows: Rows, tokenizer: Any) -> Arrays:
    """terms (B, K) and terms_weight (B, K): the n-grams of each row by TF-IDF, of length 1 for each kind of n-gram."""
    how = setup["terms"]
    found: list[list[int]] = [[] for _ in rows]
    weights: list[list[float]] = [[] for _ in rows]
    texts = ["\x1f".join(row) for row in zip(*(texts_of(rows, name) for name in how["columns"]), strict=True)]
    before = 0
    for part in how["parts"]:
        place = {term: number for number, term in enumerate(part["terms"])}
        for row, text in enumerate(texts):
            grams = [place[gram] for gram in n_grams(text.lower() if how["lowercase"] else text, part) if gram in place]
            index, counts = np.unique(np.array(grams, np.int64), return_counts=True)
            seen = np.array(part["document_frequency"])[index]
            weight = (1 + np.log(counts)) * (np.log((1 + how["documents"]) / (1 + seen)) + 1)
            found[row] += (before + index).tolist()
            weights[row] += (weight / np.sqrt((weight**2).sum()) if len(index) else weight).tolist()
        before += len(part["terms"])
    return {
        "terms": padded(found, "terms")["terms"],
        "terms_weight": padded(weights, "terms", np.float32)["terms"],
    }


def n_grams(text: str, part: Any) -> list[str]:
    """Runs of words, or of characters within words, which are padded for char_wb."""
    sizes = range(part["shortest"], part["longest"] + 1)
    if part["analyzer"] == "word":
        fields = [re.findall(r"\w+(?:['’]\w+)*|[!?]", field) for field in text.split("\x1f")]
        return [" ".join(words[i : i + n]) for words in fields for n in sizes for i in range(len(words) - n + 1)]
    end = " " if part["analyzer"] == "char_wb" else ""
    runs = [f"{end}{run}{end}" for run in text.split()]
    return [run[i : i + n] for run in runs for n in sizes for i in range(len(run) - n + 1)]


def image(setup: Any, rows: Rows, tokenizer: Any) -> Arrays:
    """image (B, C, H, W) uint8: of a file's name, its bytes or an array of pixels."""
    return {"image": np.stack([pixels(setup["images"], row[setup["images"]["column"]]) for row in rows])}


def pixels(how: Any, source: Any) -> np.ndarray:
    """(C, H, W) uint8: upright, transparency on white, scaled to fit inside and padded with the mean colour."""
    from PIL import Image, ImageOps

    height, width, channels = how["height"], how["width"], how["channels"]
    found: Any
    if isinstance(source, str | bytes):
        found = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    else:
        given = np.asarray(source, np.uint8)
        found = Image.fromarray(given[..., 0] if given.ndim == 3 and given.shape[2] == 1 else given)
    found.draft(found.mode, (max(height, width),) * 2)
    plain = ImageOps.exif_transpose(found)
    if plain.mode.startswith("I"):  # 16 bits become 8
        plain = Image.fromarray((np.asarray(plain).astype(np.int64) // 257).clip(0, 255).astype(np.uint8))
    if plain.has_transparency_data:
        plain = plain.convert("RGBA")
        plain = Image.alpha_composite(Image.new("RGBA", plain.size, "white"), plain)
    plain = plain.convert("L" if channels == 1 else "RGB")
    if plain.size != (width, height):
        colour = tuple(round(value) for value in how["mean"])
        plain = ImageOps.pad(plain, (width, height), color=colour if channels > 1 else colour[0])
    return np.array(plain).reshape(height, width, channels).transpose(2, 0, 1)


def sequence(setup: Any, rows: Rows, tokenizer: Any) -> Arrays:
    """sequence (B, T, channels) with its lengths: standardised, 0 where missing, then which steps are missing."""
    how = setup["sequences"]
    found = []
    for row in rows:
        columns = [np.array(row[name], np.float64).reshape(len(row[name]), -1) for name in how["columns"]]
        steps = np.concatenate(columns, axis=1)[: how["max_steps"]]
        missing = ~np.isfinite(steps)
        scaled = np.where(missing, 0.0, (steps - how["mean"]) / how["scale"])
        found.append(np.concatenate([scaled, missing[:, how["gaps"]]], axis=1))
    return padded(found, "sequence", np.float32)


def target_answers(setup: Any, rows: Rows, run: Run, tokenizer: Any, inputs: Sequence[Any]) -> list[dict[str, Any]]:
    """A prediction per target and row, and a probability per class."""
    given: Arrays = {}
    for read in inputs:
        given |= read(setup, rows, tokenizer)
    outputs = run(given)
    answers: list[dict[str, Any]] = [{} for _ in rows]
    for name, target in setup["targets"].items():
        suffix = f"_{name}" if len(setup["targets"]) > 1 else ""
        for answer, values in zip(answers, outputs[name], strict=True):
            if target["kind"] == "number":
                answer[f"prediction{suffix}"] = float(values)
                continue
            chosen = [c for c, chance in zip(target["classes"], values, strict=True) if chance > 0.5]
            best = target["classes"][int(values.argmax())]
            answer[f"prediction{suffix}"] = best if target["kind"] == "class" else chosen
            answer |= {f"probability{suffix}_{c}": p for c, p in zip(target["classes"], values.tolist(), strict=True)}
    return answers


def log_softmax(scores: np.ndarray) -> np.ndarray:
    """Logarithms of probabilities over the last axis."""
    shifted = scores.astype(np.float64) - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def continuations(setup: Any, rows: Rows, run: Run, tokenizer: Any, inputs: Sequence[Any]) -> list[dict[str, Any]]:
    """How each text goes on by the likeliest tokens, `max_new_tokens` of a row at most (20 where it says nothing)."""
    how, past = setup["reading"], setup.get("past")
    answers = []
    for row in rows:
        prompt = as_text(row[how["column"]])
        ids = tokenizer.encode(prompt.lower() if how["lowercase"] else prompt, add_special_tokens=False).ids
        known, written = [how["begin"], *ids], list[int]()
        unread, kept = known, nothing_read(past) if past else {}
        for _ in range(row.get("max_new_tokens") or 20):
            told = run({"tokens": np.array([unread])} | kept)
            token = int(told["logits"][0, -1].argmax())
            if token in (how["begin"], how["end"]):
                break
            written.append(token)
            if past and len(known + written) > (past["positions"] or math.inf):
                break
            unread = [token] if past else (known + written)[-how["max_length"] :]
            kept = {"past_keys": told["keys"], "past_values": told["values"]} if past else {}
        before = len(tokenizer.decode(known))
        answers.append({"prediction": tokenizer.decode(known + written)[before:]})
    return answers


def nothing_read(past: Any) -> Arrays:
    """What the graph keeps of the tokens before the first: (1, layers, heads, 0, width of a head)."""
    shape = (1, past["layers"], past["heads"], 0, past["width"])
    return {name: np.zeros(shape, np.float32) for name in ("past_keys", "past_values")}


def written_answers(setup: Any, rows: Rows, run: Run, tokenizer: Any, inputs: Sequence[Any]) -> list[dict[str, Any]]:
    """The likeliest answer to each text, as far as four beams find it."""
    how = setup["reading"]
    tokenizer.enable_truncation(how["max_length"])
    sources = [tokenizer.encode(text).ids for text in texts_of(rows, how["source"])]
    answers = [beam_search(how, run, source) for source in sources]
    return [{"prediction": tokenizer.decode(ids).strip()} for ids in answers]


def beam_search(how: Any, run: Run, source: Sequence[int], beams: int = 4) -> list[int]:
    """The tokens of the likeliest answer, without its end; scores are means of logarithms over the tokens."""
    given = {name: values.repeat(beams, axis=0) for name, values in padded([source], "tokens").items()}
    forced, most = how["forced"], how["answer_length"]
    texts, sums = [[how["start"]]] * beams, np.array([0.0] + [-1e9] * (beams - 1))
    ended: list[tuple[float, list[int]]] = []
    for length in range(1, most + 1):
        scores = run(given | padded(texts, "answer"))["logits"][:, -1].astype(np.float64)
        scores[:, list(forced["never"])] = -np.inf
        only = forced["last"] if length == most else None
        only = forced["first"] if only is None and length == 1 else only
        if only is not None:
            scores[:] = -np.inf
            scores[:, only] = 0.0
        logs = log_softmax(scores) + sums[:, None]
        best = np.argsort(-logs, axis=None, kind="stable")[: 2 * beams]
        found = [(logs.flat[i], [*texts[i // logs.shape[1]], int(i % logs.shape[1])]) for i in best]
        over = [length == most or text[-1] == how["end"] for _, text in found]
        ended += [(score / length, text) for (score, text), out in zip(found[:beams], over, strict=False) if out]
        ended = sorted(ended, key=lambda text: -text[0])[:beams]
        going = [each for each, out in zip(found, over, strict=True) if not out][:beams]
        if not going or (len(ended) == beams and going[0][0] / length <= ended[-1][0]):
            break
        sums, texts = np.array([score for score, _ in going]), [text for _, text in going]
    answer = ended[0][1][1:]
    return answer[:-1] if answer and answer[-1] == how["end"] else answer


def filled_masks(setup: Any, rows: Rows, run: Run, tokenizer: Any, inputs: Sequence[Any]) -> list[dict[str, Any]]:
    """The five likeliest tokens of each mask, written [MASK] or <mask>, and the text with the first of them."""
    how, masks = setup["reading"], ("[MASK]", "<mask>")
    written = re.compile("|".join(map(re.escape, masks)))
    mask = next(each for each in masks if tokenizer.token_to_id(each) is not None)
    marks = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    unknown = tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or "")
    known = [i for i in tokenizer.get_vocab().values() if i not in marks and i != unknown]
    opening, closing = marks_around(tokenizer.encode("a"))
    room = how["max_length"] - len(opening) - len(closing)
    tokenizer.encode_special_tokens = False
    answers = []
    for row in rows:
        text = as_text(row[how["column"]])
        ids = tokenizer.encode(written.sub(lambda _: mask, text), add_special_tokens=False).ids
        told = []
        for place in [i for i, token in enumerate(ids) if token == tokenizer.token_to_id(mask)]:
            begin = max(0, min(place - room // 2, len(ids) - room))
            given = padded([[*opening, *ids[begin : begin + room], *closing]], "tokens")
            given |= {"segments": np.zeros_like(given["tokens"])} if how["next_sentence"] else {}
            chances = np.exp(log_softmax(run(given)["logits"][0, len(opening) + place - begin]))
            best = sorted(known, key=lambda token: -chances[token])[:5]
            told.append([(tokenizer.decode([i]).strip().removeprefix("##"), float(chances[i])) for i in best])
        words = [best[0][0] for best in told]
        each = [
            {"mask": number, "token": word, "score": score}
            for number, best in enumerate(told, start=1)
            for word, score in best
        ]
        for word in words:
            text = written.sub(word.replace("\\", r"\\"), text, count=1)
        answers.append({"prediction": text, "tokens": each})
    return answers


def marks_around(encoding: Any) -> tuple[list[int], list[int]]:
    """What a tokenizer puts before and behind a text."""
    text = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
    return encoding.ids[: text[0]], encoding.ids[text[-1] + 1 :]


def entities(setup: Any, rows: Rows, run: Run, tokenizer: Any, inputs: Sequence[Any]) -> list[dict[str, Any]]:
    """The entities of each text: characters, label and mean chance of their words' tags."""
    how, (name, target) = setup["reading"], next(iter(setup["targets"].items()))
    opening, closing = marks_around(tokenizer.encode(["a"], is_pretokenized=True))
    room = how["max_length"] - len(opening) - len(closing)
    unknown = tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or "") or 0
    answers = []
    for row in rows:
        text = as_text(row[how["column"]])
        places = word_places(text, setup["columns"][how["column"]]["format"] == "words")
        encoding = tokenizer.encode([text[a:b] for a, b in places], is_pretokenized=True, add_special_tokens=False)
        pieces: list[list[int]] = [[] for _ in places]
        for token, word in zip(encoding.ids, encoding.word_ids, strict=True):
            if word is not None:
                pieces[word].append(token)
        pieces = [piece[: max(1, room // 2)] or [unknown] for piece in pieces]
        chances = np.zeros((len(places), len(target["classes"])))
        for first, end, told_from, told_to in word_windows([len(piece) for piece in pieces], room):
            inside = [token for piece in pieces[first:end] for token in piece]
            scores = log_softmax(run(padded([[*opening, *inside, *closing]], "tokens"))[name][0])
            at = len(opening) + np.cumsum([0, *(len(piece) for piece in pieces[first:end])])
            for word in range(told_from, told_to):
                chances[word] = np.exp(scores[at[word - first]])
        answers.append({name: spans_of(text, places, chances, target["classes"])})
    return answers


def word_places(text: str, given: bool) -> list[tuple[int, int]]:
    """Start and end of each word: those `given` between single spaces, or letters, marks and ideographs."""
    if given:
        ends = [match.start() for match in re.finditer(" ", text)] + ([len(text)] if text else [])
        return list(zip([0, *(end + 1 for end in ends[:-1])], ends, strict=False)) if text else []
    ideographs = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    letters = rf"[^\W{ideographs}]+"
    word = rf"https?://\S+|[@#]?{letters}(?:[-.&]{letters})*|(?<=\w)['’]{letters}|\S"
    return [match.span() for match in re.finditer(word, text)]


def word_windows(sizes: Sequence[int], limit: int) -> list[tuple[int, int, int, int]]:
    """Windows of words, first … end - 1, and which of them each tells: every word once, where most stands around it."""
    before = np.append(0, np.cumsum(sizes, dtype=np.int64))
    windows: list[tuple[int, int, int, int]] = []
    first, told, count = 0, 0, len(sizes)
    while told < count:
        end = int(np.searchsorted(before, before[first] + limit, side="right")) - 1
        if end == count:
            return [*windows, (first, count, told, count)]
        shared = int(np.searchsorted(before, before[end] - limit // 4))
        following = min(max(shared, first + 1), end)
        windows.append((first, end, told, max((following + end) // 2, told)))
        first, told = following, windows[-1][3]
    return windows


def spans_of(text: str, places: Any, chances: np.ndarray, classes: Sequence[str]) -> list[dict[str, Any]]:
    """The entities of words with these chances of O, B-x, I-x …"""
    found: list[dict[str, Any]] = []
    open_label = None
    for (start, end), row in zip(places, chances, strict=True):
        best = int(row.argmax())
        label = classes[best][2:] if best else None
        if label is not None and (best % 2 == 1 or label != open_label):
            found.append({"label": label, "start": start, "scores": []})
        if label is not None:
            found[-1]["end"] = end
            found[-1]["scores"].append(float(row.max()))
        open_label = label
    return [
        {"text": text[e["start"] : e["end"]], "label": e["label"], "start": e["start"], "end": e["end"],
         "score": float(np.mean(e["scores"]))}
        for e in found
    ]  # fmt: skip


def found_answers(setup: Any, rows: Rows, run: Run, tokenizer: Any, inputs: Sequence[Any]) -> list[dict[str, Any]]:
    """The characters of the context that answer each question, and how likely both ends of them are."""
    how, seen = setup["reading"], tokenizer.encode("a", "a")
    part = np.array([-1 if which is None else which for which in seen.sequence_ids])
    (first, *_, last), (second, *_, final) = (np.flatnonzero(part == which).repeat(2) for which in (0, 1))
    opening, middle, closing = seen.ids[:first], seen.ids[last + 1 : second], seen.ids[final + 1 :]
    segment, answers = seen.type_ids[second], []
    for row in rows:
        context = as_text(row["context"])
        question = tokenizer.encode(as_text(row["question"]), add_special_tokens=False).ids[: how["max_length"] // 3]
        ids, begins, ends = solid_tokens(context, tokenizer)
        kinds = likeness(np.array(question, np.int64), ids) if how["likeness"] else np.full(len(ids), segment)
        room = how["max_length"] - len(opening) - len(middle) - len(closing) - len(question)
        step, before = room - how["stride"], len(opening) + len(question) + len(middle)
        best: tuple[float, int, int, float, float] | None = None
        for start in [0, *range(step, max(len(ids) - how["stride"], 0), step)]:
            window = slice(start, start + room)
            tokens = [*opening, *question, *middle, *ids[window], *closing]
            given = padded([tokens], "tokens")
            if how["segments"]:
                kind = [*[0] * before, *kinds[window], *[segment] * len(closing)]
                given |= padded([kind], "segments")
            scores = run(given)["answer"][0].astype(np.float64)
            inside = np.zeros(len(tokens), bool)
            inside[before : before + len(ids[window])] = begins[window] < ends[window]
            found = best_pair(scores, inside, how["max_answer"])
            if best is None or found[0] > best[0]:
                held = math.isfinite(found[0])  # a window of nothing but white space has no answer
                first_at, last_at = (start + place - before for place in found[1:3])
                places = (int(begins[first_at]), int(ends[last_at])) if held else (0, 0)
                best = (found[0], *places, *found[3:])
        assert best is not None
        margin, begin, end, chance, none = best
        told = margin > (-math.inf if how["threshold"] is None else how["threshold"])
        answers.append(
            {"prediction": context[begin:end], "start": begin, "end": end, "score": chance}
            if told
            else {"prediction": "", "start": None, "end": None, "score": none}
        )
    return answers


def solid_tokens(text: str, tokenizer: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The tokens of a text, and the first and last + 1 character of each without white space at its ends."""
    encoding = tokenizer.encode(text, add_special_tokens=False)
    begins, ends = [], []
    for begin, end in encoding.offsets:
        piece = text[begin:end]
        ends.append(begin + len(piece.rstrip()))
        begins.append(min(begin + len(piece) - len(piece.lstrip()), ends[-1]))
    return np.array(encoding.ids, np.int64), np.array(begins, np.int64), np.array(ends, np.int64)


def likeness(question: np.ndarray, context: np.ndarray) -> np.ndarray:
    """1 … 12 for each token of the context: how like the question it and the 16 tokens on either side are."""
    known = np.isin(context, question[question != 1])
    pairs = np.isin(*(ids[:-1] << 32 | ids[1:] for ids in (context, question))) & known[:-1] & known[1:]
    match = known.astype(np.int64) + (np.append(pairs, False)[: len(known)] | np.append(False, pairs)[: len(known)])
    upto, place = np.append(0.0, np.cumsum(np.array([0.0, 0.25, 1.0])[match])), np.arange(len(context))
    near = upto[np.minimum(place + 17, len(context))] - upto[np.maximum(place - 16, 0)]
    level = np.ceil(3 * near / max(near.max(initial=0), 1.0)).astype(np.int64)
    return 1 + match + 3 * level


def best_pair(scores: np.ndarray, inside: np.ndarray, longest: int) -> tuple[float, int, int, float, float]:
    """The margin of the best start and end over no answer (position 0), both places, and the chances of either."""
    allowed = inside.copy()
    allowed[0] = True
    total = np.log(np.exp(scores[allowed] - scores[allowed].max(0)).sum(0)).sum() + scores[allowed].max(0).sum()
    none = scores[0].sum()
    ends = np.where(inside[:, None], scores, -np.inf)
    best, first, last = -math.inf, 0, 0
    for more in range(min(longest, len(ends))):
        sums = ends[: len(ends) - more, 0] + ends[more:, 1]
        if sums.max() > best:
            best, first, last = float(sums.max()), int(sums.argmax()), int(sums.argmax()) + more
    return best - none, first, last, math.exp(best - total), math.exp(none - total)
