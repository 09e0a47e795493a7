"""Recordings that workers leave when they end: where they are, and for how long.

A worker that is killed, or ends before the client has fetched all, leaves its recording in a
directory of its own below one of the user's. Any process of the machine reads it there for the
client (`read_left`). It goes when the client closes its log, or after some days.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection

from ..errors import CaptureError
from ..recording import crashes, spool
from ..recording.files import move_recording, recording_files
from ..recording.recording import Recording
from ..recording.tail_reader import Chunk, RecordingTail
from ..system import clock
from .host import is_running
from .protocol import CHUNK, Answer, Request

#: Nobody who wanted it has come for it by then.
_KEPT_DAYS = 7
#: Its helper has moved it by then; if not, it is where it was.
MOVED_WITHIN_S = 10.0
#: What is beside the directory of a worker that nobody waits for.
_UNWANTED = ".unwanted"


def directory(base: str, incarnation: str) -> str:
    """Return where the recording of one worker is kept once that has ended.

    Makes the directory above it, and removes what is too old there. Raises `CaptureError` if it
    is not this user's alone.
    """
    root = os.path.join(os.path.abspath(base or tempfile.gettempdir()), _root_name())
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(root, 0o700)
        if not spool.is_mine(root):
            raise CaptureError(f"{root} can be read by others: remove it")
        oldest = clock.time_ns() / 1e9 - _KEPT_DAYS * 86400
        for entry in os.scandir(root):
            with contextlib.suppress(OSError):  # another worker has just removed it
                if entry.stat(follow_symlinks=False).st_mtime < oldest:
                    _remove(entry.path)
    except OSError as error:
        raise CaptureError(f"cannot keep a worker's output in {root}: {error.strerror}") from error
    return os.path.join(root, incarnation)


def _root_name() -> str:
    return f"ipyfdcapture-workers-{os.geteuid()}"


def note_unwanted(left_dir: str) -> None:
    """Note that nobody comes for what a worker leaves, which cannot be told so any more."""
    with contextlib.suppress(OSError):
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(left_dir + _UNWANTED, flags, 0o600))


def keep(recording: Recording, left_dir: str) -> None:
    """Leave a complete recording in its directory, as a process does that ends in peace.

    Raises `OSError`, with the recording where it was, if that cannot be done.
    """
    if os.path.exists(left_dir + _UNWANTED):
        remove(left_dir)
        recording.close()
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(recording.path + ".json", flags, 0o600), "wb") as file:
        file.write(recording.metadata.to_line())
    recording.path = move_recording(recording.path, left_dir)
    recording.keep_files()


def remove(left_dir: str) -> None:
    """Remove what one worker has left. What is gone, or no such directory, is left alone."""
    root = os.path.dirname(left_dir)
    with contextlib.suppress(OSError):
        if os.path.basename(root) == _root_name() and spool.is_mine(root):
            for path in (left_dir, left_dir + _UNWANTED):
                with contextlib.suppress(FileNotFoundError):
                    _remove(path)
            os.rmdir(root)  # unless there are others


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def read_left(request: Request) -> Answer:
    """Read what a worker has recorded, from its files, without the worker.

    Parameters
    ----------
    request
        ``path``: where its recording is while it lives. ``left_dir``: where it is afterwards.
        ``pid``: its process, on this machine. ``start``: the position from which to read.
        ``limit``: how many bytes to read at most.

    Returns
    -------
    dict
        As for ``read``; ``over`` tells whether nothing more can come. Without ``chunks``, it
        cannot be read at present.
    """
    path, start, limit = request["path"], request["start"], request["limit"]
    moved = os.path.join(request["left_dir"], os.path.basename(path))
    is_alive = is_running(request["pid"])
    for place in (moved, path):
        if not os.path.exists(place + ".json") or not _is_ours(place):
            continue
        # Not there any more: it has been moved meanwhile. Cut: it is being moved.
        with contextlib.suppress(CaptureError, OSError), crashes.opened(place) as recording:
            tail = RecordingTail(recording, start)
            try:
                answer = read_chunks(tail, limit)
            finally:
                tail.close()
            is_over = place == moved and answer["start"] + len(answer["data"]) == answer["end"]
            return {**answer, "over": is_over, "dropped": recording.dropped, "alive": is_alive}
    return {"over": False, "alive": is_alive}


def _is_ours(path: str) -> bool:
    """Tell whether a path is in a directory, and names files, that this user alone can read."""
    folder, name = os.path.split(path)
    try:
        return bool(name) and spool.is_mine(folder) and len(recording_files(path)) > 1
    except OSError:
        return False


def read_chunks(tail: RecordingTail, limit: int, sources: Collection[int] | None = None) -> Answer:
    """Read on in a recording, as the answer to ``read``.

    ``start`` is where the data begins: later than asked for, if bytes are gone by now. ``stop`` is
    where it ends: with ``sources``, what others wrote in between is left out. Their names come with
    it: it may have some that are newer than the last mark.
    """
    end = tail.end()
    oldest = tail.oldest()
    if oldest > tail.position:
        tail.skip(oldest)
    start = tail.position
    chunks: list[Chunk] = []
    while (length := tail.position - start) < limit and tail.position < end:
        more = tail.read(min(limit - length, end - tail.position))
        if not more:
            break
        chunks += more
    if sources is not None:
        chunks = [chunk for chunk in chunks if chunk.source in sources]
    entries = b"".join([CHUNK.pack(time, len(data), source) for source, time, data in chunks])
    data = b"".join([chunk.data for chunk in chunks])
    return {
        "start": start,
        "stop": tail.position,
        "end": end,
        "sources": list(tail.recording.sources),
        "chunks": entries,
        "data": data,
    }
