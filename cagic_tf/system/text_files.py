"""Text that people's programs have written, in whatever encoding these use."""

import codecs

# UTF-32 first: its mark in little-endian order begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ENCODINGS = "UTF-8, UTF-16 and Windows-1252"


def decoded(data: bytes) -> str:
    """The text of a file: UTF-8, UTF-16 as Notepad and spreadsheets write it, or Windows-1252.

        >>> decoded("a café".encode("cp1252"))
        'a café'

    Args:
      data: The file's content.

    Raises:
      ValueError: It is in none of these; the message is one line and says what it looks like. Text
        of which Windows-1252 makes mostly accented letters is of another script's encoding.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    if not encoding and 4 * data.count(0) > len(data):  # Of English in UTF-16 it is half.
        encoding = "utf-16-be" if data.find(b"\0") % 2 == 0 else "utf-16-le"
    try:
        text = data.decode(encoding) if encoding else _without_mark(data)
    except UnicodeDecodeError as error:
        raise ValueError(f"it looks like {encoding}, but is not: {error.reason}") from error
    if "\0" in text:
        raise ValueError("it is no text: it holds zero bytes")
    return text


def _without_mark(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        text = data.decode("cp1252", "replace")
        strange = sum(not letter.isascii() for letter in text)
        if "\ufffd" in text or 2 * strange > len("".join(text.split())):
            raise ValueError(
                f"its encoding is not known ({ENCODINGS} are read); save it as UTF-8"
            ) from error
        return text
