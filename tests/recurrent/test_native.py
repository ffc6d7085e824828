"""What torch's kernels can do depends on the processor; what comes out does not."""

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gatelab.errors import BackendError
from gatelab.recurrent import GatedEncoder, GRUEncoder, LSTMEncoder, RNNEncoder, native
from gatelab.screen import format_warning, is_user_error

E, H, B, T = 16, 24, 5, 12
LENGTHS = torch.tensor([3, 12, 1, 7, 12])
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
# dtype of the weights, that of autocast, and how far from float64 the states and gradients may be, as a part of their
# norm: some ten roundings to 8 bits (bfloat16), 11 (float16) and 24 (float32) of mantissa.
DTYPES: dict[str, tuple[torch.dtype, torch.dtype | None, float]] = {
    "float64": (torch.float64, None, 1e-10),
    "float32": (torch.float32, None, 1e-5),
    "bfloat16": (torch.bfloat16, None, 5e-2),
    "float16": (torch.float16, None, 1e-2),
    "autocast_bfloat16": (torch.float32, torch.bfloat16, 5e-2),
    "autocast_float16": (torch.float32, torch.float16, 1e-2),
    "autocast_leaves_float64": (torch.float64, torch.bfloat16, 1e-10),
}
ENCODERS = {"lstm": LSTMEncoder, "gru": GRUEncoder, "rnn": RNNEncoder, "gated": GatedEncoder}
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
every_device = pytest.mark.parametrize("device", DEVICES)
pytestmark = pytest.mark.usefixtures("one_thread_one_seed")


@pytest.fixture(autouse=True)
def nothing_is_known_yet() -> Iterator[None]:
    """What was found out, or pretended, in one test is not kept for the next."""
    for cached in (native._try_one_step, native.warn_of_other):
        cached.cache_clear()
    yield
    for cached in (native._try_one_step, native.warn_of_other):
        cached.cache_clear()


def autocast(device: str, dtype: torch.dtype | None) -> AbstractContextManager[Any]:
    return torch.autocast(device, dtype or torch.bfloat16, enabled=dtype is not None)


def states_and_gradients(encoder: nn.Module, x: Tensor, autocast_dtype: torch.dtype | None) -> list[Tensor]:
    """The valid states, and the gradients of their squares: two layers in both directions, ragged."""
    x = x.clone().requires_grad_()
    valid = torch.arange(T, device=x.device) < LENGTHS.to(x.device)[:, None]
    with autocast(x.device.type, autocast_dtype), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        states = encoder(x, LENGTHS.to(x.device))[0][valid].double()
    gradients = torch.autograd.grad(states.square().sum(), [x, *encoder.parameters()])
    return [states, *(gradient.double() for gradient in gradients)]


def check_against_float64(encoder: nn.Module, exact: nn.Module, device: str, dtype: str) -> None:
    weights, autocast_dtype, bound = DTYPES[dtype]
    encoder, exact = encoder.to(device, weights), exact.to(device, torch.float64)
    exact.load_state_dict({name: value.double() for name, value in encoder.state_dict().items()})
    x = torch.randn(B, T, E, device=device).to(weights)
    found = states_and_gradients(encoder, x, autocast_dtype)
    expected = states_and_gradients(exact, x.double(), None)
    for a, b in zip(found, expected, strict=True):
        assert (a - b).norm() <= bound * b.norm()


@every_device
@every_dtype
@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_computes_in_every_dtype_what_float64_gives(name: str, dtype: str, device: str) -> None:
    options: Any = {"num_layers": 2, "bidirectional": True}
    check_against_float64(ENCODERS[name](E, H, **options), ENCODERS[name](E, H, **options), device, dtype)


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_computes_the_same_where_the_kernel_is_missing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor without the instructions: nothing asks the kernel, and one warning says what is used."""
    monkeypatch.setattr(native, "_try_one_step", lambda *_: "no kernel")
    encoder = ENCODERS[name](E, H, num_layers=2)
    monkeypatch.setattr(native, "run_layer", None)
    with pytest.warns(UserWarning, match="^no kernel: .* is used instead.$") as caught:
        encoder(torch.randn(B, T, E), LENGTHS)
    assert len(caught) == 1
    check_against_float64(encoder, ENCODERS[name](E, H, num_layers=2), "cpu", "float32")


@every_dtype
def test_native_by_name_computes_what_float64_gives_or_says_why_it_cannot(dtype: str) -> None:
    weights, autocast_dtype, _ = DTYPES[dtype]
    encoder = GatedEncoder(E, H, backend="native").to(weights)
    with autocast("cpu", autocast_dtype):
        problem = native.find_problem("lstm", torch.ones(1, dtype=weights))
    if problem is None:
        check_against_float64(encoder, GatedEncoder(E, H), "cpu", dtype)
        return
    sentence = "^backend=native: torch's LSTM kernel cannot compute in .*: use backend=auto$"
    with autocast("cpu", autocast_dtype), pytest.raises(BackendError, match=sentence):
        encoder(torch.randn(B, T, E, dtype=weights), LENGTHS)


def test_the_trial_of_a_kernel_draws_no_random_number_and_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = []
    kernel = torch._VF.lstm

    def counted(*given: Any) -> Any:
        trials.append(given)
        return kernel(*given)

    monkeypatch.setattr(torch._VF, "lstm", counted)
    before = torch.get_rng_state()
    for _ in range(3):
        with torch.inference_mode():
            assert native.find_problem("lstm", torch.ones(4, 1)) is None
    assert len(trials) == 1
    assert torch.equal(torch.get_rng_state(), before)


def test_a_device_out_of_memory_is_not_taken_for_a_missing_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(torch._VF, "gru", full)
    with pytest.raises(torch.OutOfMemoryError):
        native.find_problem("gru", torch.ones(3, 1))


# What a newer processor can play: an old one, one with AVX2 and no more, and any without oneDNN and with other threads.
PROCESSORS = {
    "sse41": {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"},
    "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    "no_onednn_four_threads": {"GATELAB_TEST_ONEDNN": "off", "GATELAB_TEST_THREADS": "4"},
}
HOLD_ANYWHERE = [
    "test_native.py::test_every_encoder_computes_in_every_dtype_what_float64_gives",
    "test_native.py::test_native_by_name_computes_what_float64_gives_or_says_why_it_cannot",
    "test_variants.py::test_every_variant_is_its_equation_in_numpy",
    "test_variants.py::test_fused_in_float32_keeps_to_the_equations",
]
VARIANTS = "test_native or plain or 1997 or JANET or all_on"  # which have every function and product of the others


@pytest.mark.parametrize(
    "processor", ["avx2", *(pytest.param(name, marks=pytest.mark.long) for name in PROCESSORS if name != "avx2")]
)
def test_on_other_processors_the_numbers_are_the_same_to_rounding(processor: str) -> None:
    """In a fresh process each, since torch reads what the processor is when it is loaded."""
    tests = [str(Path(__file__).with_name(test)) for test in HOLD_ANYWHERE]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "-k", VARIANTS, *tests],
        env={**os.environ, **PROCESSORS[processor]}, cwd=Path(__file__).parents[2],
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert " passed" in done.stdout


def test_what_a_backend_cannot_do_here_is_shown_as_a_sentence() -> None:
    assert is_user_error(BackendError("backend=native: …"))
    line = format_warning(UserWarning("no kernel"), UserWarning, native.__file__, 1)
    assert line == "warning: no kernel\n"
    assert "elsewhere.py:7" in format_warning(UserWarning("of others"), UserWarning, "elsewhere.py", 7)
