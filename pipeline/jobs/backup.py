"""Warehouse, models and configuration -> one verified backup, and fewer old ones."""

from datetime import timedelta
from pathlib import Path

from pipeline import backups
from pipeline.runner import Context, Job, Outcome


def run(context: Context) -> Outcome:
    """Back up into the settings' folder and remove what is older than the retention; `to` names another folder."""
    folder = Path(context.args["to"]).resolve() if "to" in context.args else context.settings.backups
    why = "asked for" if "to" in context.args else "daily"
    backup = backups.make(
        context.warehouse, context.settings, why=why, now=context.now, run_id=context.run_id, folder=folder
    )
    backups.record(context.warehouse, backup)
    context.say(f"writers waited {backup.waited_s:.2f} s for the copy")
    for flaw in backup.flaws:
        context.say(f"the doctor says of what was backed up: {flaw}")
    removed = []
    if folder == context.settings.backups:
        removed = backups.prune(context.warehouse, folder, keep=context.operations.retention.backups, now=context.now)
    note = f"{backup.path.name}: {backup.bytes / 1e6:,.1f} MB, opened and checked"
    note += f"; {len(backup.flaws)} flaws, see the log" if backup.flaws else ""
    note += f"; removed {len(removed)} older ones" if removed else ""
    return Outcome(backup.rows, 1, note)


JOB = Job(
    name="backup",
    title="Backup of warehouse, models and configuration",
    run=run,
    at="02:40",
    deadline=timedelta(minutes=60),
)
