"""A log shown and taken elsewhere: its views, and the files, frames and streams made of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..system.interrupts import loading
from .analysis import AnalysedLines
from .viewing import installed

if TYPE_CHECKING:  # see `.captured`
    import pandas
    from IPython.utils.capture import RichOutput

    from ..recording.recording import Recording
    from .reading import Reading
    from .search import Pattern
    from .view.summary import Summary


class ShownLines(AnalysedLines):
    """Lines of a recording, with the rich displays that were captured beside them.

    Parameters
    ----------
    recording
        Where the bytes are.
    outputs
        The rich displays: keyword arguments of IPython's `RichOutput`.
    """

    def __init__(self, recording: Recording, outputs: list[dict[str, Any]] | None = None) -> None:
        super().__init__(recording)
        self._outputs = outputs if outputs is not None else []
        #: By which calls it was narrowed, and what to mark in it.
        self._narrowed_by: tuple[str, ...] = ()
        self._marks: tuple[Pattern, ...] = ()

    @property
    def outputs(self) -> list[RichOutput]:
        """The rich displays that were captured, as IPython's `RichOutput`.

        Examples
        --------
        >>> logs.outputs
        []
        """
        if not self._outputs:
            return []
        from IPython.utils.capture import RichOutput

        return [RichOutput(**output) for output in self._outputs]

    # -- shown ----------------------------------------------------------------------------------

    def show(self, raw: bool = False) -> None:
        """Write the log to `sys.stdout` and `sys.stderr` again, in order, and display the outputs.

        ``logs()`` does the same.

        Parameters
        ----------
        raw
            Write every control sequence as it was captured. The default keeps colours and
            makes everything else harmless: it cannot move the cursor, set a title or type.

        Examples
        --------
        >>> logs.grep("iteration").show()
        iteration 1: loss 0.5
        iteration 2: loss 0.25
        """
        from .view.replay import replay

        replay(self._read(), raw)
        for output in self.outputs:
            output.display()

    __call__ = show

    def __str__(self) -> str:
        """Everything that was written, in order, as `text`."""
        return self.text

    def __bool__(self) -> bool:
        """Whether anything was captured."""
        if self._selection is not None:
            return len(self._selection) > 0
        return self.nbytes > 0 or bool(self._outputs)

    def __repr__(self) -> str:
        if why := self.recording.why_gone:
            return f"<Captured: {why}>"
        summary = self._summary(self._read())
        return f"<Captured: {', '.join([*summary.phrases(), summary.state])}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        if self.recording.why_gone:
            return {"text/plain": repr(self)}
        with loading(__package__, "view.html"):
            from .view import html, text
            from .view.timeline import timeline

        reading = self._read()
        shown = self._summary(reading), reading, timeline(reading)
        return {"text/plain": text.view(*shown), "text/html": html.view(*shown)}

    # -- elsewhere ------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], *, viewer: bool = True) -> None:
        """Write the log to a file, whole or not at all.

        Parameters
        ----------
        path
            The file; ``~`` is the home directory. Its suffix says how: ``.txt`` (the text as it
            is seen, in UTF-8), ``.log`` (the text as it was written), ``.jsonl`` (an object a
            line), ``.csv``, ``.html`` (a page that searches and filters by itself, offline),
            ``.svg`` (a picture of the first and last lines, for a paper), ``.parquet`` (needs
            pyarrow). ``.gz`` behind one of these, or alone, compresses.
        viewer
            False: a page without script, which shows all lines one below the other.

        Raises
        ------
        ValueError
            If the suffix is none of these.
        OSError
            If the file cannot be written. What was there before is still there then.
        ImportError
            If pyarrow is needed and missing.

        Examples
        --------
        >>> import pathlib
        >>> logs.save("run.txt")
        >>> pathlib.Path("run.txt").read_text().splitlines()[-1]
        'done'
        """
        from . import export

        reading = self._read()
        page = installed().page if viewer else None
        export.save(reading, self._summary(reading), path, page)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a frame with a row a line: ``time``, ``source``, ``number``, ``text``, and
        ``plain``, the text as it is seen.

        Raises
        ------
        ImportError
            If pandas is missing.

        Examples
        --------
        >>> frame = logs.to_pandas()
        >>> frame.loc[frame.source == "stderr", ["number", "text"]].values.tolist()
        [[3, 'warning: small step']]
        """
        from . import export

        return export.to_pandas(self._read())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the lines to pyarrow, duckdb or pandas, a batch at a time."""
        from . import export

        return export.arrow_reader(self._read()).__arrow_c_stream__(requested_schema)

    def copy_to(self, path: str | os.PathLike[str]) -> None:
        """Write the bytes, as they were captured, to a file, whole or not at all.

        Parameters
        ----------
        path
            The file, whatever its suffix; ``~`` is the home directory. In a directory, it is
            named after the log.

        Raises
        ------
        OSError
            If it cannot be written. What was there before is still there then.

        Examples
        --------
        >>> import pathlib
        >>> logs.copy_to("raw.out")
        >>> pathlib.Path("raw.out").read_bytes() == logs.raw
        True
        """
        from .handing import copy_to

        copy_to(self._read(), self._file_name(), path)

    def edit(self) -> None:
        """Open a copy of the text in your editor: ``$VISUAL``, else ``$EDITOR``.

        The editor runs on its own, and the log stays as it is whatever you change. One that needs
        a terminal (vim, nano) is run in the terminal, and waited for; in a notebook, which has
        none, it is refused.

        Raises
        ------
        RuntimeError
            If no editor is set, or it needs a terminal and there is none.
        OSError
            If it cannot be started.

        Examples
        --------
        >>> logs.edit()  # doctest: +SKIP
        """
        from .handing import edit

        edit(self._read(), self._file_name())

    def _file_name(self) -> str:
        return self.recording.metadata.name or "captured"

    def _summary(self, reading: Reading) -> Summary:
        with loading(__package__, "view.summary"):
            from .view.summary import summarize

        return summarize(
            self.recording, reading, len(self._outputs), self._narrowed_by, self._marks
        )
