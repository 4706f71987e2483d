"""Formats values for people."""

import re

from cliff.columns import FormattableColumn

# The same as in the service's own command line: controls, line ends, and bidirectional marks.
_ACTED_UPON = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u206f]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text):
    """Returns the text on one line, with control and bidi characters as JSON escapes.

    Names, tags and keys are written by project members. A control character would clear the screen or
    set the title, a line break forge a row, a bidirectional control turn a name around.
    """
    return _ACTED_UPON.sub(lambda found: _escape(found[0]), text)


def _escape(c):
    return _SHORT.get(c) or f"\\u{ord(c):04x}"


class Left(FormattableColumn):
    """The seconds left; None if nothing is scrubbed."""

    def human_readable(self):
        seconds = self._value
        if seconds is None:
            return "never"
        if seconds <= 0:
            return "due"
        days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
        if days:
            return f"{days}d {hours}h"
        if hours:
            return f"{hours}h {minutes}m"
        return f"{minutes}m" if minutes else f"{seconds}s"


def shown(value):
    """Formats a value of the API for a table cell."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        separator = "\n" if any(isinstance(one, dict) for one in value) else ", "
        return separator.join(str(shown(one)) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{printable(str(name))}={shown(one)}" for name, one in value.items())
    return value


def size(count):
    """Formats a number of bytes, such as `1.5 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if count < 1024 or unit == "PiB":
            return f"{count:.2f} {unit}" if unit != "B" else f"{count} B"
        count /= 1024


def images(count):
    return f"{count} image" if count == 1 else f"{count} images"

