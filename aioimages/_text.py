"""What servers say, made fit for a log: it may be anything."""

__all__ = ["one_line"]


def one_line(text: str, longest: int) -> str:
    """Return a text as one line of printable characters, cut where it is longer."""
    if not text.isprintable():
        # What is cut off anyway need not be looked at.
        text = text[: 16 * longest]
        text = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
