"""Each encoding that Python has either reads right line by line, or is refused at the start."""

from __future__ import annotations

import encodings
import pkgutil
from collections.abc import Callable
from typing import Any

import pytest
from helpers.kernel import Kernel
from helpers.logs import make_log
from traitlets import TraitError

from ipyfdcapture import FdCapture, capture_fd
from ipyfdcapture.checks import check_encoding
from ipyfdcapture.ipython.config import CaptureFd

#: Modules of `encodings` that are no codec, or codecs of Windows alone.
NO_CODECS = {"aliases", "mbcs", "oem", "cp65001"}
ALL = sorted({module.name for module in pkgutil.iter_modules(encodings.__path__)} - NO_CODECS)
TEXT = "one\n\ntwo +-~\\\r\nthree\nlast"
REFUSED_LINE = r"\Aencoding '[-\w]+' does not end a line with byte 10 alone, [^\n]*\Z"


def reads_line_by_line(encoding: str) -> bool:
    """Tell whether bytes cut at each byte 10 decode to the lines of the text."""
    try:
        lines = TEXT.encode(encoding).split(b"\n")
        return [line.decode(encoding, "replace") for line in lines] == TEXT.split("\n")
    except (LookupError, ValueError):
        return False


ACCEPTED = [encoding for encoding in ALL if reads_line_by_line(encoding)]
REFUSED = [encoding for encoding in ALL if encoding not in ACCEPTED]
#: Encodings of text in which a line ends otherwise.
WIDE = [
    *("utf-16", "UTF_16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"),
    *("cp037", "cp1140", "cp500", "cp1026", "IBM273", "EBCDIC-CP-HE", "cp875"),
    *("unicode_escape", "punycode"),
]


def test_python_has_encodings_of_both_kinds() -> None:
    assert len(ACCEPTED) > 80
    assert {"utf_16", "utf_32_be", "cp500", "cp037", "punycode", "hex_codec"} < set(REFUSED)


@pytest.mark.parametrize("encoding", ACCEPTED)
def test_an_encoding_that_ends_lines_with_byte_10_is_accepted_and_reads_right(
    encoding: str,
) -> None:
    check_encoding(encoding, "replace")
    log = make_log([(0, TEXT.encode(encoding))], encoding=encoding)
    assert log.text == TEXT
    assert list(log) == [line.removesuffix("\r") for line in TEXT.split("\n")]
    assert list(log.grep("three")) == ["three"]


@pytest.mark.parametrize("encoding", REFUSED)
def test_any_other_is_refused_in_one_line(encoding: str) -> None:
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        check_encoding(encoding, "replace")


@pytest.mark.parametrize("encoding", WIDE)
@pytest.mark.parametrize(
    "start",
    [
        lambda encoding: capture_fd(encoding=encoding),
        lambda encoding: FdCapture(1, encoding=encoding),
    ],
    ids=["capture_fd", "FdCapture"],
)
def test_a_wide_encoding_is_refused_before_anything_changes(
    start: Callable[[str], Any], encoding: str, no_leaks: None
) -> None:
    with pytest.raises(ValueError, match=REFUSED_LINE):
        start(encoding)


@pytest.mark.parametrize("encoding", WIDE)
def test_the_trait_refuses_a_wide_encoding_and_keeps_its_value(encoding: str) -> None:
    config = CaptureFd()
    with pytest.raises(TraitError, match=r"CaptureFd\.encoding: encoding .* byte 10"):
        config.encoding = encoding
    assert config.encoding == "utf-8"


def test_a_notebook_that_asks_for_a_wide_encoding_is_told_and_goes_on(kernel: Kernel) -> None:
    reply = kernel.run("%config CaptureFd.encoding = 'utf-16'")
    assert "'utf-16' does not end a line with byte 10" in reply.stream("stdout") + reply.stream(
        "stderr"
    )
    kernel.ok("%%capture_fd -v logs\nprint('as before')")
    assert kernel.value("logs.text") == "as before\n"
