"""Where an expert runs: the devices of this machine, a MODEL on one of them, and its ControlNets beside it."""
from __future__ import annotations

import copy
import logging
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import comfy.controlnet
import comfy.model_management
import comfy.model_patcher
import nodes
import torch

from ...mixture import HERE, Expert
from ..protocols import Conds
from .copies import own_copy
from .lanes import COUNTED, Lane

logger = logging.getLogger("mcdm")


class _Placed(NamedTuple):
    """A MODEL on another device. network: what keeps it there; None where it is. wire: while the graph has one."""
    network: Any
    wire: weakref.ref


# {MODEL: {device: the same MODEL there}}, {network of a ControlNet: {device: the patcher of its copy there}}
_models: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_networks: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def devices() -> list[str]:
    """The devices of this machine by name: cpu, and those that the host may use, such as cuda:0."""
    return list(dict.fromkeys(["cpu", *map(str, _host_devices())]))


def _host_devices() -> list[torch.device]:
    """Newer hosts count them; of older ones, all cards of the kind on which it works."""
    ask = getattr(comfy.model_management, "get_all_torch_devices", None)
    if ask is not None:
        return ask()
    device = comfy.model_management.get_torch_device()
    if device.type not in COUNTED:
        return [device]
    return [torch.device(device.type, i) for i in range(torch.get_device_module(device).device_count())]


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
    """A MODEL that does the same on a device of this machine; always the same one for the same MODEL."""
    there = _models.setdefault(model, {})
    known = there.get(place)
    wire = known and known.wire()
    if wire is None:
        network = known.network if known else _moved(model, torch.device(place))
        wire = (model if network is None else network).clone()
        there[place] = _Placed(network, weakref.ref(wire))
    return wire


def let_go(experts: Sequence[Expert]) -> None:
    """Forgets the copies that nothing in the graph has any more, so that they leave their devices.

    That of a changed expert is still there when its new one is made. experts: those that are about to be sampled.
    """
    for there in _models.values():
        for place in [place for place, known in there.items() if known.wire() is None]:
            del there[place]
    used = {str(expert.model.load_device) for expert in experts}.union(*_models.values())
    for there in _networks.values():
        for device in [device for device in there if str(device) not in used]:
            del there[device]


def _moved(model: Any, device: torch.device) -> Any:
    """A MODEL on another device, with a network of its own: the host takes one that is loaded for loaded anywhere."""
    if device == model.load_device:
        return None
    moved = _loaded_there(model, device) or _copied_there(model, device)
    moved.parent = None         # else the copy would keep the MODEL, and the MODEL the copy
    return moved


def _loaded_there(model: Any, device: torch.device) -> Any:
    """By the host's own node, where there is one and it knows how to load the weights again."""
    select = nodes.NODE_CLASS_MAPPINGS.get("SelectModelDevice")
    can_be_loaded_again = getattr(model, "cached_patcher_init", None) is not None
    if select is not None and can_be_loaded_again and device.type != "cpu":
        moved, = select.execute(model, _host_name(device)).args
        if moved.load_device == device:
            return moved
    return None


def _copied_there(model: Any, device: torch.device) -> Any:
    logger.info(f"MCDM: a copy of the weights of {type(model.model).__name__} for {device} "
                f"({model.model_size() / 2**20:.0f} MB).")
    if getattr(model, "is_dynamic", bool)():        # whose one network newer hosts swap to any device but the processor
        moved = model.clone(disable_dynamic=device.type == "cpu")
    else:
        moved = own_copy(model)
    moved.load_device, moved.offload_device = device, _rest(device)
    if hasattr(moved, "register_load_device"):      # of the host's dynamic patchers
        moved.register_load_device(device)
    cast = comfy.model_management.unet_manual_cast(moved.model_dtype(), device)
    if cast is not None:
        moved.set_model_compute_dtype(cast)
    return moved


def _rest(device: torch.device) -> torch.device:
    """Where weights of a device lie while they are not loaded: in main memory, unless the host keeps all on cards."""
    rest = comfy.model_management.unet_offload_device()
    return rest if rest.type == "cpu" else device


def _host_name(device: torch.device) -> str:
    """How the host's SelectModelDevice calls a card."""
    return f"gpu:{_host_devices().index(device)}"


def place_controls(conds: Conds, device: torch.device) -> None:
    """Gives conditions whose ControlNets live elsewhere copies of these on a device."""
    def is_elsewhere(control: Any) -> bool:
        return any(_device_of(link) != device for link in _chain(control))
    copy_controls(conds, lambda copy: _on_device(copy, device), is_elsewhere)


def copy_controls(
    conds: Conds, changed: Callable[[Any], Any] = lambda copy: copy, wanted: Callable[[Any], bool] = bool,
) -> None:
    """ControlNets keep state: gives conditions copies of their chains, one per chain, shared by condition and null.

    changed: what becomes of each copy. wanted: whether the chain that ends in a ControlNet is copied.
    """
    copies: dict[Any, Any] = {None: None}

    def copy_chain(control: Any) -> Any:
        if control not in copies:
            copies[control] = changed(_copied(control))
            copies[control].set_previous_controlnet(copy_chain(control.previous_controlnet))
        return copies[control]

    for rows in conds.values():
        for cond in rows:
            if wanted(cond.get("control")):
                cond["control"] = copy_chain(cond["control"])


def _chain(control: Any) -> Sequence[Any]:
    return [] if control is None else [control, *_chain(control.previous_controlnet)]


def _device_of(control: Any) -> torch.device:
    known = getattr(control, "load_device", None) or getattr(control, "device", None)
    return known or comfy.model_management.get_torch_device()


class _PlacedLora(comfy.controlnet.ControlLora):
    """A Control-LoRA, which makes its network when a run begins, on a device of its own."""
    device: torch.device

    def pre_run(self, *arguments: Any) -> None:
        super().pre_run(*arguments)
        self.control_model.to(self.device)


def _copied(control: Any) -> Any:
    """A copy of a ControlNet that stays on its device, which some of the host's own copies forget."""
    copy = control.copy()
    if isinstance(control, (_PlacedLora, comfy.controlnet.T2IAdapter)):
        copy.__class__, copy.device = type(control), control.device
    return copy


def _on_device(control: Any, device: torch.device) -> Any:
    """A copied ControlNet, now of another device, with a copy of its network there that later runs find again."""
    if isinstance(control, comfy.controlnet.ControlLora):
        control.__class__ = type("PlacedLora", (_PlacedLora, type(control)), {})
        control.device = device
    elif isinstance(control, comfy.controlnet.T2IAdapter):      # which moves its network itself
        control.t2i_model = _copy_on(control.t2i_model, device).model
        control.device = device
    elif hasattr(control, "control_model_wrapped"):
        control.control_model_wrapped = _copy_on(control.control_model, device)
        control.control_model = control.control_model_wrapped.model
        control.load_device = device
    return control


def _copy_on(network: torch.nn.Module, device: torch.device) -> Any:
    """A patcher around the copy of a ControlNet's network on a device."""
    there = _networks.setdefault(network, {})
    if device not in there:
        there[device] = comfy.model_patcher.ModelPatcher(copy.deepcopy(network), device, _rest(device))
    return there[device]
