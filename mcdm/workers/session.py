"""On the worker: runs the graph of one expert, and answers for its network. What it takes and gives is plain data."""
from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from pathlib import Path
from typing import Any

import comfy.sampler_helpers
import comfy.samplers
import execution
import nodes
import torch

from ..host.experts.asking import batch
from ..host.experts.hooks import Variances, apply_cfg_hooks, keep_variances
from ..host.experts.loading import load_together
from ..host.experts.patchers import own_patchers
from ..host.experts.run import ExpertRun, Query
from ..host.models import noise_levels_of
from ..host.spaces.start import Start
from ..mixture import Expert
from .describe import describe
from .graph import Graph
from .paths import check_paths
from .wire import pack, unpack

logger = logging.getLogger("mcdm")

COLLECT = "MCDM_Collect"
_collected: list[Expert] = []


class Collect:
    """The end of the graph: keeps the expert that comes in."""
    CATEGORY, FUNCTION, OUTPUT_NODE = "unite and conquer", "keep", True
    RETURN_TYPES: tuple[str, ...] = ()

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"expert": ("MCDM_EXPERT",)}}

    @classmethod
    def IS_CHANGED(cls, **_: Any) -> float:
        return float("nan")     # so that it runs however much of the graph is known

    def keep(self, expert: Expert) -> dict[str, Any]:
        _collected[:] = [expert]
        return {}


class RemoteRun(ExpertRun):
    """An expert whose sampler is on another machine, which has brought the latent into the expert's space."""

    def encode(self, start: Start) -> None:
        device, (noise, latent_image, denoise_mask, seed, _, latent_shapes) = self.device, start
        latent_image, denoise_mask = (t if t is None else t.to(device) for t in (latent_image, denoise_mask))
        self.conds = comfy.samplers.process_conds(
            self.model, noise.to(device), self.conds, device, latent_image, denoise_mask, seed,
            latent_shapes=latent_shapes)


class Session:
    """page_server: the host's PromptServer, without a page. place: a folder for the files that come with graphs."""

    def __init__(self, page_server: Any, place: Path) -> None:
        self.place = place
        nodes.NODE_CLASS_MAPPINGS[COLLECT] = Collect
        limits = {"lru": 0, "ram": 0.0, "ram_inactive": 0.0}
        self._threads = torch.get_num_threads()
        self._executor = execution.PromptExecutor(page_server, execution.CacheType.CLASSIC, limits)
        self._expert: Expert | None = None
        self._run: RemoteRun | None = None
        self._answer: tuple[torch.Tensor | None, torch.Tensor | None] = None, None
        page_server.client_id = None

    # -- the graph -----------------------------------------------------------------------------------------------------

    def missing(self, digests: list[str]) -> list[str]:
        """Those of the SHA-256 of files that are not here yet; files that are not among them go."""
        kept = set(digests)
        for file in (self.place / "files").iterdir():
            if file.name not in kept:
                file.unlink()
        return [digest for digest in digests if not (self.place / "files" / digest).exists()]

    def keep(self, digest: str, content: bytes) -> None:
        """Takes a file."""
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError("a file arrived damaged; try again")
        (self.place / "files" / digest).write_bytes(content)

    def prepare(self, graph: Graph, target: tuple[str, int], files: dict[str, str]) -> dict[str, Any]:
        """Runs the graph and describes the expert at one of its outputs. files: {"input/face.png": SHA-256}."""
        self.end()
        self._lay_out(files)
        check_paths(graph, self.place)
        absent = [f"node {number} ({node['class_type']})" for number, node in graph.items()
                  if node["class_type"] not in nodes.NODE_CLASS_MAPPINGS]
        if absent:
            raise ValueError(f"it has no {' and no '.join(absent)}; install the missing packs there")
        whole = {**graph, COLLECT: {"class_type": COLLECT, "inputs": {"expert": list(target)}}}
        valid, error, outputs, node_errors = asyncio.run(execution.validate_prompt(COLLECT, whole, None))
        if not valid:
            raise ValueError(_sentence(error, node_errors))
        _collected.clear()
        self._executor.execute(whole, COLLECT, {}, outputs)
        if not _collected:
            raise _failure(self._executor.status_messages)
        expert, = _collected
        if expert is not self._expert:
            self._expert = expert
            logger.info(f"MCDM: this worker runs expert '{expert.name}'.")
        return describe(expert)

    def _lay_out(self, files: dict[str, str]) -> None:
        """Puts the files of a graph where it looks for them, and takes others away."""
        for kind in ("input", "output", "temp"):
            for old in list((self.place / kind).rglob("*")):
                if old.is_file() and old.relative_to(self.place).as_posix() not in files:
                    old.unlink()
        for name, digest in files.items():
            path = Path(os.path.normpath(self.place / name))
            if self.place not in path.parents:
                raise ValueError(f"'{name}' is not the name of a file for a worker")
            content = (self.place / "files" / digest).read_bytes()
            if not path.is_file() or path.read_bytes() != content:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)

    # -- one sampling --------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def begin(self, start: dict[str, Any]) -> None:
        """Loads the network and prepares its conditions, for a sampling that begins."""
        self.end()
        assert self._expert is not None
        torch.set_num_threads(1 if start["one_thread"] else self._threads)
        patcher, = own_patchers([self._expert])
        run = self._run = RemoteRun(self._expert, patcher, noise_levels_of(patcher))
        run.open()
        noise = unpack(start["noise"])
        options = {"model_options": run.options}
        load_together(comfy.sampler_helpers.prepare_sampling, lambda _: noise.shape, (), options, (), [run])
        run.begin(Start(noise, unpack(start["latent_image"]), unpack(start["denoise_mask"]), start["seed"],
                        unpack(start["sigmas"]), start["latent_shapes"]))

    @torch.inference_mode()
    def ask(self, condition: bool, null: bool, x: Any, sigma: Any, variance: bool) -> dict[str, Any]:
        """{"estimates": D of the condition, of the null, as far as they are asked; "variance": as the guider's}."""
        run = self._sampling()
        positive = [run.conds["positive"]] if condition else []
        negative = [run.conds["negative"]] if null else []
        variances = Variances()
        options = keep_variances(run.options, variances) if variance else run.options
        run.take_over()
        query = Query(unpack(x).to(run.device), unpack(sigma).to(run.device))
        out = batch(run.model, positive, negative, *query, options)
        return {"estimates": [pack(d) for d in out], "variance": pack(variances.row(0)) if condition else None}

    @torch.inference_mode()
    def guide(self, weight: float, denoised: Any, null: Any, x: Any, sigma: Any) -> dict[str, Any] | None:
        """What the CFG functions of the expert make of its estimate and the mixture's null, [B, ...] each."""
        run = self._sampling()
        query = Query(unpack(x).to(run.device), unpack(sigma).to(run.device))
        return pack(apply_cfg_hooks(run, weight, unpack(denoised), unpack(null), query))

    def end(self) -> None:
        """Gives back what a sampling has taken, however far it came."""
        run, self._run = self._run, None
        if run is not None:
            with torch.inference_mode():
                run.close()

    def _sampling(self) -> RemoteRun:
        if self._run is None:
            raise ValueError("it has lost the sampling; queue again")
        return self._run


def _sentence(error: dict[str, Any], node_errors: dict[str, Any]) -> str:
    """What the host has against a graph."""
    sentences = [f"node {number} ({found['class_type']}): {each['message']}: {each['details']}"
                 for number, found in node_errors.items() for each in found["errors"]]
    return "; ".join(sentences) or f"{error['message']} {error['details']}"


def _failure(messages: list[tuple[str, dict[str, Any]]]) -> BaseException:
    """What has kept a graph from its end."""
    import comfy.model_management
    for event, data in messages:
        if event == "execution_error":
            return ValueError(f"node {data['node_id']} ({data['node_type']}): {data['exception_message'].strip()}")
    return comfy.model_management.InterruptProcessingException()
