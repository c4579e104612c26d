"""Every family of the running host at toy size: alone as the host samples it, by two as eq. 10 says, with its options.

The networks are the host's own classes with random weights (devtools/families). docs/compatibility.md has the figures.
"""
import collections
import dataclasses
import re

import pytest

from unite_and_conquer.devtools import families
from unite_and_conquer.devtools.families import FAMILIES, NOT_BUILT, compatibility, measure
from unite_and_conquer.devtools.versions import source

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")

NAMES = {family.name: family for family in FAMILIES}

# By its source: the host itself must not be imported before a test asks for it.
HOST = source("comfy/supported_models.py")
HERE = [family for family in FAMILIES if re.search(rf"^class {family.kind}\b", HOST, re.MULTILINE)]


@pytest.fixture(params=HERE, ids=lambda family: family.name)
def family(request):
    """Each family that the running host has."""
    return request.param


# ------------------------------------------------------------------------------------------------- the host's own list

def test_every_family_of_the_host_is_built_or_listed_with_a_reason(comfy):
    kinds = {kind.__name__ for kind in families.of_the_host()}
    built = {family.kind for family in families.here()}
    assert kinds - built - set(NOT_BUILT) == set(), "describe them in devtools/families, or say there why not"
    assert not built & set(NOT_BUILT)
    assert len(built) >= 40 and families.here() == HERE


def test_names_are_unique():
    names = collections.Counter(family.name for family in FAMILIES)
    assert [name for name, count in names.items() if count > 1] == []


# ------------------------------------------------------------------------------------------------------ alone, by two

def test_one_expert_is_the_stock_sampler(comfy, family):
    assert measure.alone(comfy, measure.built(family, 1)) <= 2e-5


def test_two_of_a_family_are_equation_10(comfy, family):
    (*_, distance), = measure.pairs(comfy, [measure.built(family, seed) for seed in (1, 2)])
    assert distance <= 2e-5


def test_every_two_families_of_a_latent_space_are_equation_10(comfy):
    far, pairs = [], 0
    for kinds in families.spaces(comfy.module("mcdm.host.models").same_space).values():
        experts = compatibility.experts_of(kinds)
        for lead, other, distance in measure.pairs(comfy, experts):
            pairs += 1
            if distance > 2e-5:
                far.append((lead, other, distance))
    assert far == []
    assert pairs >= 150


# ------------------------------------------------------------------------------------------------------------- options

@pytest.mark.parametrize("name, option", [
    ("Flux", "guidance"),
    ("Flux", "pooled_output"),
    ("Flux, reference latents", "reference_latents"),
    ("QwenImage, reference latents", "reference_latents"),
    ("FluxInpaint", "concat_latent_image"),
    ("SDXL", "pooled_output"),
    ("SDXL, sizes", "crop_w"),
    ("SDXLRefiner", "aesthetic_score"),
    ("SD21UnclipL, clip vision", "unclip_conditioning"),
    ("WAN21_I2V, clip vision", "clip_vision_output"),
    ("WAN21_I2V, clip vision", "concat_latent_image"),
    ("HunyuanVideo", "guidance"),
    ("Stable_Cascade_B", "stable_cascade_prior"),
])
def test_an_option_reaches_its_network(comfy, name, option):
    """The comparisons above would hold, too, if a condition's option did nothing."""
    family = NAMES[name]
    without = dataclasses.replace(family, extras={key: value for key, value in family.extras.items() if key != option})
    if option == "pooled_output":
        without.extras[option] = family.condition(77)[0][1][option]
    one = measure.built(family, 1)
    other = dataclasses.replace(one, family=without)
    answers = [measure.estimates(expert, family.shape)[0] for expert in (one, other)]
    assert measure.relative(*answers) > 1e-5


@pytest.mark.parametrize("name, node, settings", [
    ("Flux", "ModelSamplingFlux", {"max_shift": 1.5, "base_shift": 0.4, "width": 1024, "height": 512}),
    ("SD3", "ModelSamplingSD3", {"shift": 6.0}),
    ("AuraFlow", "ModelSamplingAuraFlow", {"shift": 3.0}),
    ("WAN21_T2V", "ModelSamplingSD3", {"shift": 8.0}),
])
def test_the_shift_of_a_flow_is_its_own(comfy, name, node, settings):
    first, second = (measure.built(NAMES[name], seed) for seed in (1, 2))
    shifted = dataclasses.replace(first, model=comfy.call(node, model=first.model, **settings)[0])
    assert measure.alone(comfy, shifted) <= 2e-5
    assert all(distance <= 2e-5 for *_, distance in measure.pairs(comfy, [shifted, second, first]))


# ------------------------------------------------------------------------------------------------ the gate and the page

def test_the_gate_names_families_that_would_fit(comfy):
    lead, other = (measure.built(NAMES[name], 1) for name in ("Flux", "SD3"))
    with pytest.raises(ValueError, match="SD3.*Flux") as error:
        measure.mixture(comfy, [lead, other], lead.family.shape)
    sentence = str(error.value)
    named = sentence.split("for example, ")[1].rstrip(".").split(", ")
    assert len(named) == 5
    assert named[0] == "Flux" and {"Chroma", "ZImage"} < set(named)
    assert set(named) <= set(families.spaces(comfy.module("mcdm.host.models").same_space)["Flux"])
    assert "\n" not in sentence


@pytest.mark.parametrize("name", ["SD15", "ChromaRadiance", "StableAudio"])
def test_the_gate_names_no_family_that_the_pack_refuses(comfy, name):
    models = comfy.module("mcdm.host.models")
    named = models.families_of(models.latent_format(NAMES[name].model(1)))
    assert name in named and "LotusD" not in named


def partition(spaces, kinds):
    """The families among `kinds` by latent space, as a set of sets."""
    return {frozenset(kinds & set(together)) for together in spaces.values()} - {frozenset()}


def test_the_page_agrees_with_the_running_host(comfy):
    """On a ComfyUI that the page does not name, the families that the page knows share their spaces as it says."""
    same_space = comfy.module("mcdm.host.models").same_space
    spaces = families.spaces(same_space)
    written = compatibility.read()
    for host in written.values():
        known = {kind for together in host["spaces"].values() for kind in together}
        both = known & {kind for together in spaces.values() for kind in together}
        assert len(both) > 40
        assert partition(spaces, both) == partition(host["spaces"], both)
    if compatibility.version() in written:
        assert_measured(written[compatibility.version()], spaces, families.vaes(same_space))


def assert_measured(host, spaces, vaes):
    """What the page says of the running ComfyUI is what it is."""
    assert host["spaces"] == spaces
    assert host["vaes"] == vaes
    assert list(host["measured"]) == [family.name for family in families.here()]
    assert max(figure for row in host["measured"].values() for figure in row["distances"].values()) <= 2e-5
