"""How tokens are drawn: by the shares that the model gives them, each answer by its own options."""

import pytest
import torch
from torch import Tensor

from rag.engine.sampling import draw, gumbel_noise

DRAWS = 20_000


def drawn(
    scores: list[float], temperature: float = 1.0, top_k: int = 1000, top_p: float = 1.0, seed: int = 1
) -> Tensor:
    """Share of each token among DRAWS draws at different positions, shape (tokens,)."""
    options = [torch.tensor([[value]]).expand(DRAWS, 1) for value in (temperature, top_k, top_p, seed)]
    positions = torch.arange(DRAWS).unsqueeze(1)
    tokens = draw(torch.tensor(scores).expand(DRAWS, -1), *options, positions)
    return torch.bincount(tokens[:, 0], minlength=len(scores)) / DRAWS


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("seed", [0, 7, 2**31 - 1])
def test_tokens_are_drawn_by_their_shares(temperature: float, seed: int) -> None:
    scores = [2.0, 1.0, 0.0, -1.0, 1.5]
    expected = (torch.tensor(scores) / temperature).softmax(0)
    # Six standard deviations of a share of a half.
    assert torch.allclose(drawn(scores, temperature=temperature, seed=seed), expected, atol=3 / DRAWS**0.5)


def test_top_k_and_top_p_leave_the_likeliest() -> None:
    scores = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().tolist()
    assert (drawn(scores, top_k=2) > 0).tolist() == [True, True, False, False]
    assert (drawn(scores, top_p=0.79) > 0).tolist() == [True, True, False, False]
    assert (drawn(scores, top_p=0.81) > 0).tolist() == [True, True, True, False]
    assert drawn(scores, top_p=0.001).tolist() == [1, 0, 0, 0]
    assert drawn(scores, top_k=1).tolist() == [1, 0, 0, 0]


def test_the_noise_is_that_of_seed_position_and_token_alone() -> None:
    tokens = torch.arange(5000).expand(2, -1)
    seeds, positions = torch.tensor([[3], [4]]), torch.tensor([[9], [9]])
    both = gumbel_noise(seeds, positions, tokens)
    assert torch.equal(both[:1], gumbel_noise(seeds[:1], positions[:1], tokens[:1]))
    assert torch.equal(both[1:, 40:50], gumbel_noise(seeds[1:], positions[1:], tokens[1:, 40:50]))
    assert not torch.isclose(both[0], both[1]).any()
    assert torch.corrcoef(both)[0, 1].abs() < 0.06
    # Mean and variance of the standard Gumbel distribution: Euler's constant, and pi squared over six.
    assert both.mean().item() == pytest.approx(0.5772, abs=0.05)
    assert both.var().item() == pytest.approx(1.6449, abs=0.1)
