"""What a folder that cannot be written to means for the user: a full disk, a read-only folder."""

from __future__ import annotations

import errno
import re

from safetensors import SafetensorError

from .shown import shown

CANNOT_WRITE = (OSError, SafetensorError)  # the safetensors library raises its own error for a full disk
_SPACE, _ALLOW = "free some space on the disk", "make the folder writable"
_CURES = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EROFS: _ALLOW,
    errno.EACCES: _ALLOW,
    errno.EPERM: _ALLOW,
}
_REASONS = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}


class CannotWrite(ValueError):
    """A new file cannot be written. reason, cure: the two parts of ``reason_and_cure``."""

    def __init__(self, name: str, error: Exception):
        self.reason, self.cure = reason_and_cure(error)
        super().__init__(f"{shown(name)} cannot be written ({self.reason}): {self.cure} and try again.")


def reason_and_cure(error: Exception) -> tuple[str, str]:
    """Two parts of a sentence for one of the errors CANNOT_WRITE: why it failed, and what to do."""
    number = getattr(error, "errno", None)
    if number is None and (told := re.search(r"os error (\d+)", str(error))):
        number = int(told[1])
    reason = _REASONS.get(number) or getattr(error, "strerror", None) or "it failed"
    return reason[0].lower() + reason[1:], _CURES.get(number, "check the folder")
