"""The paper's experiments, in small: `python3 dev.py reproduce [--quick]`.

Tables 1 to 4 and figures 6 to 12, 25 and 26 of Unite and Conquer with the embedded experts, through the pack's nodes.
Writes tables.md, figures as JPEG and results.json into bench/paper/ (--quick: bench/paper/quick/). Drawn pictures are
kept in output/reproduce/: an interrupted run goes on where it stopped, and --fresh begins anew.
"""
from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple

import torch
from comfy.utils import set_progress_bar_enabled

from ...devtools import portraits
from ...devtools.inprocess import InProcess
from ...devtools.options import options
from ...devtools.paths import ROOT
from . import writing
from .crossfade import crossfade, table_3_in_shares
from .cured import table_3_cured
from .experiments import table_3, table_4, tables_1_and_2
from .lab import KEPT, PAPER, Lab
from .reliabilities import contradictions, reliability_of_faces, reliability_of_scenes


class Size(NamedTuple):
    """How much is drawn."""
    faces: int              # conditions of tables 1 and 2
    unpaired: int           # conditions of table 4
    pairs: int              # of an object and a scene, table 3
    faded: int              # pairs of the crossfade


OF = {"faces": ("hair", "skin", "text", "combined"), "scenes": ("class", "scene")}     # which experts draw what
FULL, QUICK = Size(128, 64, 150, 60), Size(12, 12, 12, 6)


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    args = parse(arguments)
    if args.fresh:
        shutil.rmtree(KEPT, ignore_errors=True)
    torch.set_num_threads(1)
    set_progress_bar_enabled(False)             # one bar for all is enough
    size = QUICK if args.quick else FULL
    others = [] if args.worker else start_workers(args.workers, [word for word in arguments if word != "--fresh"])
    try:
        lab = Lab(comfy, PAPER / "quick" if args.quick else PAPER)
        kept = writing.unchanged(lab.out, lab.weights, OF[args.only]) if args.only else {}
        reports = []
        if args.only != "scenes":
            reports += [tables_1_and_2(lab, size.faces), table_4(lab, size.unpaired), reliability_of_faces(lab)]
        if args.only != "faces":
            pairs = args.pairs or size.pairs
            reports += [table_3(lab, pairs, portraits.STEPS), table_3_in_shares(lab, pairs, portraits.STEPS)]
            reports += [table_3_cured(lab, pairs, portraits.STEPS)]
            reports += [crossfade(lab, size.faded, 2 * portraits.STEPS), reliability_of_scenes(lab)]
        reports.append(contradictions(lab))
        lab.run(args.worker, args.workers, others)
    finally:
        for other in others:
            other.terminate()
    if args.worker:
        return
    results = dict(found for results_of in reports for found in results_of())
    print(writing.write(lab.weights, kept | results, lab.out))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = options("reproduce", __doc__)
    parser.add_argument("--quick", action="store_true", help="few pictures: under 10 minutes instead of under 2 hours")
    parser.add_argument("--pairs", type=int, help="class and text pairs of table 3 (default 150, quick 12)")
    parser.add_argument("--only", choices=list(OF), help="of one dataset; the other's results stay as they are")
    parser.add_argument("--fresh", action="store_true", help="draw everything anew")
    cores = min(8, os.cpu_count() or 1)
    parser.add_argument("--workers", type=int, default=cores, help="processes (default: one per core)")
    parser.add_argument("--worker", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def start_workers(count: int, arguments: Sequence[str]) -> list[subprocess.Popen]:
    """Starts the processes 1 to count - 1, which plan the same and draw their part of it."""
    command = [sys.executable, str(ROOT / "devtools" / "inside.py"), "bench.paper.reproduce", *arguments]
    started = []
    for worker in range(1, count):
        own = [*command, "--workers", str(count), "--worker", str(worker)]
        started.append(subprocess.Popen(own, stdout=subprocess.DEVNULL))
    return started
