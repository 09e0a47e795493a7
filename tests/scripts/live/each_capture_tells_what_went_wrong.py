"""Where the user has set nothing about warnings, each capture shows its own."""

import warnings

from helpers.scripts import kill_helper

from ipyfdcapture import capture_fd

told: list[str] = []
warnings.showwarning = lambda message, *_: told.append(str(message))


def fail(line: str) -> None:
    raise ValueError("no line is good enough")


for _ in range(3):
    told.clear()
    with capture_fd(on_line=fail, drain="process") as logs:
        print("one line")
        kill_helper()
    assert len(told) == 2, told
    assert any("failed: ValueError: no line is good enough" in each for each in told), told
    assert any("helper process was killed" in each for each in told), told
print("end")
