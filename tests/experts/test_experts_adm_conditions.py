"""Ablated diffusion models: classes by number and by name, and what stands for a null."""
import logging

import pytest
import torch

from support.mixtures import custom_sampled, mix
from support.openai_experts import draw, invented, recorded
from support.reference_unet import Reference
from support.tensors import noise, relative


def test_class_condition_gives_the_index(comfy):
    model = recorded(comfy, "adm_classcond", "adm")
    conditions = comfy.module("mcdm.experts.modality").CONDITION
    for label in ("7", " 7 ", 7):
        y = comfy.call("ClassCondition", model=model, label=label)[0][0][1][conditions]["y"]
        assert y.dtype == torch.int64 and y.tolist() == [7]
    for label in ("20", "-1", "tench", "1.5", "9" * 30, ""):
        with pytest.raises(ValueError, match="from 0 to 19"):
            comfy.call("ClassCondition", model=model, label=label)


def test_imagenet_classes_by_name(comfy):
    arguments = {"num_classes": 1000, "num_head_channels": 16}
    model, _ = invented(
        comfy, Reference(**arguments), {**draw(), "y": torch.tensor([1, 2])}, use_new_attention_order=False
    )
    conditions = comfy.module("mcdm.experts.modality").CONDITION
    assert comfy.call("ClassCondition", model=model, label="Golden Retriever")[0][0][1][conditions]["y"].tolist() == [
        207
    ]
    with pytest.raises(ValueError, match="from 0 to 999 or a name such as tench"):
        comfy.call("ClassCondition", model=model, label="unicorn")


def condition(comfy, model, label="3"):
    return comfy.call("ClassCondition", model=model, label=label)[0]


def test_no_trained_null_is_class_0_and_said_once(comfy, caplog):
    model, x = recorded(comfy, "adm_classcond", "adm"), noise(1, 2, 3, 16, 16)
    with caplog.at_level(logging.INFO):
        experts = [
            comfy.call("ConditionExpert", model=model, condition=condition(comfy, model), weight=3.0)[0]
            for _ in range(2)
        ]
        got = custom_sampled(comfy, mix(comfy, experts[:1]), "euler", [2.0, 0.0], x)
    said = [r.message for r in caplog.records if "without a null condition" in r.message]
    assert len(said) == 1 and "class 0" in said[0]
    sigma, y = torch.full((2,), 2.0), torch.tensor([3, 3])
    with torch.no_grad():
        wish, null = (model.model.apply_model(2.0 * x, sigma, y=labels) for labels in (y, 0 * y))
    assert relative(got, null + 3.0 * (wish - null)) < 1e-5


def test_an_unconditional_expert_needs_no_condition_and_serves_as_the_null(comfy):
    model = recorded(comfy, "adm_oldorder_classcond", "adm")
    plain = recorded(comfy, "adm_oldorder_uncond", "adm")
    x = noise(2, 1, 3, 16, 16)
    wish = comfy.call("ConditionExpert", model=model, condition=condition(comfy, model, "5"), weight=4.0)[0]
    null = comfy.call("ConditionExpert", model=plain, weight=0.0)[0]
    got = custom_sampled(comfy, mix(comfy, [wish, null], "0, 1"), "euler", [2.0, 0.0], x)
    sigma = torch.full((1,), 2.0)
    with torch.no_grad():
        d, e = model.model.apply_model(2.0 * x, sigma, y=torch.tensor([5])), plain.model.apply_model(2.0 * x, sigma)
    assert relative(got, e + 4.0 * (d - e)) < 1e-5
    with pytest.raises(ValueError, match="no condition"):
        comfy.call("ConditionExpert", model=model)


def test_the_null_of_an_upsampler_keeps_the_picture(comfy):
    model = recorded(comfy, "adm_superres", "adm_superres")
    x = noise(3, 2, 3, 16, 16)
    low_res = torch.rand(1, 4, 4, 3)
    alone = comfy.call("ClassCondition", model=model, label="6")[0]
    with pytest.raises(ValueError, match="low resolution"):
        comfy.call("ConditionExpert", model=model, condition=alone)
    both = comfy.call("MapCondition", model=model, modality="low resolution", image=low_res, condition=alone)[0]
    expert = comfy.call("ConditionExpert", model=model, condition=both, weight=2.5)[0]
    got = custom_sampled(comfy, mix(comfy, [expert]), "euler", [1.5, 0.0], x)
    small = (2 * low_res.movedim(-1, 1) - 1).expand(2, -1, -1, -1)
    sigma, y = torch.full((2,), 1.5), torch.tensor([6, 6])
    with torch.no_grad():
        wish, null = (model.model.apply_model(1.5 * x, sigma, y=labels, low_res=small) for labels in (y, 0 * y))
    assert relative(got, null + 2.5 * (wish - null)) < 1e-5
