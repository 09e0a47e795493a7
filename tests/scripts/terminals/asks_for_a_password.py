"""A program that asks for a password as sudo and ssh do: on ``/dev/tty``, without an echo."""

import os
import sys
import termios

try:
    terminal = os.open("/dev/tty", os.O_RDWR)
except OSError:
    sys.exit("asks: a terminal is required to read the password")
before = termios.tcgetattr(terminal)
silent = termios.tcgetattr(terminal)
silent[3] &= ~termios.ECHO
termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)
os.write(terminal, b"[asks] password: ")
answer = os.read(terminal, 100).decode().strip()
termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
os.write(terminal, b"\n")
print(f"{len(answer)} characters, {os.isatty(1)}")
