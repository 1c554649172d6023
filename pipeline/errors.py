"""Everything Sextant raises, as one tree; each message names what failed and what to do.

SextantError
|- ConfigError             settings or sextant.toml are wrong
|- WarehouseError
|  |- Busy                 the lock was not free before the deadline
|  |- Held                 a process outside Sextant holds the file
|  |- NoWarehouse          there is no file yet
|  |- DiskFull             no space is left where the warehouse lives
|  |- ContractBroken       rows do not fit their table's contract
|  '- WrongFile            not a Sextant warehouse, or made by a newer Sextant
|- SourceError             a provider did not give what was asked
|  |- NotYetPublished      ask again later; nothing is wrong
|  |- AuthRefused          token missing, wrong or blocked; retrying is useless
|  |- Throttled            slow down; wait `retry_after_s`
|  |- Transient            network or server trouble; retry
|  |- BadRequest           the provider rejects the question itself
|  '- SchemaChanged        the answer is not in the format we know
|- ChannelFailed           an alert could not be delivered
|- AccountRefused          a user cannot be added or changed like that
|- ActRefused              an alert cannot be acknowledged, snoozed or silenced like that
|- BackupError
|  |- BackupDamaged        a backup is not what was written, or cannot be opened
|  '- RestoreRefused       restoring would overwrite what is there
|- DataRefused             a file to import cannot be understood
|- ModelError
|  |- NoChampion           nothing was promoted yet
|  |- ArtifactDamaged      the stored model is missing or not the registered bytes
|  |- NotEnoughData        too little history to fit or to score
|  |- FeedRefused          the target's own feed looks broken
|  |- UnknownForecast      a forecast to be made again was not issued, or not by this code's features
|  '- StalePremise         the registry changed while we were deciding
'- JobError
   |- JobRunning           the same job already runs elsewhere
   '- UnknownJob
"""


class SextantError(Exception):
    """Root of all errors raised on purpose; its text is fit for a user."""


class ConfigError(SextantError):
    """Settings or market configuration cannot be used."""


class WarehouseError(SextantError):
    """The warehouse could not be read or written."""


class Busy(WarehouseError):
    """The warehouse lock stayed taken until the deadline."""


class Held(WarehouseError):
    """A process that does not follow the lock protocol holds the file."""


class NoWarehouse(WarehouseError):
    """There is no warehouse file yet."""


class DiskFull(WarehouseError):
    """No space is left where the warehouse lives; nothing of the write was kept."""


class ContractBroken(WarehouseError):
    """Rows do not fit the contract of their table; nothing was written."""


class WrongFile(WarehouseError):
    """The file is no Sextant warehouse, or a newer Sextant made it."""


class SourceError(SextantError):
    """A provider did not give what was asked.

    `outcome` is the word stored in the `fetches` table.
    """

    outcome = "failed"


class NotYetPublished(SourceError):
    """The window lies beyond what the provider has published."""

    outcome = "not_yet_published"


class AuthRefused(SourceError):
    """The provider refuses our identity; retrying is useless."""

    outcome = "auth"


class Throttled(SourceError):
    """The provider asks us to slow down for `retry_after_s` seconds."""

    outcome = "throttled"

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Transient(SourceError):
    """Network or server trouble that a later try may not meet."""

    outcome = "transient"


class BadRequest(SourceError):
    """The provider rejects the question; asking again the same way is useless."""

    outcome = "bad_request"


class SchemaChanged(SourceError):
    """The answer is not in the format this connector knows."""

    outcome = "schema_changed"


class ChannelFailed(SextantError):
    """An alert could not be delivered; `again` says whether a try after `retry_after_s` may go through."""

    def __init__(self, message: str, *, again: bool = True, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.again = again
        self.retry_after_s = retry_after_s


class ActRefused(SextantError):
    """What a person wants to do about an alert cannot be done; nothing was written."""


class AccountRefused(SextantError):
    """An account cannot be added or changed like that; nothing was written."""


class SessionsUnusable(SextantError):
    """The file of sessions cannot be read or written; nobody is signed in meanwhile."""


class BackupError(SextantError):
    """A backup could not be made or used."""


class BackupDamaged(BackupError):
    """A backup is not what was written, or cannot be opened; nothing was restored from it."""


class RestoreRefused(BackupError):
    """Restoring would overwrite what is there, or something still uses it."""


class DataRefused(SextantError):
    """A file offered for import cannot be understood; nothing of it was stored."""


class ModelError(SextantError):
    """A model cannot be fitted, loaded or used."""


class NoChampion(ModelError):
    """No version of this target was ever promoted."""


class ArtifactDamaged(ModelError):
    """A model file is missing or its SHA-256 is not the registry's."""


class NotEnoughData(ModelError):
    """Too little history to fit or to score."""


class FeedRefused(ModelError):
    """The history of a target looks broken: nothing is to be learned from it before it is mended or declared."""


class UnknownForecast(ModelError):
    """A forecast that is to be made again was not issued, or its features are of another release."""


class StalePremise(ModelError):
    """The champion changed between reading the registry and writing to it."""


class JobError(SextantError):
    """A job could not be started."""


class JobRunning(JobError):
    """Another process runs the same job now."""


class UnknownJob(JobError):
    """No job has this name."""
