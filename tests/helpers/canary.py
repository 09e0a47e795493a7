"""Hostile logs that name a server of the test's own: nobody may ask it for anything."""

from __future__ import annotations

import http.server
import threading

from helpers.logs import make_log
from ipyfdcapture.log.captured import Captured


class Canary:
    """A server that counts what it is asked for."""

    def __init__(self) -> None:
        asked: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.asked = asked
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def hostile_lines(canary: Canary) -> list[str]:
    at = canary.address
    return [
        f"<script>window.pwned=1;fetch('{at}/fetch')</script>",
        f"<img src={at}/img onerror='window.pwned=1'>",
        f"'\"><svg/onload=window.pwned=1><image href='{at}/svg'/></svg>",
        f"</pre></div></style><style>@import url({at}/import);*{{display:none}}</style>",
        f"<link rel=stylesheet href={at}/css><iframe src={at}/frame></iframe>",
        f"<a href=javascript:window.pwned=1 autofocus onfocus=window.pwned=1 ping={at}/ping>x</a>",
        f"\x1b]8;;{at}/osc\x1b\\link\x1b]8;;\x1b\\",
        f'\x1b[38;2;1;2;3;"style="background:url({at}/sgr)"m',
        "\u202eevil\u202c \x00 \x07",
    ]


def hostile_log(canary: Canary) -> Captured:
    lines = hostile_lines(canary)
    text = "".join(line + "\n" for line in lines).encode()
    return make_log([(0, text), (1, text), (2, text)], cell=3, first_line=lines[0])
