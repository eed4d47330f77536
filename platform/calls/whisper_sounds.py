"""The sounds of whispers that tell where callers come from: made ahead by a job, for every source and campaign of which
a caller may come at any moment. Nothing of it runs while a caller waits.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import UUID

from ..db.engine import Database
from ..jobs.model import Done, Job, Outcome
from ..prompts.errors import PromptError
from ..prompts.model import Say
from ..prompts.service import PromptService
from .whispers import told

RENDER = "prompts.render_whispers"
#: Of one agency in a run, the most frequent sources first: each takes a tenth of a second of a processor.
MOST_A_RUN = 50
#: Of one agency. Anybody who opens a page may make a campaign up; what has not been needed for a month goes.
MOST_KEPT, KEPT_DAYS = 1_000, 30


class WhisperSounds:
    """The job."""

    def __init__(self, database: Database, prompts: PromptService) -> None:
        self._database = database
        self._prompts = prompts

    def render(self, job: Job) -> Outcome:
        """The job ``prompts.render_whispers``."""
        self.run(job.go_on)
        return Done()

    def run(self, go_on: Any = lambda: None) -> int:
        """Renders what is missing, within bounds; how many sentences were made. Raises the errors of the database."""
        wanted: dict[UUID, list[Say]] = defaultdict(list)
        with self._database.directory() as connection:
            rows = connection.exec_driver_sql("SELECT * FROM dialtrace_whispers_due(%s)", (KEPT_DAYS,)).all()
        for agency_id, text, language, voice, source, campaign in rows:
            try:
                wanted[agency_id].append(Say(told(text, language, source=source, campaign=campaign), language, voice))
            except PromptError:
                continue  # a name that cannot be said: its callers are told with the general sentence
        made = 0
        for agency_id, says in wanted.items():
            go_on()
            made += self._prompts.render_missing(agency_id, says, most=MOST_A_RUN, most_kept=MOST_KEPT)
        return made
