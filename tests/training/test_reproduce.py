"""`dev.py reproduce`: its measures against closed forms, and that the same run gives the same figures."""
import dataclasses
import json

import numpy as np
import pytest
import scipy.linalg
import torch

from unite_and_conquer.bench.paper import crossfade, cured, experiments, measures, writing
from unite_and_conquer.bench.paper.lab import BUILTIN, COMBINED, FILES, PAPER, Lab, digest
from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.training.judges.portraits import edge_f1


def test_frechet_distance_of_gaussians_that_are_known():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((4000, 6)) @ rng.standard_normal((6, 6))
    b = rng.standard_normal((3000, 6)) @ rng.standard_normal((6, 6)) + 0.7
    ca, cb = np.cov(a.T), np.cov(b.T)
    wanted = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * scipy.linalg.sqrtm(ca @ cb).real)
    assert measures.frechet(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(wanted, rel=1e-6)
    assert measures.frechet(torch.from_numpy(a), torch.from_numpy(a)) == pytest.approx(0, abs=1e-6)
    moved = torch.from_numpy(a + 2)
    assert measures.frechet(torch.from_numpy(a), moved) == pytest.approx(6 * 4, rel=1e-6)       # the squared way


@pytest.mark.parametrize("away, f1", [(0, 1.0), (2, 1.0), (3, 0.0)])
def test_edges_count_as_found_within_two_pixels(away, f1):
    a, b = torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    a[..., 10], b[..., 10 + away] = 1, 1
    assert edge_f1(a, b).item() == pytest.approx(f1, abs=1e-6)


def test_half_of_the_edges():
    a, b = torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    a[..., 5] = 1               # all of a is right
    b[..., 5] = 1
    b[..., 25] = 1              # half of b is found
    assert edge_f1(a, b).item() == pytest.approx(2 / 3, rel=1e-6)


@pytest.fixture
def steady_memory(monkeypatch):
    """The host asks two conditions in one batch or one by one, as its free memory allows; so do the last bits."""
    def plenty(device=None, torch_free_too=False):
        return (1e12, 1e12) if torch_free_too else 1e12

    monkeypatch.setattr("comfy.model_management.get_free_memory", plenty)


def draw(comfy, folder):
    folder.mkdir()
    lab = Lab(comfy, folder, folder, real=120)
    reports = [
        experiments.tables_1_and_2(lab, 2), experiments.table_3(lab, 2, 3), experiments.table_4(lab, 5),
        crossfade.table_3_in_shares(lab, 2, 3), crossfade.crossfade(lab, 2, 3),
        cured.table_3_cured(lab, 2, 3),
    ]
    for unit in lab.units.values():
        unit.setting = dataclasses.replace(unit.setting, steps=1)
    lab.run()
    return dict(found for results in reports for found in results()), lab


def test_twice_the_same_and_what_is_kept_is_not_drawn_again(comfy, steady_memory, tmp_path, monkeypatch):
    first, lab = draw(comfy, tmp_path / "a")
    second, _ = draw(comfy, tmp_path / "b")
    assert first == second
    text = writing.markdown(first)
    assert all(title in text for title in writing.TITLES.values()) and "nan" not in text
    kept = sorted((tmp_path / "a").glob("*.npy"))
    kept[0].unlink()
    drawn = []

    def counted(setting, rows):
        drawn.append(setting)
        return Lab.draw(lab, setting, rows)

    monkeypatch.setattr(lab, "draw", counted)
    lab.run()
    assert len(drawn) == 1 and sorted((tmp_path / "a").glob("*.npy")) == kept


def test_results_stay_only_with_the_weights_that_they_were_measured_with(tmp_path):
    (tmp_path / "results.json").write_text('{"experts": {"class": "1", "hair": "2"}, "table 4": {"rows": {}}}')
    assert writing.unchanged(tmp_path, {"class": "3", "hair": "2"}, ["class"]) == {"table 4": {"rows": {}}}
    with pytest.raises(SystemExit, match="the hair expert have changed"):
        writing.unchanged(tmp_path, {"class": "3", "hair": "4"}, ["class"])


def test_the_page_shows_the_tables_of_the_results():
    results = json.loads((PAPER / "results.json").read_text("utf-8"))
    page = (ROOT / "docs" / "paper.md").read_text("utf-8")
    tables = writing.markdown(results)
    assert tables == (PAPER / "tables.md").read_text("utf-8")
    assert all(part in page for part in tables.strip().split("\n\n"))
    present = {name: digest(BUILTIN / f"{file}.safetensors") for name, file in FILES.items()}
    present["combined"] = digest(COMBINED)
    measured = results["experts"]
    for name in ("class", "scene", "combined"):
        assert measured[name] == present[name], f"{name} has changed: python3 dev.py reproduce --only scenes"
    told = [line for line in page.splitlines() if ": measured with `" in line]
    assert told == writing.older(measured, present), "the page should say so, or: python3 dev.py reproduce"
