"""Cells that show something while they run: for tests in a browser, and for pictures.

They need a module `demo` with `train`, and programs ``build`` and ``server``, beside the notebook.
"""

from __future__ import annotations

LIVE = """\
%%capture_fd --live -v logs
for step in range(3):
    print("Python: step", step)
    libc.printf(b"C:      residual %.3f\\n", c_double(1 / (step + 1)))
print("Python: a warning", file=sys.stderr)
server = subprocess.Popen("./server")  # goes on after the cell"""
OTHER = """\
%%capture_fd --live -v other
print("another cell, \\x1b[32mrun later\\x1b[0m <b>plain text</b>")
for percent in range(0, 101, 5):
    print(f"\\r{'█' * (percent // 5):<20} {percent}%", end="")"""
FLOOD = """\
%%capture_fd --live -v flood
_ = subprocess.run("seq 5000000", shell=True)"""
TAIL = """\
%%capture_fd --tail 4 -v build
_ = subprocess.run("./build")"""
PROGRESS = """\
%%capture_fd --progress -v training
train(epochs=40)"""
