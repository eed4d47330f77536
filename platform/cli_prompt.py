"""`dialtrace prompt`: what an operator does with the sounds that nodes play."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .config import Settings
from .prompts.model import LANGUAGES, Say

if TYPE_CHECKING:
    from .prompts.service import PromptService


def prompt_group(
    begin: Callable[..., Settings], any_database: Callable[[Settings], AbstractContextManager[str]]
) -> click.Group:
    """The commands."""

    @contextmanager
    def opened() -> Iterator[PromptService]:
        """The service, for as long as a command runs."""
        from .db.engine import Database
        from .services.call_plane import build_prompts

        settings = begin("prompt")
        with any_database(settings) as url:
            database = Database(url, pool_size=1)
            try:
                yield build_prompts(settings, database)
            finally:
                database.dispose()

    @click.group()
    def prompt() -> None:
        """Sounds that nodes play: rendered texts and the operator's announcements."""

    @prompt.command("say")
    @click.argument("text")
    @click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Of the text.")
    @click.option("--voice", default="", help="One of the speech program's own; empty: its usual one.")
    def say(text: str, language: str, voice: str) -> None:
        """Render TEXT now; flows that say it find it ready. Prints the name of its file."""
        from .prompts.service import OPERATOR

        wanted = Say(text, language, voice)
        with opened() as prompts:
            prompts.ensure_rendered(OPERATOR, [wanted])
        click.echo(wanted.name)

    @prompt.command("list")
    def list_prompts() -> None:
        """List what is kept: agency, name, kind, language, seconds, bytes; tabs between."""
        with opened() as prompts:
            for one in prompts.list_all():
                seconds = f"{one.duration_ms / 1000:.1f}"
                fields = (one.agency_id, one.name, one.kind, one.language or "-", seconds, one.size_bytes)
                click.echo("\t".join(str(field) for field in fields))

    @prompt.command("import")
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    @click.option("--name", default=None, help="Under which flows name it; default: the file's own, without .wav.")
    def import_file(file: Path, name: str | None) -> None:
        """Check and convert a WAV FILE and keep it for steps that name a file; every node has it within seconds."""
        with opened() as prompts:
            called = file.stem if name is None else name
            duration_ms = prompts.import_file(called, file.read_bytes())
        click.echo(f"{called}\t{duration_ms / 1000:.1f} s")

    return prompt
