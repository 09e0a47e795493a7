"""What the helper process loads."""

from __future__ import annotations

import subprocess
import sys
import zlib
from pathlib import Path

from helpers.process import TESTS_DIR, check_python
from helpers.wait import eventually

from ipyfdcapture.drain import protocol

#: Of this package.
OURS = {
    "ipyfdcapture",  # an empty module
    "ipyfdcapture.drain",
    "ipyfdcapture.drain.emptying",
    "ipyfdcapture.drain.owner",
    "ipyfdcapture.drain.pace",
    "ipyfdcapture.drain.protocol",
    "ipyfdcapture.drain.pump",
    "ipyfdcapture.drain.relay",
    "ipyfdcapture.drain.requests",
    "ipyfdcapture.recording",
    "ipyfdcapture.recording.files",
    "ipyfdcapture.recording.format",
    "ipyfdcapture.recording.shown",
    "ipyfdcapture.recording.writer",
    "ipyfdcapture.system",
    "ipyfdcapture.system.clock",
    "ipyfdcapture.system.descriptors",
    "ipyfdcapture.system.pipes",
    "ipyfdcapture.system.polling",
}
#: Of the standard library, beside what these import themselves.
STANDARD = [
    "__future__",
    "contextlib",
    "errno",
    "fcntl",
    "json",
    "os",
    "resource",
    "select",
    "signal",
    "socket",
    "struct",
    "termios",
    "time",
    "typing",
]


def test_a_helper_that_serves_has_loaded_no_more_than_it_needs(tmp_path: Path) -> None:
    found, program = tmp_path / "found", tmp_path / "drain" / "__main__.py"
    check_python(
        """
        import os, subprocess, sys
        from pathlib import Path
        from ipyfdcapture import capture_fd
        from ipyfdcapture.drain import host
        template, program, found = sys.argv[1:]
        text = Path(template).read_text()
        text = text.replace("@PROGRAM@", host._HELPER).replace("@FOUND@", found)
        Path(program).parent.mkdir()
        Path(program).write_text(text)
        host._HELPER = program
        with capture_fd(drain="process", max_bytes=10_000) as logs:
            print("x" * 100_000)
            subprocess.run(["echo", "child"])
        assert logs.dropped
        assert logs.text.endswith("child\\n")
        """,
        str(TESTS_DIR / "scripts" / "helper_modules.py"),
        str(program),
        str(found),
        directory=tmp_path / "python",
    )
    eventually(found.exists, "the end of the helper")
    loaded = set(found.read_text().split())
    assert {name for name in loaded if name.startswith("ipyfdcapture")} == OURS
    bare = subprocess.run(
        [sys.executable, "-I", "-S", "-E", "-c", _IMPORT, *STANDARD],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    # From Python 3.13 on, ``-c`` loads `linecache`.
    assert loaded - OURS == set(bare.stdout.split()) - {"linecache"}


_IMPORT = "import sys; [__import__(name) for name in sys.argv[1:]]; print(*sys.modules)"


def test_a_change_of_the_protocol_has_a_new_version() -> None:
    """What the messages hold, as one number: write it down with the new `VERSION`."""
    messages = [each for each in vars(protocol).values() if isinstance(each, type(protocol.Hello))]
    shape = sorted(
        f"{each.__name__}: {sorted(each.__annotations__.items(), key=str)}" for each in messages
    )
    assert (protocol.VERSION, zlib.crc32("\n".join(shape).encode())) == (2, 0x97DDFDE5)
