"""`dev.py reproduce`: its measures against closed forms, and that the same run gives the same figures."""
import functools
import hashlib
import json

import numpy as np
import pytest
import scipy.linalg
import torch

from unite_and_conquer.bench import faces
from unite_and_conquer.bench.paper import reproduce


def test_frechet_distance_of_gaussians_that_are_known():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((4000, 6)) @ rng.standard_normal((6, 6)), rng.standard_normal((3000, 6)) @ rng.standard_normal((6, 6)) + 0.7
    ca, cb = np.cov(a.T), np.cov(b.T)
    wanted = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * scipy.linalg.sqrtm(ca @ cb).real)
    assert reproduce.frechet(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(wanted, rel=1e-6)
    assert reproduce.frechet(torch.from_numpy(a), torch.from_numpy(a)) == pytest.approx(0, abs=1e-6)
    assert reproduce.frechet(torch.from_numpy(a), torch.from_numpy(a + 2)) == pytest.approx(6 * 4, rel=1e-6)       # moved: the squared way


@pytest.mark.parametrize("away, f1", [(0, 1.0), (2, 1.0), (3, 0.0)])
def test_edges_count_as_found_within_two_pixels(away, f1):
    a, b = torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    a[..., 10], b[..., 10 + away] = 1, 1
    assert faces.edge_f1(a, b).item() == pytest.approx(f1, abs=1e-6)


def test_half_of_the_edges():
    a, b = torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    a[..., 5], b[..., 5], b[..., 25] = 1, 1, 1          # all of a is right, half of b is found
    assert faces.edge_f1(a, b).item() == pytest.approx(2 / 3, rel=1e-6)


def draw(comfy, folder):
    folder.mkdir()
    lab = reproduce.Lab(comfy, folder, folder, real=200)
    reports = [reproduce.tables_1_and_2(lab, 2), reproduce.table_3(lab, 2, 3), reproduce.table_4(lab, 5)]
    for unit in lab.units.values():
        unit.draw = functools.partial(unit.draw, steps=3)
    lab.run()
    return dict(item for report in reports for item in report()), lab


def test_twice_the_same_and_what_is_kept_is_not_drawn_again(comfy, tmp_path, monkeypatch):
    first, lab = draw(comfy, tmp_path / "a")
    second, _ = draw(comfy, tmp_path / "b")
    assert first == second
    text = reproduce.markdown(first)
    assert all(f"Table {i}" in text for i in range(1, 5)) and "nan" not in text
    kept = sorted((tmp_path / "a").glob("*.npy"))
    kept[0].unlink()
    drawn = []
    monkeypatch.setattr(lab, "units", {k: u.__class__(u.key, u.stamp, u.count, u.forwards, lambda rows, u=u: drawn.append(u.key) or u.draw(rows))
                                       for k, u in lab.units.items()})
    lab.run()
    assert len(drawn) == 1 and sorted((tmp_path / "a").glob("*.npy")) == kept


def test_the_page_shows_the_tables_of_the_results():
    results = json.loads((reproduce.PAPER / "results.json").read_text("utf-8"))
    page = (reproduce.PAPER.parents[1] / "docs" / "paper.md").read_text("utf-8")
    tables = reproduce.markdown(results)
    assert tables == (reproduce.PAPER / "tables.md").read_text("utf-8")
    assert all(part in page for part in tables.strip().split("\n\n"))
    for name, file in reproduce.FILES.items():
        path = reproduce.PAPER.parents[1] / "mcdm" / "builtin" / f"{file}.safetensors"
        assert hashlib.sha256(path.read_bytes()).hexdigest().startswith(results["experts"][name]), f"{file} has changed: python3 dev.py reproduce"
