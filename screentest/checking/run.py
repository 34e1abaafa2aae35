"""The run: pictures in order, several at a time, a bounded number of them in memory."""

from __future__ import annotations

import logging
import sys
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from screentest import networks
from screentest.checking.exports import Exports
from screentest.checking.judge import Judge, Judgement
from screentest.checking.output import JsonOutput, Output, TextOutput
from screentest.checking.report import Report
from screentest.checking.settings import CheckError, CheckSettings
from screentest.checking.sources import expand
from screentest.detection.errors import DecoderUnavailable, WeightsMissing

MANY = 5
"""From this many pictures on there is a progress bar."""

AHEAD = 4
"""Pictures in work for each worker: enough that none waits, few enough that memory stays flat."""

PASSED, REJECTED, NOT_JUDGED = 0, 1, 2


def run(
    settings: CheckSettings,
    *,
    judge: Judge | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
) -> int:
    """Judge every picture and show the verdicts as they come, in the order of the command line.

    Raises:
        CheckError: the installation is incomplete, or this system has no limits to decode under.

    Returns:
        The exit status: 0 all pass, 1 some rejected, 2 something could not be judged.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")  # on damaged metadata; the verdict says what matters
    # The line of a picture says why it could not be fetched; without a handler Python prints that once more.
    logging.getLogger("screentest").addHandler(logging.NullHandler())
    out, err = stdout or sys.stdout, stderr or sys.stderr
    screen = Console(file=out, highlight=False)
    output: Output = (
        JsonOutput(settings, screen, err) if settings.json_lines else TextOutput(settings, screen, err)
    )
    counts: Counter[str] = Counter()
    with Exports(settings) as exports:
        with ExitStack() as stack:
            judging = stack.enter_context(judge or _judge(settings))
            report = stack.enter_context(Report(settings)) if settings.report else None
            step = stack.enter_context(_Bar(settings, screen, err))
            for judgement in _in_order(judging.judge, expand(settings.paths), settings.workers):
                counts[judgement.verdict] += 1
                output.judgement(judgement)
                exports.add(judgement)
                if report:
                    report.add(judgement)
                step()
        output.summary(counts)
        exports.write()
    if not counts or counts["error"]:
        return NOT_JUDGED
    return REJECTED if counts["reject"] else PASSED


def _judge(settings: CheckSettings) -> Judge:
    try:
        if settings.detector is None:
            networks.prepare()
        return Judge(settings)
    except (WeightsMissing, DecoderUnavailable) as error:
        raise CheckError(str(error)) from error


def _in_order(work: Callable[[str], Judgement], files: Iterable[str], workers: int) -> Iterator[Judgement]:
    pending: deque[Future[Judgement]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="check")
    try:
        for file in files:
            pending.append(pool.submit(work, file))
            if len(pending) > workers * AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class _Bar:
    """A progress bar on a terminal when there is much to do.

    Where results go to the same terminal, both go through one console, which keeps the lines above the bar.
    """

    def __init__(self, settings: CheckSettings, screen: Console, err: TextIO) -> None:
        self._settings, self._err = settings, err
        self._console = screen if screen.is_terminal else Console(file=err)
        self._progress: Progress | None = None

    def __enter__(self) -> Callable[[], None]:
        if not self._err.isatty():
            return lambda: None
        total = sum(1 for _ in expand(self._settings.paths))
        if total < MANY:
            return lambda: None
        progress = Progress(
            TextColumn("checking"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._progress = progress
        progress.start()
        task = progress.add_task("check", total=total)
        return lambda: progress.advance(task)

    def __exit__(self, *_: object) -> None:
        if self._progress:
            self._progress.stop()
