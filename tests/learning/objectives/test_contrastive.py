"""InfoNCE and NT-Xent against their formulas in plain loops; Matryoshka's prefixes."""

import math

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")
F = torch.nn.functional

from tellapart.errors import TellapartError  # noqa: E402
from tellapart.learning.objectives.contrastive import Several, equal_mask, info_nce, nt_xent  # noqa: E402
from tellapart.learning.objectives.matryoshka import Matryoshka  # noqa: E402


def vectors(count, dim=5, seed=0):
    return torch.randn(count, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def cosine(a, b):
    return float(a @ b / a.norm() / b.norm())


def loops(queries, candidates, positives, ignored, scale, several):
    losses = []
    for i, query in enumerate(queries):
        e = [math.exp(scale * cosine(query, c)) for c in candidates]
        everything = sum(e[j] for j in range(len(e)) if positives[i][j] or not ignored[i][j])
        own = [e[j] for j in range(len(e)) if positives[i][j]]
        if not own:
            continue
        if several is Several.INSIDE:
            losses.append(-math.log(sum(own) / everything))
        else:
            losses.append(sum(-math.log(value / everything) for value in own) / len(own))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("several", list(Several))
@pytest.mark.parametrize("symmetric", [False, True])
def test_equal_to_loops_with_several_positives_and_masked_negatives(several, symmetric):
    queries, candidates = vectors(4), vectors(7, seed=1)
    draw = torch.Generator().manual_seed(2)
    positives = torch.rand(4, 7, generator=draw) < 0.3
    positives[0, 0] = True
    ignored = torch.rand(4, 7, generator=draw) < 0.3
    got = info_nce(
        queries,
        candidates,
        positives=positives,
        ignore=ignored,
        several=several,
        symmetric=symmetric,
        scale=7,
    )
    expected = loops(queries, candidates, positives, ignored, 7, several)
    if symmetric:
        expected = (expected + loops(candidates, queries, positives.T, ignored.T, 7, several)) / 2
    assert float(got) == pytest.approx(expected, rel=1e-12)


def test_by_default_query_i_has_candidate_i_and_the_rest_are_hard_negatives():
    queries, candidates = vectors(3), vectors(5, seed=1)
    logits = F.normalize(queries) @ F.normalize(candidates).T * 20
    assert float(info_nce(queries, candidates)) == pytest.approx(
        float(F.cross_entropy(logits, torch.arange(3))), rel=1e-12
    )


def test_a_duplicate_is_no_negative_once_masked():
    queries, candidates = vectors(3), vectors(3, seed=1)
    candidates[2] = candidates[0]
    texts = ["a", "b", "a"]
    masked = info_nce(queries[:2], candidates, ignore=equal_mask(texts[:2], texts))
    logits = F.normalize(queries[:2]) @ F.normalize(candidates).T * 20
    second = logits[1].logsumexp(0) - logits[1, 1]
    first = logits[0, :2].logsumexp(0) - logits[0, 0]
    assert float(masked) == pytest.approx(float((first + second) / 2), rel=1e-12)


def test_no_positive_at_all_costs_nothing():
    queries = vectors(2).requires_grad_()
    loss = info_nce(queries, vectors(3), positives=torch.zeros(2, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(queries.grad, torch.zeros_like(queries))


def test_nt_xent_equals_the_loop():
    first, second = vectors(4), vectors(4, seed=1)
    views = [*first, *second]
    losses = []
    for i, view in enumerate(views):
        e = [math.exp(2 * cosine(view, other)) if j != i else 0.0 for j, other in enumerate(views)]
        losses.append(-math.log(e[(i + 4) % 8] / sum(e)))
    assert float(nt_xent(first, second)) == pytest.approx(sum(losses) / 8, rel=1e-12)


def test_nt_xent_keeps_no_more_than_a_few_squares():
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        nt_xent(vectors(128).requires_grad_(), vectors(128, seed=1).requires_grad_())
    assert max(kept) <= 256 * 256
    assert sum(kept) < 10 * 256 * 256


@pytest.mark.parametrize(
    "loss",
    [
        lambda a, b: info_nce(a, b),
        lambda a, b: info_nce(a, b, symmetric=True, ignore=torch.eye(4).roll(1, 0).bool()),
        lambda a, b: info_nce(a, b, positives=torch.ones(4, 4).tril().bool(), several=Several.INSIDE),
        lambda a, b: nt_xent(a, b),
        lambda a, b: Matryoshka(info_nce, (5, 2), (1.0, 0.3))(a, b),
    ],
)
def test_gradcheck(loss):
    assert torch.autograd.gradcheck(loss, (vectors(4).requires_grad_(), vectors(4, seed=1).requires_grad_()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_equal_and_zero_vectors_stay_finite(dtype):
    rows = torch.tensor([[1.0, 0], [1, 0], [0, 0], [-1, 0]], dtype=dtype, requires_grad=True)
    for loss in (info_nce(rows, rows, scale=100), nt_xent(rows, rows, scale=100)):
        (gradient,) = torch.autograd.grad(loss, rows)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


def test_what_cannot_be_paired_is_refused():
    with pytest.raises(TellapartError, match="give positives"):
        info_nce(vectors(3), vectors(2))
    with pytest.raises(TellapartError, match="pair them"):
        nt_xent(vectors(3), vectors(2))


def test_a_matryoshka_term_leaves_the_dimensions_beyond_it_alone():
    queries = vectors(4).requires_grad_()
    with pytest.warns(UserWarning, match="full dimension 5"):
        Matryoshka(info_nce, (2,))(queries, vectors(4, seed=1)).backward()
    assert torch.equal(queries.grad[:, 2:], torch.zeros(4, 3, dtype=torch.float64))
    assert (queries.grad[:, :2] != 0).all()


def test_a_matryoshka_adds_up_weighted_terms_in_any_order():
    queries, candidates = vectors(4), vectors(4, seed=1)
    terms = {size: float(info_nce(queries[:, :size], candidates[:, :size])) for size in (5, 3)}
    one = Matryoshka(info_nce, (5, 3), (1.0, 0.5))(queries, candidates)
    other = Matryoshka(info_nce, (3, 5), (0.5, 1.0))(queries, candidates)
    assert float(one) == pytest.approx(terms[5] + 0.5 * terms[3], rel=1e-12)
    assert float(other) == pytest.approx(float(one), rel=1e-12)
    assert Matryoshka.halving(info_nce, 384, 64).dimensions == (384, 192, 96)
