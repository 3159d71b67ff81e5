"""What `serving` says: key → (English, Chinese)."""

WORDS: dict[str, tuple[str, str]] = {
    # the verb
    "cli.serve": (
        "Serve runs over HTTP: predictions, OpenAI's interface for language models, and a page to try them.\n"
        "Requests in flight are answered together. By default only this machine can ask; another address takes an API "
        "key. Ctrl-C or kill stops the server once what runs is answered. KEY=VALUE sets any limit, such as max_rows=100.",
        "通过 HTTP 提供服务：预测、语言模型的 OpenAI 接口，以及一个试用页面。\n"
        "同时到达的请求合并成批处理。默认只有本机可以访问；换成其他地址须设 API 密钥。按 Ctrl-C 或 kill 停止，正在处理的请求会先答完。"
        "KEY=VALUE 可设置任何限制，例如 max_rows=100。",
    ),
    "cli.serve.runs": ("Run folders; each is served under its folder's name.", "运行目录；各自以目录名提供服务。"),
    "cli.serve.host": ("Address to listen on.", "监听的地址。"),
    "cli.serve.port": ("Port to listen on; 0 takes any free one.", "监听的端口；0 表示任取一个空闲端口。"),
    "cli.serve.api_key_file": (
        "File of API keys, one per line; without it the environment's DANLU_API_KEY.",
        "存放 API 密钥的文件，每行一个；不给则用环境变量 DANLU_API_KEY。",
    ),
    "cli.serve.no_api_key": (
        "Let all who reach the address ask, also beyond this machine.",
        "任何能访问该地址的人都可以使用，本机之外也不例外。",
    ),
    "cli.serve.tls_cert": ("Certificate chain, PEM: the server speaks HTTPS.", "证书链（PEM）：服务器改用 HTTPS。"),
    "cli.serve.tls_key": ("Private key of the certificate, PEM.", "证书的私钥（PEM）。"),
    "cli.serve.max_batch": ("Rows that a model answers at once; 32 by default.", "模型一次处理的行数；默认 32。"),
    "cli.serve.max_queue": (
        "Requests that wait for a model; more are told to come again. 256 by default.",
        "为一个模型排队的请求数，超出者请稍后再来；默认 256。",
    ),
    "cli.serve.timeout": ("Seconds that a request may take; 60 by default.", "一个请求最多用多少秒；默认 60。"),
    # at the start
    "serve.missing_extra": (
        "danlu serve needs a few packages that training does without. Install them: pip install 'danlu[serve]'",
        "danlu serve 还需要几个训练时用不到的包。请安装：pip install 'danlu[serve]'",
    ),
    "serve.no_runs": (
        "No run to serve. Name at least one run folder, such as: danlu serve runs/reviews",
        "没有要提供服务的运行。请至少给出一个运行目录，例如：danlu serve runs/reviews",
    ),
    "serve.needs_key": (
        "{host} can be reached from beyond this machine, so the server needs an API key: set DANLU_API_KEY, or name a file "
        "with --api-key-file. To let everybody in, say --no-api-key.",
        "本机之外也能访问 {host}，因此需要 API 密钥：请设置 DANLU_API_KEY，或用 --api-key-file 指定文件。"
        "若确实要对所有人开放，请写 --no-api-key。",
    ),
    "serve.half_tls": (
        "HTTPS takes both files: --tls-cert and --tls-key.",
        "HTTPS 需要两个文件：--tls-cert 和 --tls-key。",
    ),
    "serve.no_file": ("{file}: no such file, or it cannot be read.", "{file}：没有这个文件，或无法读取。"),
    "serve.no_key": (
        "{file}: the file holds no API key. Write one per line.",
        "{file}：文件里没有 API 密钥。请每行写一个。",
    ),
    "serve.tls": (
        "The certificate and its key do not work together: {why}. Both are PEM files, the key without a password.",
        "证书与私钥不能配合使用：{why}。两者都应为 PEM 文件，私钥不带密码。",
    ),
    "serve.address": (
        "Cannot listen on {host}, port {port}: {why}. Choose another with --port (0 takes any free one) or --host.",
        "无法监听 {host} 的端口 {port}：{why}。请用 --port（0 表示任取空闲端口）或 --host 换一个。",
    ),
    "serve.model": ("{name}: {task}, {url}", "{name}：{task}，{url}"),
    "serve.listening": (
        "Try it at {url} (Ctrl-C stops)",
        "可在 {url} 试用（Ctrl-C 停止）",
    ),
    # who may ask, and how much
    "serve.key": (
        "The API key is missing or wrong. Send it as a header: Authorization: Bearer KEY",
        "缺少 API 密钥，或密钥不对。请以请求头发送：Authorization: Bearer 密钥",
    ),
    "serve.origin": (
        "Requests from other sites are refused ({origin}). Ask from a program or from this server's own page.",
        "不接受来自其他网站的请求（{origin}）。请用程序访问，或使用本服务器自己的页面。",
    ),
    "serve.no_page": (
        "There is nothing at this address. /docs lists what there is.",
        "这个地址没有内容。/docs 列出所有地址。",
    ),
    "serve.method": ("This address takes another method; see /docs.", "这个地址不接受该方法，见 /docs。"),
    "serve.no_model": ('There is no model "{name}". There is: {known}.', '没有模型 "{name}"。现有：{known}。'),
    "serve.body_too_large": (
        "The body is larger than {most} MB. Send fewer or smaller rows, or raise the server's max_body_mb.",
        "请求体超过 {most} MB。请减少或缩小数据，或调高服务器的 max_body_mb。",
    ),
    "serve.media_type": (
        "The body is {found}; send application/json, or multipart/form-data for files.",
        "请求体的类型是 {found}；请发送 application/json，文件用 multipart/form-data。",
    ),
    "serve.busy": (
        "{waiting} requests wait already. Come again in {seconds} s.",
        "已有 {waiting} 个请求在排队。请 {seconds} 秒后再来。",
    ),
    "serve.timeout": (
        "It took longer than {seconds} s. Send less at once, or raise the server's --timeout.",
        "超过了 {seconds} 秒。请一次少发一些，或调高服务器的 --timeout。",
    ),
    "serve.stopping": ("The server is stopping.", "服务器正在停止。"),
    "serve.broken": (
        "Something went wrong inside the server; its log says where.",
        "服务器内部出错，位置见其日志。",
    ),
    # bodies and rows
    "serve.not_json": ("The body is no JSON: {why}", "请求体不是 JSON：{why}"),
    "serve.not_object": (
        'The body is JSON, but no object. Send one such as {{"rows": [{{"column": "value"}}]}}.',
        '请求体是 JSON，但不是对象。请发送形如 {{"rows": [{{"列名": "值"}}]}} 的对象。',
    ),
    "serve.not_form": ("The form cannot be read: {why}", "无法读取表单：{why}"),
    "serve.unequal_form": (
        "A form holds a field per column, each repeated once per row; these fields differ in number.",
        "表单中每列一个字段，每行重复一次；现在各字段的个数不同。",
    ),
    "serve.rows_or_inputs": (
        'Send either "rows", a list of objects with a key per column, or "inputs", a list of bare values where the model '
        "reads one column; nothing else. Found: {found}.",
        '请发送 "rows"（对象的列表，每列一个键），或在模型只读一列时发送 "inputs"（值的列表），不要有其他键。收到：{found}。',
    ),
    "serve.no_rows": (
        '"{name}" is no list, or an empty one. Send at least one.',
        '"{name}" 不是列表，或是空的。请至少给一项。',
    ),
    "serve.row_no_object": (
        "row {row} is no object. Write a key per column.",
        "第 {row} 行不是对象。请每列写一个键。",
    ),
    "serve.bare_inputs": (
        'This model reads several columns ({columns}): send "rows", objects with a key for each.',
        '这个模型读取多列（{columns}）：请发送 "rows"，每列写一个键。',
    ),
    "serve.too_many_rows": (
        "{rows} rows are more than the {most} of a request. Send them in several.",
        "{rows} 行超过了一个请求的上限 {most}。请分几次发送。",
    ),
    "serve.missing_columns": (
        "row {row} lacks {columns}. Write null where a value is missing.",
        "第 {row} 行缺少 {columns}。没有值时请写 null。",
    ),
    "serve.bad_cell": (
        'row {row}, column "{column}": expected {expected}, got {found}.',
        '第 {row} 行，"{column}" 列：应为{expected}，得到 {found}。',
    ),
    "serve.unequal_channels": (
        'column "{column}": the steps of the rows differ in their number of channels.',
        '"{column}" 列：各行每一步的通道数不同。',
    ),
    "serve.row": ("{why}", "{why}"),
    "serve.left_out": (
        "Keys that training did not have were left out: {columns}.",
        "训练数据中没有的键未使用：{columns}。",
    ),
    # texts and vectors
    "serve.no_writer": (
        "{name} is for {task} and writes no texts. /v1/models lists what each model can be asked.",
        "{name} 用于 {task}，不能生成文本。/v1/models 列出每个模型能做什么。",
    ),
    "serve.no_vectors": (
        "{name} is for {task} and makes no vectors of texts: that takes a Transformer that reads texts.",
        "{name} 用于 {task}，不能给出文本向量：这需要读取文本的 Transformer。",
    ),
    "serve.no_template": (
        "{name} has no chat template, so it does not know who speaks. Ask /v1/completions to go on with a text, or put the "
        "template into the run: model/chat_template.jinja",
        "{name} 没有对话模板，分不清谁在说话。请用 /v1/completions 续写文本，或把模板放进运行目录：model/chat_template.jinja",
    ),
    "serve.template": (
        "The chat template does not take these messages: {why}",
        "对话模板不接受这些消息：{why}",
    ),
    "serve.long_prompt": (
        "A text of {characters} characters is longer than the {most} that this server takes.",
        "文本有 {characters} 个字符，超过了服务器的上限 {most}。",
    ),
    "serve.too_many_tokens": (
        "max_tokens: {asked} are more than the {most} that this server writes at once.",
        "max_tokens：{asked} 超过了服务器一次的上限 {most}。",
    ),
    "serve.unknown_tokens": (
        "prompt: tokens {tokens}: there must be at least one, and all below {size}.",
        "prompt：词元 {tokens}：至少要有一个，且都小于 {size}。",
    ),
    "serve.dimensions": (
        "dimensions: this model's vectors have {width} numbers, not {asked}. Leave dimensions out.",
        "dimensions：这个模型的向量有 {width} 维，不是 {asked} 维。请去掉 dimensions。",
    ),
    "serve.schema": (
        "response_format: the schema cannot be followed: {why}",
        "response_format：无法遵循这个 schema：{why}",
    ),
    "serve.no_bytes": (
        "response_format: this model's tokens cannot spell any JSON. Leave response_format out.",
        "response_format：这个模型的词元拼不出任意的 JSON。请去掉 response_format。",
    ),
    "serve.expects_number": ("a number", "数字"),
    "serve.expects_boolean": ("true or false", "true 或 false"),
    "serve.expects_category": ("a text or a number", "文本或数字"),
    "serve.expects_text": ("a text", "文本"),
    "serve.expects_short": ("at most {most} characters", "最多 {most} 个字符"),
    "serve.expects_date": ("a date such as 2024-03-05", "形如 2024-03-05 的日期"),
    "serve.expects_image": (
        "a PNG, JPEG, WebP, GIF, BMP, TIFF or PPM image, in JSON as base64",
        "PNG、JPEG、WebP、GIF、BMP、TIFF 或 PPM 图像，在 JSON 中用 base64",
    ),
    "serve.expects_small": ("an image of at most {most} pixels", "不超过 {most} 像素的图像"),
    "serve.expects_sequence": (
        "a list of numbers, or of equally long lists of numbers",
        "数字的列表，或等长数字列表的列表",
    ),
    # the page
    "serve.page.model": ("Model", "模型"),
    "serve.page.language": ("Language", "语言"),
    "serve.page.key": ("API key", "API 密钥"),
    "serve.page.nothing_yet": ("The answer appears here.", "结果显示在这里。"),
    "serve.page.predict": ("Predict", "预测"),
    "serve.page.write": ("Write", "生成"),
    "serve.page.stop": ("Stop", "停止"),
    "serve.page.clear": ("Clear", "清空"),
    "serve.page.prompt": ("Text to go on with", "要续写的文本"),
    "serve.page.message": ("Message", "消息"),
    "serve.page.shortcut": ("Ctrl+Enter sends.", "按 Ctrl+Enter 发送。"),
    "serve.page.drop": ("Drop an image here, or choose a file.", "把图像拖到这里，或选择文件。"),
    "serve.page.draw": ("Or draw one with mouse or finger.", "也可以用鼠标或手指画一个。"),
    "serve.page.yes": ("yes", "是"),
    "serve.page.no": ("no", "否"),
    "serve.page.drift": ("Moved since training", "训练以来的变化"),
}
