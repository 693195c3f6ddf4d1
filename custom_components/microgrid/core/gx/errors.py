"""What can go wrong with a GX, as far as a person or a caller must know."""

from __future__ import annotations


class GxError(Exception):
    """Base of all errors of this package."""


class Unreachable(GxError):
    """Nobody answered, or not in time: try again later."""


class AccessRefused(GxError):
    """The GX does not accept the login. After some wrong ones it locks us out: ask a person."""


class WrongCertificate(GxError):
    """Who answered shows another certificate than the one that was pinned; no login was sent."""

    def __init__(self, shown: str, pinned: str) -> None:
        """Know the fingerprints of both."""
        super().__init__(
            f"the certificate is {shown}, not {pinned}: if the GX was replaced or reset, confirm the new one"
        )
        self.shown = shown


class NotSupported(GxError):
    """This way to the GX cannot do what was asked, e.g. write to a recording."""


class BadAnswer(GxError):
    """The answer is none that this interface gives."""


class WriteRefused(GxError):
    """Nothing was written; the text says why and what to do."""


class NotAllowed(WriteRefused):
    """The path is not one that we ever write."""


class OutOfRange(WriteRefused):
    """The value is outside what the device allows."""


class NotThere(WriteRefused):
    """The device does not have this path now."""


class NotConfirmed(GxError):
    """It was written, and the device still says something else."""
