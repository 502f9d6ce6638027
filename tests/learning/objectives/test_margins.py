"""Margins as the papers define them: values, slopes, and what happens at the ends."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from tellapart.errors import TellapartError  # noqa: E402
from tellapart.learning.objectives.margins import (  # noqa: E402
    ArcFaceMargin,
    CombinedMargin,
    CosFaceMargin,
    Gradient,
    NoMargin,
    ScaledCosine,
    SphereFaceMargin,
    SubCentres,
)

MARGINS = [
    ScaledCosine(),
    CosFaceMargin(),
    ArcFaceMargin(),
    ArcFaceMargin(margin=1.2),
    CombinedMargin(),
    CombinedMargin(64, 0.9, 0.4, 0.15),
    CombinedMargin(64, 1.0, 0.3, 0.2),
    CombinedMargin(64, 2.0, 0.2, 0.0),
    SphereFaceMargin(annealing=0.0),
    SphereFaceMargin(margin=3),
    SubCentres(ArcFaceMargin()),
]
ANGLES = torch.linspace(0, math.pi, 10_001, dtype=torch.float64)


def never_rises(values: torch.Tensor) -> bool:
    return bool((values.diff() <= 1e-12).all())


def easy_margin(cosines: torch.Tensor, margin: float) -> torch.Tensor:
    shifted = torch.cos(torch.acos(cosines.clamp(-1, 1)) + margin)
    return torch.where(cosines > 0, shifted, cosines)


@pytest.mark.parametrize("margin", MARGINS, ids=repr)
def test_the_target_logit_never_rises_with_the_angle(margin):
    assert never_rises(margin.target(ANGLES.cos()).value)


def test_the_same_check_refutes_the_easy_margin():
    assert not never_rises(easy_margin(ANGLES.cos(), 0.5))


@pytest.mark.parametrize("margin", MARGINS, ids=repr)
def test_it_is_continuous_but_for_the_documented_jump(margin):
    jumps = int((margin.target(ANGLES.cos()).value.diff().abs() > 0.01).sum())
    assert jumps <= (0 if isinstance(margin, ScaledCosine | CosFaceMargin | SphereFaceMargin) else 1)


def test_arcface_beyond_pi_minus_m_falls_from_minus_1_to_its_extension():
    edge = math.pi - 0.5
    before, after = (
        ArcFaceMargin().target(torch.tensor([edge - 1e-9, edge + 1e-9], dtype=torch.float64).cos()).value
    )
    assert before == pytest.approx(-1, abs=1e-6)
    assert after == pytest.approx(-math.cos(0.5) - 0.5 * math.sin(0.5), abs=1e-6)
    assert after == pytest.approx(-1.1173, abs=1e-4)


@given(st.floats(0.01, math.pi - 0.01), st.sampled_from(range(len(MARGINS))))
def test_exact_slopes_are_the_derivatives(angle, number):
    margin = MARGINS[number]
    cosine = torch.tensor([math.cos(angle)], dtype=torch.float64)
    step = 1e-6
    values = margin.target(torch.cat([cosine - step, cosine, cosine + step])).value
    left, right = (values[1] - values[0]) / step, (values[2] - values[1]) / step
    if abs(left - right) > 0.1:  # the step straddles a jump or a kink
        return
    assert float(margin.target(cosine).slope) == pytest.approx(float((left + right) / 2), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("margin", [ArcFaceMargin, SphereFaceMargin, CombinedMargin])
def test_detached_changes_the_slope_only(margin):
    cosines = ANGLES.cos()
    exact, detached = margin().target(cosines), margin(gradient=Gradient.DETACHED).target(cosines)
    assert torch.equal(exact.value, detached.value)
    assert torch.equal(detached.slope, torch.ones_like(cosines))


@pytest.mark.parametrize(
    "margin", [CosFaceMargin(margin=0), ArcFaceMargin(margin=0), CombinedMargin(64, 1, 0, 0)]
)
def test_without_a_margin_all_are_normface(margin):
    for got, expected in zip(
        (margin.target(ANGLES.cos()).value, margin.target(ANGLES.cos()).slope),
        (ScaledCosine().target(ANGLES.cos()).value, ScaledCosine().target(ANGLES.cos()).slope),
        strict=True,
    ):
        torch.testing.assert_close(got, expected, atol=1e-12, rtol=0)


def test_combined_with_only_an_angle_is_arcface():
    got = CombinedMargin(64, 1, 0.5, 0).target(ANGLES.cos())
    expected = ArcFaceMargin().target(ANGLES.cos())
    assert torch.equal(got.value, expected.value)
    assert torch.equal(got.slope, expected.slope)


def test_scales_that_reach_a_probability():
    assert [round(ScaledCosine.reaching(0.999, classes).scale, 1) for classes in (10**4, 10**6, 10**7)] == [
        16.1,
        20.7,
        23.0,
    ]


def test_sphereface_anneals_by_the_authors_schedule():
    assert SphereFaceMargin().annealed(0).annealing == 1000
    assert SphereFaceMargin().annealed(10**6).annealing == 5


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ArcFaceMargin(margin=28.6),
        lambda: CosFaceMargin(scale=0),
        lambda: SphereFaceMargin(margin=2.5),
        lambda: CombinedMargin(64, 4.0, 0.0, 0.0),
        lambda: SubCentres(SubCentres(NoMargin())),
    ],
)
def test_impossible_margins_are_refused_in_one_line(wrong):
    with pytest.raises(TellapartError) as told:
        wrong()
    assert "\n" not in str(told.value)
