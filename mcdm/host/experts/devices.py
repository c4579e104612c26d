"""Where an expert runs: the devices of this machine, a MODEL on one of them, and its ControlNets beside it."""
from __future__ import annotations

import copy
import weakref
from collections.abc import Sequence
from typing import Any

import comfy.controlnet
import comfy.model_management
import comfy.model_patcher
import nodes
import torch

from ...mixture import HERE, Expert
from .lanes import Lane

# {MODEL: {device: the same MODEL there}}, {network of a ControlNet: {device: the patcher of its copy there}}
_models: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_networks: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def devices() -> list[str]:
    """The devices of this machine by name: cpu, and those that the host may use, such as cuda:0."""
    found = _host_devices()
    if not found and (comfy.model_management.is_nvidia() or comfy.model_management.is_amd()):
        found = [torch.device("cuda", i) for i in range(torch.cuda.device_count())]
    return list(dict.fromkeys(["cpu", *map(str, found or [comfy.model_management.get_torch_device()])]))


def _host_devices() -> list[torch.device]:
    """Those that newer hosts count; none of older ones."""
    ask = getattr(comfy.model_management, "get_all_torch_devices", list)
    return ask()


def lane_of(expert: Expert) -> Lane:
    """The lane of an expert: a device. The CPU is one lane for experts that were placed there, another for the rest.

    A MODEL that is asked in another way says its own.
    """
    device, own = expert.model.load_device, getattr(expert.model.model, "lane", None)
    return own or Lane(expert.place if device.type == "cpu" else str(device), device)


def where(expert: Expert) -> str:
    """The place of an expert in words: HERE, or where it or its MODEL was placed."""
    device = expert.model.load_device
    moved = device != comfy.model_management.get_torch_device()
    return str(device) if moved and expert.place == HERE else expert.place


def placed(model: Any, place: str) -> Any:
    """A clone of a MODEL that runs on a device of this machine; always the same clone for the same MODEL."""
    there = _models.setdefault(model, {})
    if place not in there:
        there[place] = _move(model, torch.device(place))
        there[place].parent = None      # else the clone would keep the MODEL, and the MODEL the clone
    return there[place]


def _move(model: Any, device: torch.device) -> Any:
    """The host's own node does it where there is one and it knows how to load the weights again; else a clone."""
    if device == model.load_device:
        return model.clone()
    select = nodes.NODE_CLASS_MAPPINGS.get("SelectModelDevice")
    if select is not None and getattr(model, "cached_patcher_init", None) is not None:
        moved, = select.execute(model, _host_name(device)).args
        if moved.load_device == device:
            return moved
    dynamic = getattr(model, "is_dynamic", bool)()
    moved = model.clone(disable_dynamic=True) if dynamic and device.type == "cpu" else model.clone()
    moved.load_device = device
    if hasattr(moved, "register_load_device"):      # of the host's dynamic patchers
        moved.register_load_device(device)
    cast = comfy.model_management.unet_manual_cast(moved.model_dtype(), device)
    if cast is not None:
        moved.set_model_compute_dtype(cast)
    return moved


def _host_name(device: torch.device) -> str:
    """How the host's SelectModelDevice calls a device."""
    if device.type == "cpu":
        return "cpu"
    return f"gpu:{_host_devices().index(device)}"


def place_controls(conds: dict[str, list[dict[str, Any]]], device: torch.device) -> None:
    """Gives conditions whose ControlNets live elsewhere copies of these on a device."""
    copies: dict[Any, Any] = {None: None}

    def copy_chain(control: Any) -> Any:
        if control not in copies:
            copies[control] = control.copy()
            copies[control].set_previous_controlnet(copy_chain(control.previous_controlnet))
            _place_control(copies[control], device)
        return copies[control]

    for rows in conds.values():
        for cond in rows:
            if any(_device_of(control) != device for control in _chain(cond.get("control"))):
                cond["control"] = copy_chain(cond["control"])


def _chain(control: Any) -> Sequence[Any]:
    return [] if control is None else [control, *_chain(control.previous_controlnet)]


def _device_of(control: Any) -> torch.device:
    known = getattr(control, "load_device", None) or getattr(control, "device", None)
    return known or comfy.model_management.get_torch_device()


def _place_control(control: Any, device: torch.device) -> None:
    """Makes a copied ControlNet one of another device, with a copy of its network there that later runs find again."""
    if isinstance(control, comfy.controlnet.ControlLora):       # which makes its network when a run begins
        begin = control.pre_run

        def pre_run(*arguments: Any) -> None:
            begin(*arguments)
            control.control_model.to(device)
        control.pre_run = pre_run
    elif isinstance(control, comfy.controlnet.T2IAdapter):      # which moves its network itself
        control.t2i_model = _copy_on(control.t2i_model, device).model
        control.device = device
    elif hasattr(control, "control_model_wrapped"):
        control.control_model_wrapped = _copy_on(control.control_model, device)
        control.control_model = control.control_model_wrapped.model
        control.load_device = device


def _copy_on(network: torch.nn.Module, device: torch.device) -> Any:
    """A patcher around the copy of a ControlNet's network on a device."""
    there = _networks.setdefault(network, {})
    if device not in there:
        offload = device if device.type == "cpu" else comfy.model_management.unet_offload_device()
        there[device] = comfy.model_patcher.ModelPatcher(copy.deepcopy(network), device, offload)
    return there[device]
