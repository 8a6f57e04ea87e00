"""Why a foreign file of weights is not read, and how much of one is read at most."""

from dataclasses import dataclass

DAMAGED = "is damaged; get the file again"
# A snapshot with networks for 1024 px has some 50 thousand instructions, and each makes less than 100 bytes.
_MOST_INSTRUCTIONS = 500_000
_MOST_INLINE_BYTES = 32 << 20


class UnreadableError(ValueError):
    """Why a file is not read: the end of a sentence that begins with the name of the file.

    Attributes
    ----------
    words : frozenset of str
        Short texts that were read until then, by which a file can be told.
    """

    words: frozenset[str] = frozenset()


@dataclass
class Budget:
    """How much more of one file may be read, nested pickles included."""

    instructions: int = _MOST_INSTRUCTIONS
    inline_bytes: int = _MOST_INLINE_BYTES

    def spend(self, *, instructions: int = 0, inline_bytes: int = 0) -> None:
        """Count what is read; UnreadableError where it is too much."""
        self.instructions -= instructions
        self.inline_bytes -= inline_bytes
        if self.instructions < 0 or self.inline_bytes < 0:
            raise UnreadableError("is more involved than any generator; it is not read on")
