"""An expert on a worker, as an Expert here: a MODEL without weights, whose answers come from there.

It hangs into the host where any MODEL may: `sampler_calc_cond_batch_function` asks the worker, callbacks tell it when a
sampling begins and ends. So the guider, and even a stock KSampler, treats it as any other.
"""
from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import comfy.conds
import comfy.model_management
import comfy.model_patcher
import torch
from comfy.patcher_extension import CallbacksMP

from ..host.experts.hooks import POST_CFG
from ..host.experts.lanes import Lane
from ..mixture import Expert
from . import cluster
from .cluster import Seat
from .describe import rebuild, stand_in_class
from .graph import input_files, is_link, upstream
from .wire import pack, unpack

LOADING = 10.0      # so many times longer than a step may loading take

_served: weakref.WeakValueDictionary[Seat, RemoteExpert] = weakref.WeakValueDictionary()    # by each runtime, now


class StandIn(torch.nn.Module):
    """What stands in for the host's BaseModel: latents and noise levels are as there, the network is elsewhere."""
    remote: RemoteExpert
    weights: int

    def extra_conds(self, **told: Any) -> dict[str, Any]:
        """Called when a sampling has begun, with all that the conditions of the worker need."""
        self.remote.told = told
        shapes = told.get("latent_shapes")
        return {} if shapes is None else {"latent_shapes": comfy.conds.CONDConstant(shapes)}

    def memory_required(self, *_: Any, **__: Any) -> float:
        return 0.0

    def get_dtype(self) -> torch.dtype:
        return torch.float32

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        """As many as the network there has, without their memory."""
        yield torch.empty(self.weights, device="meta")


class RemoteExpert:
    """The expert that one node of a prompt makes, on a worker.

    prompt: in API format. link: the wire from the node that makes the expert. seconds: how long a step may take.
    """

    def __init__(self, prompt: Mapping[str, Any], link: Any, seat: Seat, seconds: float) -> None:
        if not is_link(link):
            raise ValueError("An expert for a worker has to come by a wire from a node of this workflow.")
        node, output = link
        self.target = node, output
        self.graph = upstream(prompt, node)
        self.seat, self.seconds = seat, seconds
        self.told: dict[str, Any] = {}
        self._begun = False

    def __deepcopy__(self, _: Any) -> RemoteExpert:
        return self         # the host copies what hangs in the options of a MODEL

    def expert(self) -> Expert:
        """Runs the graph on the worker, and returns the expert as the nodes here know it."""
        state = self._prepare()
        marker: list[Any] = [[None, {}]]
        return Expert(
            self._model(state), marker, list(marker) if state["null"] else None, mask=unpack(state["mask"]),
            place=self.seat.worker, **state["settings"])

    def _model(self, state: dict[str, Any]) -> comfy.model_patcher.ModelPatcher:
        kind: Any = stand_in_class(state, StandIn)
        model = kind.__new__(kind)
        torch.nn.Module.__init__(model)
        device = comfy.model_management.get_torch_device()
        lane = Lane(f"{self.seat.worker} {self.seat.node}", device)
        vars(model).update(
            remote=self, weights=state["weights"], lane=lane, device=device, fixed_size=state["fixed_size"],
            latent_format=rebuild(state["latent_format"]), current_patcher=None, manual_cast_dtype=None,
            model_config=None, memory_usage_factor=0.0, memory_usage_factor_conds=())
        model.diffusion_model = torch.nn.Identity()
        model.model_sampling = rebuild(state["sampling"])
        patcher = comfy.model_patcher.ModelPatcher(model, device, torch.device("cpu"))
        patcher.model_options["sampler_calc_cond_batch_function"] = self.ask
        patcher.model_options["disable_cfg1_optimization"] = state["wants_null"]
        if state["hooked"]:
            patcher.model_options[POST_CFG] = [self.guide]
        patcher.add_callback(CallbacksMP.ON_PRE_RUN, self._open)
        patcher.add_callback(CallbacksMP.ON_CLEANUP, self._close)
        return patcher

    # -- one sampling --------------------------------------------------------------------------------------------------

    def ask(self, args: dict[str, Any]) -> list[torch.Tensor | None]:
        """Instead of the host's calc_cond_batch: D of a condition and of a null, [B, ...], None where not asked."""
        options, x = args["model_options"]["transformer_options"], args["input"]
        if not self._begun:
            self._begin(options["sample_sigmas"])
        asked = [row is not None for row in args["conds"]]
        variances = options.get("mcdm_learned_variance")
        answer = self._call("asked for a step", "ask", *asked, pack(x), pack(args["sigma"]), variances is not None)
        if answer["variance"] is not None:
            variances.append(([0], unpack(answer["variance"]).to(x.device)))
        estimates = iter(answer["estimates"])
        return [unpack(next(estimates)).to(x.device) if wanted else None for wanted in asked]

    def guide(self, args: dict[str, Any]) -> torch.Tensor:
        """Instead of the CFG functions that hang in the MODEL there: what they make of an estimate, [B, ...]."""
        null = None if args["uncond"] is None else args["uncond_denoised"]
        tensors = args["cond_denoised"], null, args["input"], args["sigma"]
        guided = self._call("asked for its guidance", "guide", args["cond_scale"], *map(pack, tensors))
        return unpack(guided).to(args["input"].device)

    def _open(self, _: Any) -> None:
        self.told, self._begun = {}, False

    def _begin(self, sigmas: torch.Tensor) -> None:
        """Whatever has happened to the runtime since: it has the expert afterwards, and is ready for a step."""
        if _served.setdefault(self.seat, self) is not self:
            raise ValueError(f"Place Expert {self.seat.node} has brought two experts into one mixture, from two rounds "
                             f"of a loop, and its process on worker '{self.seat.worker}' serves one at a time; place "
                             "them by two nodes.")
        self._prepare()
        told = self.told
        self._call("loading its model", "begin", {
            "noise": pack(told["noise"]), "latent_image": pack(told.get("latent_image")),
            "denoise_mask": pack(told.get("denoise_mask")), "seed": told.get("seed"), "sigmas": pack(sigmas),
            "latent_shapes": _shapes(told.get("latent_shapes")),
            "one_thread": torch.get_num_threads() == 1,     # as small networks are run, whose bits depend on it
        }, patience=LOADING)
        self._begun = True

    def _close(self, _: Any) -> None:
        if self._begun:
            cluster.tell(self.seat, "end")
        if _served.get(self.seat) is self:
            del _served[self.seat]
        self.told, self._begun = {}, False

    # -- within --------------------------------------------------------------------------------------------------------

    def _prepare(self) -> dict[str, Any]:
        files = input_files(self.graph)
        contents = {digest: path for path, (_, digest) in files.items()}
        for digest in self._call("given its files", "missing", list(contents)):
            self._call("given its files", "keep", digest, Path(contents[digest]).read_bytes())
        places = dict(files.values())
        return self._call("running the nodes of its expert", "prepare", self.graph, self.target, places,
                          patience=LOADING)

    def _call(self, doing: str, question: str, *arguments: Any, patience: float = 1.0) -> Any:
        return cluster.ask(self.seat, self.seconds * patience, doing, question, *arguments)


def _shapes(shapes: Any) -> list[tuple[int, ...]] | None:
    return None if shapes is None else [tuple(shape) for shape in shapes]
