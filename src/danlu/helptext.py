"""Help pages in the user's language, and usage errors. Knows nothing of what the verbs do.

typer writes its own headings in English and wraps by characters; Chinese needs both done anew.
"""

import difflib
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from danlu.errors import DanluError
from danlu.layout import definitions, wrapped
from danlu.words import say


class Verb(TyperCommand):
    """One verb; its `help` is the summary, its `epilog` the examples."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the page in the user's language."""
        formatter.write(page(self, ctx))


class Verbs(TyperGroup):
    """All verbs."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the page in the user's language."""
        formatter.write(page(self, ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb of this name; raises DanluError with the nearest ones where there is none."""
        if cmd_name in self.commands or ctx.resilient_parsing or cmd_name.startswith("-"):
            return self.commands.get(cmd_name)
        near = difflib.get_close_matches(cmd_name, self.commands) or list(self.commands)
        raise DanluError("cli.no_such_verb", verb=cmd_name, nearest=", ".join(near))


def page(command: TyperCommand | TyperGroup, ctx: Any) -> str:
    """Usage, summary, arguments, options, verbs and examples of `command`."""
    params = command.get_params(ctx)
    arguments = [(str(p.metavar), p.help or "") for p in params if isinstance(p, TyperArgument)]
    options = [(_option_names(p), _option_help(p)) for p in params if isinstance(p, TyperOption)]
    verbs = [(name, (c.help or "").partition("\n")[0]) for name, c in getattr(command, "commands", {}).items()]
    usage = [ctx.command_path, *(name for name, _ in arguments), "VERB" if verbs else "", "[OPTIONS]"]
    blocks = [
        say("cli.usage", usage=" ".join(filter(None, usage))),
        *("\n".join(wrapped(paragraph, "  ")) for paragraph in (command.help or "").splitlines()),
        _section("cli.verbs", verbs),
        _section("cli.arguments", arguments),
        _section("cli.options", options),
        _examples(command.epilog),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def usage_error(error: typer.TyperException) -> str:
    """What is wrong with the command line, and where its help stands."""
    ctx = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        return error.format_message()
    message = _usage_message(error)
    return f"{message}\n{say('cli.see_help', command=ctx.command_path)}" if ctx else message


def _section(heading: str, rows: list[tuple[str, str]]) -> str:
    return "\n".join([say(heading), *definitions(rows)]) if rows else ""


def _examples(epilog: str | None) -> str:
    return "\n".join([say("cli.examples"), *(f"  {line}" for line in epilog.splitlines())]) if epilog else ""


def _option_names(option: TyperOption) -> str:
    return ", ".join(sorted(option.opts, key=len, reverse=True)) + ("" if option.is_flag else f" {option.metavar}")


def _option_help(option: TyperOption) -> str:
    """typer's own options have English help; ours is in the user's language already."""
    known = {
        "help": "cli.option_help",
        "install_completion": "cli.install",
        "show_completion": "cli.show_completion",
    }
    return say(known[option.name]) if option.name in known else option.help or ""


def _usage_message(error: typer.TyperException) -> str:
    name = str(getattr(error, "option_name", "") or "")
    if hasattr(error, "possibilities"):
        near = ", ".join(error.possibilities or ())
        return say("cli.no_such_option_near" if near else "cli.no_such_option", option=name, nearest=near)
    param = getattr(error, "param", None)
    if param is None:
        return error.format_message()
    name = str(param.metavar if isinstance(param, TyperArgument) else param.opts[0])
    return say("cli.bad_value", name=name, why=error.message) if error.message else say("cli.missing", name=name)
