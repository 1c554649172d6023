"""everything -> alert_flips: a row when something turns bad and one when it is good again, nothing in between."""

from pipeline import judging
from pipeline.discovery import discover
from pipeline.redacting import redact
from pipeline.rules.base import View
from pipeline.runner import Context, Job, Outcome


def run(context: Context) -> Outcome:
    """Judge by every rule and store what changed. A rule that cannot look makes the run failed, the others count."""
    view = View(
        warehouse=context.warehouse,
        settings=context.settings,
        markets=context.markets,
        operations=context.operations,
        jobs=discover("pipeline.jobs", "JOB"),
        now=context.now,
    )
    judgement = judging.judge(view)
    stored: list[judging.Flip] = []
    if judgement.flips:
        with context.warehouse.write() as session:
            stored = judging.store(session, judgement.flips, now=context.now, run_id=context.run_id)
    for flip in stored:
        context.say(f"{flip.state}, {flip.severity}, {flip.rule} of {flip.subject}: {flip.message}")
    fired = sum(flip.state == "firing" for flip in stored)
    note = f"{fired} fired, {len(stored) - fired} resolved, {judgement.open} open"
    failures = tuple(redact(words, context.settings.secrets) for words in judgement.failures)
    return Outcome(0, len(stored), note, failures=failures, failure=judgement.failure)


JOB = Job(name="alert", title="Tell good from bad", run=run, after=("monitor", "quality"))
