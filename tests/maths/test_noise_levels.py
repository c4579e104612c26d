"""mcdm/noise_levels.py: where each network is asked, against closed forms in float64."""
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unite_and_conquer.mcdm.noise_levels import NoiseLevels, translate

FLOW = NoiseLevels(flow=True)
SIGMAS = st.floats(1e-3, 1e3)


def exploding(sigma_data=1.0, low=0.03, high=15.0):
    return NoiseLevels(False, low, high, sigma_data)


@given(SIGMAS, st.floats(-3, 3), st.floats(-3, 3))
def test_an_exploding_lead_asks_a_flow_at_the_same_signal_to_noise_ratio(sigma, x0, n):
    gain, t = translate(sigma, exploding(), FLOW)
    assert math.isclose(t / (1 - t), sigma, rel_tol=1e-9)
    assert math.isclose(gain * (x0 + sigma * n), (1 - t) * x0 + t * n, rel_tol=1e-9, abs_tol=1e-12)


@given(st.floats(0.04, 0.93), st.floats(-3, 3), st.floats(-3, 3))
def test_a_flow_lead_asks_an_exploding_network_at_the_same_ratio(t, x0, n):
    gain, sigma = translate(t, FLOW, exploding())
    assert math.isclose(sigma, t / (1 - t), rel_tol=1e-9)
    assert math.isclose(gain * ((1 - t) * x0 + t * n), x0 + sigma * n, rel_tol=1e-9, abs_tol=1e-12)


@given(st.floats(0.04, 14.9), st.sampled_from([0.5, 1.0, 16.0]))
def test_within_its_range_nothing_is_changed_at_all(sigma, sigma_data):
    assert translate(sigma, exploding(), exploding(sigma_data)) == (1.0, sigma)


@given(st.floats(0, 1))
def test_two_flows_share_one_frame(t):
    assert translate(t, FLOW, FLOW) == (1.0, t)


@given(st.floats(0.01, 0.99), st.floats(0.25, 16), st.floats(0.25, 16), st.floats(-3, 3), st.floats(-3, 3))
def test_flows_whose_noise_has_a_scale_are_asked_at_the_same_ratio(t, s, own, x0, n):
    """x = (1 - t) x0 + s t n, as HiDream-O1 (s = 8) takes it: z = x0 + sigma n at sigma = s t / (1 - t)."""
    lead, flow = NoiseLevels(True, scale=s), NoiseLevels(True, scale=own)
    sigma, x = s * t / (1 - t), (1 - t) * x0 + s * t * n
    for levels, image, level in ((lead, x, t), (exploding(high=1e6), x0 + sigma * n, sigma)):
        gain, own_t = translate(level, levels, flow)
        assert math.isclose(own * own_t / (1 - own_t), sigma, rel_tol=1e-9)
        assert math.isclose(gain * image, (1 - own_t) * x0 + own * own_t * n, rel_tol=1e-9, abs_tol=1e-12)
    gain, level = translate(t, lead, exploding(low=0, high=1e6))
    assert math.isclose(level, sigma, rel_tol=1e-9)
    assert math.isclose(gain * x, x0 + sigma * n, rel_tol=1e-9, abs_tol=1e-12)
    assert math.isclose(lead.sigma(t), sigma, rel_tol=1e-9) and math.isclose(lead.level(sigma), t, rel_tol=1e-9)
    assert translate(t, lead, lead) == (1.0, t)


def test_a_flows_first_step_is_pure_noise_of_the_others_scale():
    assert translate(1.0, NoiseLevels(True, scale=2.0), NoiseLevels(True, scale=8.0)) == (4.0, 1.0)


@given(st.floats(15.1, 1e6), st.sampled_from([0.5, 1.0, 16.0]))
def test_above_its_range_the_network_sees_unit_variance_at_sigma_max(sigma, sigma_data):
    gain, level = translate(sigma, exploding(), exploding(sigma_data))
    assert level == 15.0
    assert math.isclose(gain ** 2 * (sigma ** 2 + sigma_data ** 2), 15.0 ** 2 + sigma_data ** 2, rel_tol=1e-9)


@given(st.floats(1e-6, 0.029))
def test_below_its_range_it_is_asked_at_sigma_min_with_the_input_as_it_is(sigma):
    assert translate(sigma, exploding(), exploding()) == (1.0, 0.03)


@pytest.mark.parametrize("sigma_data", [0.5, 1.0])
def test_a_flows_first_step_is_finite(sigma_data):
    gain, level = translate(1.0, FLOW, exploding(sigma_data))
    assert level == 15.0
    assert math.isclose(gain, math.hypot(15.0, sigma_data))     # pure noise of unit variance, as the network saw it
    near, _ = translate(1.0 - 1e-9, FLOW, exploding(sigma_data))
    assert math.isclose(gain, near, rel_tol=1e-6)


def test_the_rounding_of_a_schedule_is_not_above_the_range():
    assert translate(15.0 * (1 + 1e-7), exploding(), exploding())[0] == 1.0


@given(SIGMAS)
def test_levels_and_sigmas(sigma):
    """z = x0 + sigma n is (1 - t) x0 + t n, up to a factor, at t / (1 - t) = sigma."""
    assert exploding().sigma(sigma) == exploding().level(sigma) == sigma
    t = FLOW.level(sigma)
    assert math.isclose(t / (1 - t), sigma, rel_tol=1e-6) and math.isclose(FLOW.sigma(t), sigma, rel_tol=1e-6)


def test_pure_noise_of_a_flow_is_infinite():
    assert FLOW.sigma(1.0) == math.inf


@pytest.mark.parametrize("levels, frame", [(exploding(), lambda x, sigma: x / (1 + sigma)), (FLOW, lambda x, t: x)])
@pytest.mark.parametrize("before, after", [(0.9, 0.4), (0.5, 0.0)])
def test_at_rest_the_picture_of_the_flow_stays(levels, frame, before, after):
    """A step of Euler's, x + (x - D) / level (after - before), with the estimate D of a picture at rest."""
    x = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    moved = x + (x - levels.at_rest(x, before)) / before * (after - before)
    assert torch.allclose(frame(moved, after), frame(x, before))
