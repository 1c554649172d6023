"""alerts -> notifications: each change told once on each channel, each attempt written down before it is made."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline import alerting, notifying
from pipeline.channels.base import Channel
from pipeline.contracts import SEVERITIES
from pipeline.discovery import discover
from pipeline.errors import ChannelFailed
from pipeline.markets import Market
from pipeline.notifying import Message
from pipeline.runner import Context, Job, Outcome
from pipeline.warehouse import Session

FAILURES_IN_A_ROW = 2


@dataclass(frozen=True)
class _Told:
    """What one channel was told: notices sent, and a sentence for each message that failed."""

    sent: int
    failures: tuple[str, ...]


def run(context: Context) -> Outcome:
    """Tell every channel what it has not been told yet. A failed attempt is a row and fails no run."""
    channels = _ready_channels(context)
    messages = _due(context, channels)
    waiting = {name: some for name, some in messages.items() if some}
    if not waiting:
        return Outcome(note="nothing to tell", skipped=True)
    # Side by side: no channel waits for another that hangs or has a bug.
    with ThreadPoolExecutor(len(waiting)) as pool:
        begun = [pool.submit(_tell, context, channels[name], some) for name, some in waiting.items()]
    told = [one.result() for one in begun]
    n = sum(len(message.items) for some in waiting.values() for message in some)
    sent = sum(one.sent for one in told)
    failures = [failure for one in told for failure in one.failures]
    return Outcome(n, sent, ". ".join([f"{sent} of {n} notices told on {', '.join(waiting)}", *failures]))


def ready(session: Session, _markets: dict[str, Market], now: datetime) -> bool:
    """Whether something may wait to be told."""
    waits = {name: rule.escalate for name, rule in alerting.rules().items() if rule.escalate is not None}
    before = now - notifying.SILENT_AFTER
    found = session.ask("notify_ready", now=now, before=before, rules=list(waits), waits=list(waits.values()))
    return bool(found.ready.iloc[0])


def _ready_channels(context: Context) -> dict[str, Channel]:
    found: dict[str, Channel] = discover("pipeline.channels", "CHANNEL")
    return {name: channel for name, channel in found.items() if channel.ready(context.settings) is None}


def _due(context: Context, channels: dict[str, Channel]) -> dict[str, list[Message]]:
    least = {name: context.operations.channels.get(name, SEVERITIES[0]) for name in channels}
    with context.warehouse.read() as session:
        silent = notifying.silent(session, context.now)
    if len(silent):
        with context.warehouse.write() as session:
            session.upsert("notifications", silent)
    with context.warehouse.read() as session:
        late = alerting.escalations(session, context.operations, context.now)
        return notifying.due(session, channels=least, escalated=late, settings=context.settings, now=context.now)


def _tell(context: Context, channel: Channel, messages: list[Message]) -> _Told:
    """Send one after the other; a channel that fails twice in a row is left alone until the next run."""
    sent, failures, in_a_row = 0, [], 0
    for message in messages:
        failure = _attempt(context, channel, message)
        if failure is None:
            sent, in_a_row = sent + len(message.items), 0
            continue
        failures.append(str(failure).rstrip("."))
        in_a_row += 1
        if in_a_row == FAILURES_IN_A_ROW:
            break
    return _Told(sent, tuple(failures))


def _attempt(context: Context, channel: Channel, message: Message) -> ChannelFailed | None:
    rows = notifying.begun(message, channel=channel.name, now=context.moment(), run_id=context.run_id)
    with context.warehouse.write() as session:
        session.append("notifications", rows)
    failure = None
    try:
        channel.send(notifying.cleaned(message.notice, context.settings.secrets), context.settings)
    except ChannelFailed as error:
        failure = error
    with context.warehouse.write() as session:
        session.upsert("notifications", notifying.ended(rows, failure, context.moment()))
    return failure


JOB = Job(
    name="notify",
    title="Alerts told on every channel",
    run=run,
    after=("alert",),
    deadline=timedelta(minutes=10),
    ready=ready,
)
